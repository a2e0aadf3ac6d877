//! `IN_SUBQUERY(expr, 'SELECT ID_SET(..) ..')`: the broker runs the inner query and puts its set in place.
//!
//! Must not know: id sets, they are opaque texts here. Invariant: every inner query has the options and the time of the outer.

use common::{ErrorCode, QueryException, Value};
use sql::Statement;

use super::{Core, Job, Stop};

const NAMES: [&str; 4] = [
    "in_subquery",
    "insubquery",
    "in_partitioned_subquery",
    "inpartitionedsubquery",
];
/// Inner queries of one query.
const MOST: usize = 16;

/// A call in a text.
struct Found {
    /// Where the name begins.
    name: std::ops::Range<usize>,
    /// Where the literal, with its quotes, is.
    literal: std::ops::Range<usize>,
    /// The inner query.
    inner: String,
}

impl Core {
    /// The statement with every inner query replaced; `None` where it has none.
    pub(super) async fn with_subqueries(
        &self,
        job: &Job,
        statement: &Statement,
    ) -> Result<Option<Statement>, Stop> {
        if find(&statement.sql)?.is_none() {
            return Ok(None);
        }
        // They exist in WHERE alone; elsewhere planning finds no such function.
        if sql::parse::query(statement, job.now_ms).is_ok_and(|q| !sql::subquery::is_needed(&q)) {
            return Ok(None);
        }
        let mut statement = statement.clone();
        for _ in 0..MOST {
            let Some(found) = find(&statement.sql)? else {
                return Ok(Some(statement));
            };
            let set = self.inner(job, &statement, &found.inner).await?;
            statement
                .sql
                .replace_range(found.literal, &format!("'{set}'"));
            statement.sql.replace_range(found.name, "IN_ID_SET");
        }
        Err(QueryException::new(
            ErrorCode::QueryExecution,
            format!("more than {MOST} IN_SUBQUERY calls"),
        )
        .into())
    }

    async fn inner(&self, job: &Job, outer: &Statement, sql: &str) -> Result<String, Stop> {
        let input = job.input.inner(sql, &outer.options);
        let response = Box::pin(self.answer(input)).await;
        if let Some(failure) = response.failures.into_iter().next() {
            let message = format!("the subquery `{sql}` failed: {}", failure.message);
            // Who may not read the table is told so, whatever the way there.
            let code = if failure.code == ErrorCode::AccessDenied {
                failure.code
            } else {
                ErrorCode::QueryExecution
            };
            return Err(QueryException::new(code, message).into());
        }
        let mut rows = response.table.map_or_else(Vec::new, |table| table.rows);
        match rows.pop().and_then(|row| row.into_iter().next()) {
            Some(Value::String(set)) if rows.is_empty() => Ok(set),
            _ => Err(QueryException::new(
                ErrorCode::QueryExecution,
                format!("the subquery `{sql}` answers no id set: expected SELECT ID_SET(column) FROM ..."),
            )
            .into()),
        }
    }
}

/// The first call outside quotes.
fn find(sql: &str) -> Result<Option<Found>, Stop> {
    let bytes = sql.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
            None => {
                let starts = at == 0 || !is_word(bytes[at - 1]);
                let name = NAMES
                    .iter()
                    .find(|name| starts && starts_with(&bytes[at..], name));
                if let Some(name) = name {
                    return call(sql, at..at + name.len());
                }
            }
        }
        at += 1;
    }
    Ok(None)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn starts_with(bytes: &[u8], name: &str) -> bool {
    bytes.len() > name.len()
        && bytes[..name.len()].eq_ignore_ascii_case(name.as_bytes())
        && !is_word(bytes[name.len()])
}

/// Takes a call apart: the literal is its second argument.
fn call(sql: &str, name: std::ops::Range<usize>) -> Result<Option<Found>, Stop> {
    let refused =
        |what: &str| -> Stop { QueryException::new(ErrorCode::QueryExecution, what).into() };
    let bytes = sql.as_bytes();
    let (mut depth, mut at, mut arguments) = (0_usize, name.end, 1_usize);
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            b',' if depth == 1 => arguments += 1,
            b'\'' if depth == 1 && arguments == 2 => {
                let (end, inner) = literal(sql, at);
                return Ok(Some(Found {
                    name,
                    literal: at..end,
                    inner,
                }));
            }
            b'\'' | b'"' => {
                let rest = bytes[at + 1..].iter().position(|b| *b == byte);
                at += rest.map_or(bytes.len(), |n| n + 1);
            }
            _ => {}
        }
        at += 1;
    }
    if arguments == 2 {
        return Err(refused(
            "Second argument of IN_SUBQUERY must be a literal (subquery)",
        ));
    }
    Err(refused(
        "IN_SUBQUERY requires 2 arguments: expression, subquery",
    ))
}

/// The end of a literal and its text.
fn literal(sql: &str, start: usize) -> (usize, String) {
    let mut inner = String::new();
    let mut chars = sql[start + 1..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            inner.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
            inner.push(c);
            chars.next();
        } else {
            return (start + 1 + at + 1, inner);
        }
    }
    (sql.len(), inner)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_inner_query_is_found() {
        let sql = "SELECT a FROM t WHERE b = 'in_subquery(x)' AND IN_SUBQUERY(f(a, 1), 'SELECT ID_SET(k) FROM u WHERE v = ''x''') = 1";
        let found = find(sql).ok().flatten();
        let found = found.map(|f| (sql[f.name].to_owned(), f.inner));
        let inner = "SELECT ID_SET(k) FROM u WHERE v = 'x'".to_owned();
        assert_eq!(found, Some(("IN_SUBQUERY".to_owned(), inner)));
        assert!(matches!(find("SELECT 1"), Ok(None)));
        assert!(find("SELECT insubquery(a)").is_err());
    }
}
