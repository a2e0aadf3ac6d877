//! Scalar subqueries that look at the rows around them by more than equality: each row with its matches, aggregated by row.
//!
//! The optimiser at hand turns equalities into joins; what it would leave over is done here: number the outer rows, join the
//! inner ones by the condition, aggregate the matches of each row. Must not know: syntax. Invariant: a row without a match
//! has what the aggregation answers for no rows.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType};
use datafusion::error::Result;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::{AggregateFunction, BinaryExpr};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, lit,
};

/// Rewrites every such subquery of projections and filters.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn aggregated(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Projection(projection) => {
            let input = Arc::clone(&projection.input);
            let mut exprs = projection.expr.clone();
            match around(input.as_ref(), &mut exprs)? {
                Some(input) => {
                    let names = projection.schema.columns();
                    let named = exprs.into_iter().zip(names).map(|(expr, name)| {
                        if Column::from_name(name.name.clone()).name
                            == expr.schema_name().to_string()
                        {
                            expr
                        } else {
                            expr.unalias().alias_qualified(name.relation, name.name)
                        }
                    });
                    let exprs: Vec<Expr> = named.collect();
                    let made = Projection::try_new(exprs, Arc::new(input))?;
                    Ok(Transformed::yes(LogicalPlan::Projection(made)))
                }
                None => Ok(Transformed::no(LogicalPlan::Projection(projection))),
            }
        }
        LogicalPlan::Filter(filter) => {
            let mut exprs = vec![filter.predicate.clone()];
            match around(filter.input.as_ref(), &mut exprs)? {
                Some(input) => {
                    let columns = filter.input.schema().columns();
                    let kept = columns.into_iter().map(Expr::Column);
                    let condition = exprs.remove(0);
                    let made = LogicalPlanBuilder::from(input)
                        .filter(condition)?
                        .project(kept.collect::<Vec<_>>())?
                        .build()?;
                    Ok(Transformed::yes(made))
                }
                None => Ok(Transformed::no(LogicalPlan::Filter(filter))),
            }
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

/// The input with a column for each subquery that is rewritten, and the expressions over it; `None` where there is none.
fn around(input: &LogicalPlan, exprs: &mut [Expr]) -> Result<Option<LogicalPlan>> {
    let mut found: Vec<(Subquery, Parts)> = Vec::new();
    for expr in exprs.iter() {
        expr.apply(|inner| {
            if let Expr::ScalarSubquery(subquery) = inner
                && let Some(parts) = parts(subquery)
                && !found.iter().any(|(known, _)| known == subquery)
            {
                found.push((subquery.clone(), parts));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut plan = input.clone();
    for (turn, (subquery, parts)) in found.into_iter().enumerate() {
        let name = format!("$value{turn}");
        plan = with_value(plan, parts, &name, turn)?;
        let value = Expr::Column(Column::new_unqualified(name));
        for expr in exprs.iter_mut() {
            let replaced = expr.clone().transform_up(|inner| match &inner {
                Expr::ScalarSubquery(known) if *known == subquery => {
                    Ok(Transformed::yes(value.clone()))
                }
                _ => Ok(Transformed::no(inner)),
            })?;
            *expr = replaced.data;
        }
    }
    Ok(Some(plan))
}

/// A subquery taken apart.
struct Parts {
    /// What is answered, over the aggregates.
    value: Option<Expr>,
    aggregates: Vec<Expr>,
    condition: Expr,
    inner: LogicalPlan,
}

/// The parts of an aggregation without groups over a condition that looks outside by more than equalities.
fn parts(subquery: &Subquery) -> Option<Parts> {
    if subquery.outer_ref_columns.is_empty() {
        return None;
    }
    let (value, aggregation) = match subquery.subquery.as_ref() {
        LogicalPlan::Projection(Projection { expr, input, .. }) => match expr.as_slice() {
            [value] => (Some(value.clone().unalias()), input.as_ref()),
            _ => return None,
        },
        other => (None, other),
    };
    let LogicalPlan::Aggregate(Aggregate {
        input,
        group_expr,
        aggr_expr,
        ..
    }) = aggregation
    else {
        return None;
    };
    let LogicalPlan::Filter(Filter {
        predicate,
        input: inner,
        ..
    }) = input.as_ref()
    else {
        return None;
    };
    let outside = |expr: &Expr| expr.contains_outer();
    let elsewhere = aggr_expr.iter().any(outside)
        || value.as_ref().is_some_and(outside)
        || !inner.all_out_ref_exprs().is_empty();
    let equalities = split_conjunction(predicate)
        .into_iter()
        .filter(|part| outside(part))
        .all(is_equality);
    if !group_expr.is_empty() || elsewhere || equalities {
        return None;
    }
    Some(Parts {
        value,
        aggregates: aggr_expr.clone(),
        condition: predicate.clone(),
        inner: inner.as_ref().clone(),
    })
}

/// True for an inner side that equals an outer one, which the optimiser makes a join of.
fn is_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = condition
    else {
        return false;
    };
    let inner = |expr: &Expr| !expr.contains_outer() && !expr.column_refs().is_empty();
    let outer = |expr: &Expr| expr.contains_outer() && expr.column_refs().is_empty();
    (inner(left) && outer(right)) || (outer(left) && inner(right))
}

fn with_value(plan: LogicalPlan, parts: Parts, name: &str, turn: usize) -> Result<LogicalPlan> {
    let mut columns = plan.schema().columns();
    let number = row_number().alias(format!("$row{turn}"));
    columns.push(Column::new_unqualified(format!("$row{turn}")));
    let outer = LogicalPlanBuilder::from(plan)
        .window(vec![number])?
        .build()?;
    let marker = format!("$match{turn}");
    let mut list: Vec<Expr> = parts
        .inner
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    list.push(lit(1).alias(&marker));
    let inner = LogicalPlanBuilder::from(parts.inner)
        .project(list)?
        .build()?;
    let condition = parts.condition.transform_up(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })?;
    let matched = Expr::Column(Column::new_unqualified(&marker)).is_not_null();
    let mut names = Vec::new();
    let mut aggregates = Vec::new();
    for (at, expr) in parts.aggregates.into_iter().enumerate() {
        let known = expr.schema_name().to_string();
        let column = format!("$aggregate{turn}.{at}");
        let filtered = match expr.unalias() {
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                let filter = params
                    .filter
                    .take()
                    .map_or_else(|| matched.clone(), |filter| matched.clone().and(*filter));
                params.filter = Some(Box::new(filter));
                Expr::AggregateFunction(AggregateFunction { func, params })
            }
            other => other,
        };
        aggregates.push(filtered.alias(&column));
        names.push((known, column));
    }
    let groups: Vec<Expr> = columns.iter().cloned().map(Expr::Column).collect();
    let value = parts.value.unwrap_or_else(|| {
        let first = names.first().map(|(known, _)| known.as_str());
        Expr::Column(Column::new_unqualified(first.unwrap_or_default()))
    });
    let value = value.transform_up(|expr| match &expr {
        Expr::Column(column) => {
            let own = names.iter().find(|(known, _)| *known == column.name);
            Ok(own.map_or_else(
                || Transformed::no(expr.clone()),
                |(_, own)| Transformed::yes(Expr::Column(Column::new_unqualified(own))),
            ))
        }
        _ => Ok(Transformed::no(expr)),
    })?;
    columns.pop();
    let mut list: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
    list.push(value.data.alias(name));
    LogicalPlanBuilder::from(outer)
        .join_on(inner, JoinType::Left, [condition.data])?
        .aggregate(groups, aggregates)?
        .project(list)?
        .build()
}
