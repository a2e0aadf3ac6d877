//! What Pinot does to a query before it is planned, in Pinot's order; the order shows in column names.
//!
//! Must not know: schemas. Invariant: rewriting a rewritten query changes nothing.

mod aggregation;
mod aliases;
mod checks;
mod fold;
mod unknown;

use common::Value;
use functions::aggregate::HYPERLOGLOG_LOG2M;

use crate::{Expr, Filter, Query, SqlError};

pub use fold::fold;

/// Applies every rewrite.
///
/// # Errors
/// Where a rule of the single-stage engine is broken.
pub fn apply(mut query: Query, now_ms: i64) -> Result<Query, SqlError> {
    for item in &mut query.select {
        item.expr = fold(item.expr.clone(), now_ms)?;
    }
    query.filter = fold_filter(query.filter, now_ms)?.map(Filter::sets_of_one);
    query.having = fold_filter(query.having, now_ms)?;
    for key in &mut query.group_by {
        *key = match key.as_literal() {
            Some(_) => key.clone(),
            None => fold(key.clone(), now_ms)?,
        };
    }
    for order in &mut query.order_by {
        order.expr = match order.expr.as_literal() {
            Some(_) => order.expr.clone(),
            None => fold(order.expr.clone(), now_ms)?,
        };
    }
    if query.table.is_none() {
        return literals_only(query);
    }
    checks::before(&query)?;
    array_aggregations(&mut query);
    // A leaf of the multi-stage engine has other types for parts than for the whole.
    if !query.options.is_true("multistageleaf") {
        aggregation::optimise(&mut query);
    }
    aliases::resolve(&mut query)?;
    checks::after(&query)?;
    // What is computed of aggregations has one row.
    query.distinct &= !query.is_aggregation();
    group_by_to_distinct(&mut query);
    sized_sketches(&mut query);
    Ok(query)
}

/// A HyperLogLog of no size has the default, which names of expressions over it show.
fn sized_sketches(query: &mut Query) {
    let mut sized = |expr: Expr| {
        expr.rewrite(&mut |part| match part {
            Expr::Call(mut call) if SIZED.contains(&call.name.as_str()) && call.args.len() == 1 => {
                call.args
                    .push(Expr::Literal(Value::Int(i32::from(HYPERLOGLOG_LOG2M))));
                Expr::Call(call)
            }
            other => other,
        })
    };
    for item in &mut query.select {
        item.expr = sized(std::mem::replace(&mut item.expr, Expr::Star));
    }
    for order in &mut query.order_by {
        order.expr = sized(std::mem::replace(&mut order.expr, Expr::Star));
    }
    query.having = query.having.take().map(|having| having.map(&mut sized));
}

/// Aggregations that take such a size.
const SIZED: &[&str] = &[
    "distinctcounthll",
    "distinctcounthllmv",
    "distinctcountrawhll",
    "distinctcountrawhllmv",
];

fn fold_filter(filter: Option<Filter>, now_ms: i64) -> Result<Option<Filter>, SqlError> {
    let Some(filter) = filter else {
        return Ok(None);
    };
    refolded(filter, now_ms).map(unknown::decided).map(Some)
}

/// Folds every tested expression; one that becomes a literal makes its predicate a constant.
fn refolded(filter: Filter, now_ms: i64) -> Result<Filter, SqlError> {
    let all = |children: Vec<Filter>| {
        children
            .into_iter()
            .map(|c| refolded(c, now_ms))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match filter {
        Filter::And(children) => Filter::and(all(children)?),
        Filter::Or(children) => Filter::or(all(children)?),
        Filter::Not(child) => refolded(*child, now_ms)?.negated(),
        Filter::Predicate(expr, test) => Filter::from_parts(fold(expr, now_ms)?, test)?,
        constant @ Filter::Constant(_) => constant,
    })
}

fn literals_only(query: Query) -> Result<Query, SqlError> {
    if query
        .select
        .iter()
        .all(|item| item.expr.as_literal().is_some())
    {
        return Ok(query);
    }
    Err(SqlError::Validation(
        "Data source (FROM clause) not found".to_owned(),
    ))
}

fn array_aggregations(query: &mut Query) {
    let replace = |expr: &mut Expr| {
        *expr = aggregation::over_arrays(std::mem::replace(expr, Expr::Star));
    };
    query
        .select
        .iter_mut()
        .for_each(|item| replace(&mut item.expr));
    query
        .order_by
        .iter_mut()
        .for_each(|order| replace(&mut order.expr));
    query.having = query
        .having
        .take()
        .map(|having| having.map(&mut aggregation::over_arrays));
}

/// GROUP BY without aggregation is DISTINCT where the keys are what is selected.
fn group_by_to_distinct(query: &mut Query) {
    if query.group_by.is_empty() || query.is_aggregation() || query.having.is_some() {
        return;
    }
    let selected: Vec<_> = query.select.iter().map(|item| &item.expr).collect();
    let same = selected.iter().all(|e| query.group_by.contains(e))
        && query.group_by.iter().all(|e| selected.contains(&e));
    if same {
        query.distinct = true;
        query.group_by.clear();
    }
}
