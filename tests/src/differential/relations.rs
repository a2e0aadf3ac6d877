//! What must hold between answers to a random query and to others made of it, whatever the answers are.
//!
//! Must not know: single functions. Invariant: a relation says how to ask the same in another way, never what comes out.

use serde_json::Value as Json;

use super::asking::{self, Answer};
use super::generator::Query;

/// A relation between answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relation {
    /// The same rows behind other indexes.
    Indexes,
    /// Both engines.
    Engines,
    /// Rows that pass a condition and those that do not are all rows.
    Partition,
    /// WHERE, FILTER and a sum of CASE count the same rows.
    Forms,
    /// Pages make the whole.
    Pages,
    /// DISTINCT is a grouping without aggregations.
    Distinct,
    /// Groups add up to the whole.
    Groups,
    /// A filter and its negation negated.
    Negation,
    /// A subquery's rows are its own, and UNION ALL of both parts has all of them.
    Union,
    /// Who is found by a semi-join and who by its negation are all.
    SemiJoin,
}

impl Relation {
    pub(super) const ALL: &[Self] = &[
        Self::Indexes,
        Self::Engines,
        Self::Partition,
        Self::Forms,
        Self::Pages,
        Self::Distinct,
        Self::Groups,
        Self::Negation,
        Self::Union,
        Self::SemiJoin,
    ];

    /// `Err` says what does not hold of a query.
    pub(super) fn check(self, query: &Query) -> Result<(), String> {
        match self {
            Self::Indexes => indexes(query),
            Self::Engines => engines(query),
            Self::Partition => partition(query),
            Self::Forms => forms(query),
            Self::Pages => pages(query),
            Self::Distinct => distinct(query),
            Self::Groups => groups(query),
            Self::Negation => negation(query),
            Self::Union => union(query),
            Self::SemiJoin => semi_join(query),
        }
    }
}

fn single(sql: &str) -> Answer {
    asking::ours(sql, false)
}

fn multi(sql: &str) -> Answer {
    asking::ours(sql, true)
}

/// Answers that must be equal row by row; a refusal of either side is compared where both must refuse.
fn equal(a: (&str, &Answer), b: (&str, &Answer), refusals: bool) -> Result<(), String> {
    let difference = match (a.1, b.1) {
        (Ok(x), Ok(y)) => asking::rows_differ(x, y),
        (Err(_), Err(_)) => None,
        (Ok(_), Err(error)) | (Err(error), Ok(_)) if refusals => Some(format!(
            "one is refused with {}: {}",
            error.code.number(),
            error.message
        )),
        _ => None,
    };
    match difference {
        Some(difference) => Err(format!("{}\n{}\n{difference}", a.0, b.0)),
        None => Ok(()),
    }
}

fn indexes(query: &Query) -> Result<(), String> {
    let Some(twin) = query.table.twin else {
        return Ok(());
    };
    let (a, b) = (query.sql(), query.over(twin));
    equal((&a, &single(&a)), (&b, &single(&b)), true)
}

fn engines(query: &Query) -> Result<(), String> {
    let filtered = || query.values.iter().any(|v| v.sql().contains("FILTER"));
    if query.aggregated && (query.offset > 0 || filtered()) {
        // One engine pays no attention to OFFSET, and has 0 where the other has null for no rows.
        return Ok(());
    }
    let sql = query.sql();
    let (a, b) = (single(&sql), multi(&sql));
    // Extremes over no rows are infinite in one engine, and of the type in the other.
    let empty = query.aggregated && query.keys.is_empty() && count(query, "") == Ok(0.0);
    if empty {
        return Ok(());
    }
    equal((&sql, &a), (&format!("(multi-stage) {sql}"), &b), false)
}

/// The rows of a query's table that its filter and a further condition leave.
fn count(query: &Query, further: &str) -> Result<f64, String> {
    let mut wanted: Vec<String> = query
        .filter
        .iter()
        .map(|f| format!("({})", f.sql()))
        .collect();
    if !further.is_empty() {
        wanted.push(further.to_owned());
    }
    let condition = match wanted.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", wanted.join(" AND ")),
    };
    number(&format!(
        "SELECT COUNT(*) FROM {}{condition}",
        query.table.name
    ))
}

/// The only number of an answer.
fn number(sql: &str) -> Result<f64, String> {
    let table = single(sql).map_err(|e| e.message)?;
    let rows = asking::cells(&table);
    let cell = rows.first().and_then(|row| row.first());
    cell.and_then(Json::as_f64)
        .ok_or_else(|| format!("{sql}: no number"))
}

fn agree(what: &[String], numbers: &[f64]) -> Result<(), String> {
    let first = numbers.first().copied().unwrap_or_default();
    let near = |n: &f64| (n - first).abs() <= 1e-9 * first.abs().max(1.0);
    match numbers.iter().all(near) {
        true => Ok(()),
        false => Err(format!("{}\n{numbers:?}", what.join("\n"))),
    }
}

/// Refused queries hold trivially: the other relations compare refusals.
fn all(asked: &[String]) -> Option<Vec<f64>> {
    asked.iter().map(|sql| number(sql).ok()).collect()
}

