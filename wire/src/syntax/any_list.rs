//! `= ANY('{a,b}')` as `IN ('a', 'b')`: how clients of Postgres ask for one of many values.
//!
//! Must not know: columns. Invariant: only a literal array becomes a list; its elements stay what they are.

use super::scan::{Piece, pieces};

/// The text with literal arrays behind `= ANY` and `<> ALL` as lists.
pub(crate) fn with_lists(text: &str) -> String {
    let all: Vec<Piece<'_>> = pieces(text).collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(piece) = all.get(at) {
        match list_at(&all, at) {
            Some((list, end)) => {
                out.push_str(&list);
                at = end;
            }
            None => {
                piece.push_to(&mut out);
                at += 1;
            }
        }
    }
    out
}

/// The list in the place of a comparison that begins at that piece, and where the comparison ends.
fn list_at(all: &[Piece<'_>], at: usize) -> Option<(String, usize)> {
    let (word, mut at) = match (all.get(at)?, all.get(at + 1)?) {
        (Piece::Sign('='), _) => ("ANY", at + 1),
        (Piece::Sign('<'), Piece::Sign('>')) | (Piece::Sign('!'), Piece::Sign('=')) => {
            ("ALL", at + 2)
        }
        _ => return None,
    };
    let mut next = || {
        while matches!(all.get(at), Some(Piece::Blank(_))) {
            at += 1;
        }
        at += 1;
        all.get(at - 1).copied()
    };
    let Piece::Word(said) = next()? else {
        return None;
    };
    let (Piece::Sign('('), Piece::Text(array)) = (next()?, next()?) else {
        return None;
    };
    if !said.eq_ignore_ascii_case(word) {
        return None;
    }
    let mut plain = false;
    let mut sign = next()?;
    if sign == Piece::Sign(':') {
        let (Piece::Sign(':'), Piece::Word(kind)) = (next()?, next()?) else {
            return None;
        };
        plain = [
            "int", "float", "num", "bool", "big", "small", "real", "double",
        ]
        .iter()
        .any(|n| kind.to_lowercase().starts_with(n));
        (next()? == Piece::Sign('[') && next()? == Piece::Sign(']')).then_some(())?;
        sign = next()?;
    }
    (sign == Piece::Sign(')')).then_some(())?;
    let items = elements(array)?;
    let literal = |item: &Option<String>| match item {
        None => "NULL".to_owned(),
        Some(item) if plain && is_plain(item) => item.clone(),
        Some(item) => format!("'{}'", item.replace('\'', "''")),
    };
    let not = if word == "ALL" { "NOT " } else { "" };
    if items.is_empty() {
        // Nothing is one of no values. That everything is none of them has no words that stand behind any operand.
        return (word == "ANY").then(|| (" IS NULL AND 1 = 0".to_owned(), at));
    }
    let list: Vec<String> = items.iter().map(literal).collect();
    Some((format!(" {not}IN ({})", list.join(", ")), at))
}

fn is_plain(item: &str) -> bool {
    item.parse::<f64>().is_ok_and(f64::is_finite) || matches!(item, "true" | "false")
}

/// The elements of `'{a,"b c",NULL}'`.
fn elements(quoted: &str) -> Option<Vec<Option<String>>> {
    let text = quoted
        .strip_prefix('\'')?
        .strip_suffix('\'')?
        .replace("''", "'");
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut out = Vec::new();
    let mut signs = inner.chars().peekable();
    while signs.peek().is_some() {
        let mut item = String::new();
        let mut was_quoted = false;
        let mut inside = false;
        loop {
            match signs.next() {
                None => break,
                Some(',') if !inside => break,
                Some('"') => {
                    was_quoted = true;
                    inside = !inside;
                }
                Some('\\') => item.extend(signs.next()),
                Some('{' | '}') if !inside => return None,
                Some(c) => item.push(c),
            }
        }
        let is_null = !was_quoted && item.trim().eq_ignore_ascii_case("null");
        out.push((!is_null).then_some(if was_quoted {
            item
        } else {
            item.trim().to_owned()
        }));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::with_lists;

    #[test]
    fn arrays_become_lists() {
        for (from, to) in [
            (
                "a = ANY('{x,\"y z\",it''s}')",
                "a  IN ('x', 'y z', 'it''s')",
            ),
            ("a = any ('{1,2}'::int8[]) AND b", "a  IN (1, 2) AND b"),
            ("a = ANY('{1,2}'::text[])", "a  IN ('1', '2')"),
            ("a <> ALL('{1}'::int4[])", "a  NOT IN (1)"),
            ("a = ANY('{NULL,\"q\\\"\"}')", "a  IN (NULL, 'q\"')"),
            ("a = ANY('{}')", "a  IS NULL AND 1 = 0"),
            ("a = ANY(b)", "a = ANY(b)"),
            ("a = ANY('{{1}}')", "a = ANY('{{1}}')"),
            ("a = 'ANY'", "a = 'ANY'"),
            ("x =", "x ="),
        ] {
            assert_eq!(with_lists(from), to);
        }
    }
}
