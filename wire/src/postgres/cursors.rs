//! Cursors by DECLARE and FETCH: answers that are read in parts.
//!
//! Must not know: who answers. Invariant: a cursor lives as long as its transaction, and their number is bounded.

use std::collections::HashMap;

use super::answer::Table;
use super::failed::Failed;
use super::kind::Column;
use super::settings::unquoted;

/// Cursors that a session may keep.
const MOST: usize = 100;

/// The cursors of a session.
#[derive(Default)]
pub(crate) struct Cursors(HashMap<String, (Table, usize)>);

/// Name and query of what stands behind DECLARE.
pub(crate) fn declared(rest: &str) -> Result<(String, &str), Failed> {
    let wrong = || {
        Failed::new(
            "42601",
            format!("`DECLARE {rest}`: expected NAME CURSOR FOR query"),
        )
    };
    let (name, _) = rest.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let upper = rest.to_ascii_uppercase();
    let cursor = upper.find("CURSOR").ok_or_else(wrong)?;
    let (_, query) = upper
        .get(cursor..)
        .and_then(|u| u.split_once(" FOR "))
        .ok_or_else(wrong)?;
    let at = rest.len() - query.len();
    Ok((unquoted(name), rest.get(at..).ok_or_else(wrong)?))
}

/// How many rows a FETCH wants, and of which cursor.
pub(crate) fn wanted(rest: &str) -> Result<(usize, String), Failed> {
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    let name = words.pop().map(unquoted).unwrap_or_default();
    let is = |word: &str, other: &str| word.eq_ignore_ascii_case(other);
    words.retain(|w| !is(w, "FROM") && !is(w, "IN") && !is(w, "FORWARD") && !is(w, "NEXT"));
    let most = match words.as_slice() {
        [] => Some(1),
        [all] if is(all, "ALL") => Some(usize::MAX),
        [number] => number.parse().ok(),
        _ => None,
    };
    let most = most.ok_or_else(|| {
        Failed::new(
            "0A000",
            format!("`FETCH {rest}`: expected a number, ALL or NEXT, forwards"),
        )
    })?;
    Ok((most, name))
}

fn unknown(name: &str) -> Failed {
    Failed::new("34000", format!("there is no cursor `{name}`"))
}

impl Cursors {
    /// Keeps an answer under a name.
    pub(crate) fn keep(&mut self, name: String, table: Table) -> Result<(), Failed> {
        if self.0.len() >= MOST && !self.0.contains_key(&name) {
            let why = format!("this session keeps {MOST} cursors, which is the limit: close some");
            return Err(Failed::new("53400", why));
        }
        self.0.insert(name, (table, 0));
        Ok(())
    }

    /// The next rows of a cursor.
    pub(crate) fn fetch(&mut self, name: &str, most: usize) -> Result<Table, Failed> {
        let (table, sent) = self.0.get_mut(name).ok_or_else(|| unknown(name))?;
        let rows: Vec<_> = table.rows.iter().skip(*sent).take(most).cloned().collect();
        *sent += rows.len();
        let columns = table.columns.clone();
        Ok(Table {
            columns,
            rows,
            tag: "FETCH",
        })
    }

    /// The columns of a cursor.
    pub(crate) fn columns(&self, name: &str) -> Result<Vec<Column>, Failed> {
        let found = self.0.get(name).map(|(table, _)| table.columns.clone());
        found.ok_or_else(|| unknown(name))
    }

    /// Closes one, or all of them.
    pub(crate) fn close(&mut self, name: &str) {
        if name.eq_ignore_ascii_case("all") {
            self.0.clear();
        } else {
            self.0.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_on() -> Result<(), Failed> {
        let (name, query) = declared("c1 NO SCROLL CURSOR WITHOUT HOLD FOR SELECT a FROM t")?;
        assert_eq!((name.as_str(), query), ("c1", "SELECT a FROM t"));
        assert!(declared("c1 SELECT 1").is_err());
        assert_eq!(wanted("FORWARD 5 FROM \"c1\"")?, (5, "c1".to_owned()));
        assert_eq!(wanted("ALL IN c1")?.0, usize::MAX);
        assert_eq!(wanted("c1")?.0, 1);
        assert!(wanted("BACKWARD 1 FROM c1").is_err());
        let rows = ["a", "b", "c"].map(|t| vec![t.to_owned()]);
        let mut all = Cursors::default();
        all.keep(
            "c1".to_owned(),
            Table::of_texts("SELECT", &["x"], rows.to_vec()),
        )?;
        assert_eq!(all.fetch("c1", 2)?.rows.len(), 2);
        assert_eq!(all.fetch("c1", usize::MAX)?.rows.len(), 1);
        assert_eq!(all.fetch("c1", 1)?.rows.len(), 0);
        all.close("ALL");
        assert!(all.fetch("c1", 1).is_err());
        Ok(())
    }
}
