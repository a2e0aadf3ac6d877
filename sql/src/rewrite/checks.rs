//! The rules that a single-stage query must keep.
//!
//! Must not know: schemas. Invariant: the messages are Pinot's, clients show them.

use std::collections::HashSet;

use crate::{Expr, Query, SqlError, text};

fn refuse(message: impl Into<String>) -> SqlError {
    SqlError::Parse(message.into())
}

/// Rules on the query as written.
pub(super) fn before(query: &Query) -> Result<(), SqlError> {
    let mut aliases = HashSet::new();
    for alias in query.select.iter().filter_map(|item| item.alias.as_ref()) {
        if !aliases.insert(alias) {
            return Err(refuse(format!("Find duplicate alias: {alias}")));
        }
    }
    if query.distinct {
        if query.select.iter().any(|item| item.expr == Expr::Star) {
            return Err(refuse(
                "Syntax error: Pinot currently does not support DISTINCT with *. Please specify each column name after DISTINCT keyword",
            ));
        }
        let aggregates = query.select.iter().any(|item| item.expr.is_aggregation());
        if aggregates || !query.group_by.is_empty() {
            return Err(refuse(
                "DISTINCT with aggregation or GROUP BY is not supported",
            ));
        }
        // An alias is no column to order by, what it names is.
        let alias = |expr: &Expr| {
            let named = query.select.iter().filter(|item| item.expr != *expr);
            matches!(expr, Expr::Column(name) if named.clone().any(|item| item.alias.as_ref() == Some(name)))
        };
        if query.order_by.iter().any(|order| alias(&order.expr)) {
            return Err(refuse(
                "ORDER-BY columns should be included in the DISTINCT columns",
            ));
        }
    }
    Ok(())
}

/// Rules on the query with aliases resolved.
pub(super) fn after(query: &Query) -> Result<(), SqlError> {
    if query.distinct {
        return distinct(query);
    }
    for key in &query.group_by {
        if key.has_aggregation() {
            return Err(refuse(format!(
                "Aggregate expression '{}' is not allowed in GROUP BY clause.",
                text::expression(key)
            )));
        }
    }
    if !query.group_by.is_empty() {
        return covered_by_group_by(query);
    }
    if query.is_aggregation() && query.select.iter().any(|item| !item.expr.has_aggregation()) {
        return Err(refuse(
            "Columns and Aggregate functions can't co-exist without GROUP BY clause",
        ));
    }
    Ok(())
}

fn distinct(query: &Query) -> Result<(), SqlError> {
    if query
        .order_by
        .iter()
        .any(|order| !query.select.iter().any(|item| item.expr == order.expr))
    {
        return Err(refuse(
            "ORDER-BY columns should be included in the DISTINCT columns",
        ));
    }
    Ok(())
}

fn covered_by_group_by(query: &Query) -> Result<(), SqlError> {
    for item in &query.select {
        // A column beside an aggregation is only missed where the groups are answered.
        let aggregates = item.expr.has_aggregation() || item.expr.as_literal().is_some();
        if !aggregates && !over_aggregations(&item.expr, &query.group_by) {
            return Err(refuse(format!(
                "'{}' should be functionally dependent on the columns used in GROUP BY clause.",
                text::expression(&item.expr)
            )));
        }
    }
    Ok(())
}

/// True where an expression is made of keys, aggregations and literals only (a literal alone does not count).
fn over_aggregations(expr: &Expr, keys: &[Expr]) -> bool {
    if keys.contains(expr) || expr.is_aggregation() {
        return true;
    }
    match expr {
        Expr::Call(call) => {
            call.args
                .iter()
                .all(|arg| arg.as_literal().is_some() || over_aggregations(arg, keys))
                && call.args.iter().any(|arg| arg.as_literal().is_none())
        }
        _ => false,
    }
}
