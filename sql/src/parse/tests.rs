//! What the grammar takes and refuses, and what it turns things into.

use crate::{Options, Query, SqlError, Statement, text};

fn parsed(sql: &str) -> Result<Query, SqlError> {
    super::query(&Statement::split(sql, &Options::default())?, 0)
}

fn names(sql: &str) -> Result<Vec<String>, SqlError> {
    let items = parsed(sql)?.select;
    Ok(items
        .iter()
        .map(|item| text::expression(&item.expr))
        .collect())
}

#[test]
fn the_grammar_is_pinots() {
    for sql in [
        "SELECT timestamp FROM t",
        "SELECT a AS range FROM t",
        "SELECT a FROM t WHERE a == 1",
        "SELECT a FROM t OPTION()",
        "SELECT CASE END FROM t",
        "SELECT date_diff('DAY', 0, 1)",
        "SELECT minus(a, 1) FROM t",
        "SELECT ARRAY[1, 2.5]",
    ] {
        assert!(matches!(parsed(sql), Err(SqlError::Parse(_))), "{sql}");
    }
    for sql in [
        "SELECT \"timestamp\" FROM t",
        "SELECT a FROM t WHERE b = '=='",
        "SELECT a FROM t OPTION(timeoutMs=5)",
        "SELECT \"minus\"(a, 1) FROM t",
        "SELECT ARRAY[1, 2]",
    ] {
        assert!(parsed(sql).is_ok(), "{sql}");
    }
}

/// Each of these leaves the parser two readings at every dot or bracket: doubling, they would never end.
#[test]
fn many_readings_end() {
    let names = "a.".repeat(60);
    let subscripts = "a[".repeat(45);
    for sql in [
        format!("SELECT {names}( FROM t"),
        format!("SELECT {names}+ FROM t"),
        format!("SELECT {names}b[+ FROM t"),
        format!("SELECT b FROM t WHERE {subscripts}+"),
        format!("SELECT a.{} FROM t", subscripts.replace("a[", "a.b[")),
        format!("SELECT a FROM {}a", "(".repeat(45)),
        names.clone() + "(",
    ] {
        assert!(matches!(parsed(&sql), Err(SqlError::Parse(_))), "{sql}");
        assert!(super::syntax(&sql).is_err(), "{sql}");
        assert!(super::expression_text(&sql).is_err(), "{sql}");
        assert!(super::condition(&sql).is_err(), "{sql}");
    }
    let nested = "group.topics.interval.case.key.a.b.c.d.e.f.g.h.end.timestamp";
    assert!(parsed(&format!("SELECT {nested} FROM t")).is_ok());
    let many = vec!["t.a.b + abs(c)"; 20_000].join(", ");
    assert!(super::syntax(&format!("SELECT {many} FROM t")).is_ok());
}

#[test]
fn literals_are_pinots() -> Result<(), SqlError> {
    assert_eq!(names("SELECT -0.0 * 3")?, ["'0.0'"]);
    assert_eq!(
        names("SELECT a + INTERVAL '1' DAY FROM t")?,
        ["plus(a,'1')"]
    );
    assert_eq!(
        names("SELECT CONVERT(a, VARCHAR) FROM t")?,
        ["convert(a,VARCHAR)"]
    );
    assert_eq!(
        names("SELECT TRY_CAST(a AS INT) FROM t")?,
        ["safecast(a,'INTEGER')"]
    );
    assert_eq!(
        names("SELECT jsonStringToArray('[1, \"a\"]')")?,
        ["'[1, a]'"]
    );
    Ok(())
}

#[test]
fn filters_are_simplified() -> Result<(), SqlError> {
    let filter = |condition: &str| -> Result<String, SqlError> {
        let query = parsed(&format!("SELECT a FROM t WHERE {condition}"))?;
        Ok(query.filter.as_ref().map_or_else(String::new, text::filter))
    };
    assert_eq!(filter("a = a")?, filter("true")?);
    assert_eq!(filter("a != a")?, filter("false")?);
    assert_eq!(filter("a IN (1.0) OR b = 2")?, filter("a = 1.0 OR b = 2")?);
    assert_eq!(
        filter("a IN (1.0, 1.0) AND b = 2")?,
        filter("a = 1.0 AND b = 2")?
    );
    assert_ne!(filter("NOT (a IN (1.0))")?, filter("NOT (a = 1.0)")?);
    Ok(())
}
