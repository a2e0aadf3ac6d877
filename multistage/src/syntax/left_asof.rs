//! `LEFT ASOF JOIN`, which the grammar at hand does not have: the text becomes `ASOF JOIN` with a mark in its condition.
//!
//! Must not know: what the join means. Invariant: text in quotes stays.

/// What a left join's condition begins with.
pub(super) const LEFT: &str = "$left$";

/// The text without the word LEFT before ASOF; its MATCH_CONDITION has the mark.
pub(crate) fn left_asof(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut marks = 0;
    while let Some(c) = rest.chars().next() {
        if matches!(c, '\'' | '"') {
            let end = rest[1..].find(c).map_or(rest.len(), |at| at + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let word: usize = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count();
        if word == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (found, after) = rest.split_at(word);
        let next = after.trim_start();
        let asof = next
            .get(..4)
            .is_some_and(|next| next.eq_ignore_ascii_case("ASOF"));
        if found.eq_ignore_ascii_case("LEFT") && asof {
            marks += 1;
            rest = next;
            continue;
        }
        out.push_str(found);
        rest = after;
        if marks > 0 && found.eq_ignore_ascii_case("MATCH_CONDITION") && next.starts_with('(') {
            marks -= 1;
            out.push_str(&format!("('{LEFT}' AND "));
            rest = &next[1..];
        }
    }
    out
}