fn partition(query: &Query) -> Result<(), String> {
    let Some(filter) = &query.filter else {
        return Ok(());
    };
    let (table, filter) = (query.table.name, filter.sql());
    let asked = [
        format!("SELECT COUNT(*) FROM {table}"),
        format!("SELECT COUNT(*) FROM {table} WHERE {filter}"),
        format!("SELECT COUNT(*) FROM {table} WHERE NOT ({filter})"),
    ];
    match all(&asked).as_deref() {
        Some([whole, some, others]) => agree(&asked, &[*whole, some + others]),
        _ => Ok(()),
    }
}

fn forms(query: &Query) -> Result<(), String> {
    let Some(filter) = &query.filter else {
        return Ok(());
    };
    let (table, filter) = (query.table.name, filter.sql());
    let asked = [
        format!("SELECT COUNT(*) FROM {table} WHERE {filter}"),
        format!("SELECT COUNT(*) FILTER (WHERE {filter}) FROM {table}"),
        format!("SELECT COUNT(*) FROM {table} WHERE ({filter}) AND ({filter})"),
        format!("SELECT COUNT(*) FROM {table} WHERE ({filter}) OR ({filter})"),
    ];
    all(&asked).map_or(Ok(()), |numbers| agree(&asked, &numbers))
}

fn negation(query: &Query) -> Result<(), String> {
    let Some(filter) = &query.filter else {
        return Ok(());
    };
    let (table, filter) = (query.table.name, filter.sql());
    let of = |condition: &str| {
        format!(
            "SELECT COUNT(*), SUM({0}) FROM {table} WHERE {condition}",
            query.table.columns[0].name
        )
    };
    let (a, b) = (of(&filter), of(&format!("NOT (NOT ({filter}))")));
    equal((&a, &single(&a)), (&b, &single(&b)), false)
}

fn pages(query: &Query) -> Result<(), String> {
    if query.aggregated {
        // OFFSET is not looked at above an aggregation, as in Pinot.
        return Ok(());
    }
    let mut whole = query.clone();
    (whole.limit, whole.offset) = (40, 0);
    let (mut first, mut second) = (whole.clone(), whole.clone());
    first.limit = 13;
    (second.limit, second.offset) = (27, 13);
    let (a, b, c) = (whole.sql(), first.sql(), second.sql());
    let (Ok(together), Ok(one), Ok(two)) = (single(&a), single(&b), single(&c)) else {
        return Ok(());
    };
    let mut rows = one.clone();
    rows.rows.extend(two.rows);
    match asking::rows_differ(&together, &rows) {
        Some(difference) => Err(format!("{a}\n{b}\n{c}\n{difference}")),
        None => Ok(()),
    }
}

fn distinct(query: &Query) -> Result<(), String> {
    if query.keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = query.keys.iter().map(super::node::Node::sql).collect();
    let filter = query
        .filter
        .as_ref()
        .map_or_else(String::new, |f| format!(" WHERE {}", f.sql()));
    let (keys, table) = (keys.join(", "), query.table.name);
    let a = format!("SELECT DISTINCT {keys} FROM {table}{filter} ORDER BY {keys} LIMIT 50");
    let b = format!("SELECT {keys} FROM {table}{filter} GROUP BY {keys} ORDER BY {keys} LIMIT 50");
    equal((&a, &single(&a)), (&b, &single(&b)), false)
}

fn groups(query: &Query) -> Result<(), String> {
    if query.keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = query.keys.iter().map(super::node::Node::sql).collect();
    let filter = query
        .filter
        .as_ref()
        .map_or_else(String::new, |f| format!(" WHERE {}", f.sql()));
    let (keys, table) = (keys.join(", "), query.table.name);
    let parts = format!("SELECT COUNT(*) FROM {table}{filter} GROUP BY {keys} LIMIT 100000");
    let (Ok(found), Ok(whole)) = (single(&parts), count(query, "")) else {
        return Ok(());
    };
    let cells = asking::cells(&found);
    let sum = cells.iter().filter_map(|row| row.first()?.as_f64()).sum();
    agree(&[parts], &[whole, sum])
}

fn union(query: &Query) -> Result<(), String> {
    let Some(filter) = &query.filter else {
        return Ok(());
    };
    let (table, key, filter) = (query.table.name, query.table.key, filter.sql());
    let of = |condition: &str| format!("SELECT {key} FROM {table} WHERE {condition}");
    let (some, others) = (of(&filter), of(&format!("NOT ({filter})")));
    let asked = format!("SELECT COUNT(*) FROM (({some}) UNION ALL ({others})) AS u");
    let (Ok(found), Ok(whole)) = (
        multi(&asked),
        number(&format!("SELECT COUNT(*) FROM {table}")),
    ) else {
        return Ok(());
    };
    let cells = asking::cells(&found);
    let sum = cells
        .first()
        .and_then(|row| row.first()?.as_f64())
        .unwrap_or(-1.0);
    agree(&[asked], &[whole, sum])
}

fn semi_join(query: &Query) -> Result<(), String> {
    let Some(filter) = &query.filter else {
        return Ok(());
    };
    let (table, key, filter) = (query.table.name, query.table.key, filter.sql());
    let sql = format!(
        "SELECT COUNT(*) FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {filter})"
    );
    let (Ok(found), Ok(wanted)) = (multi(&sql), count(query, "")) else {
        return Ok(());
    };
    let cells = asking::cells(&found);
    let sum = cells
        .first()
        .and_then(|row| row.first()?.as_f64())
        .unwrap_or(-1.0);
    agree(&[sql], &[wanted, sum])
}
