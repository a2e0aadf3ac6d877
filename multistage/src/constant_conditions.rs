//! Conditions that read nothing but literals, above an aggregation without keys: they are decided where they stand.
//!
//! Such an aggregation has a row of no rows too, so that the engine must not move them below it. Beside it, the one spelling that
//! joins compare literals in. Must not know: tables. Invariant: the same rows; what reads a column, or is volatile, stays.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, EmptyRelation, Expr, Filter, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::expressions;

/// A plan whose joins compare with literals on the right: of a condition that reaches a side in both spellings, the optimiser takes
/// `1 = c AND c = 1` for a contradiction.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn literals_last(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(_) => expressions::mapped(node, |expr| expr.transform_up(literal_last)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

fn literal_last(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let first = left.as_literal().is_some() && right.as_literal().is_none();
    Ok(match op.swap().filter(|_| first) {
        Some(op) => Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(right, op, left))),
        None => Transformed::no(Expr::BinaryExpr(BinaryExpr::new(left, op, right))),
    })
}

/// Comes before conditions are moved down.
#[derive(Debug)]
pub(crate) struct ConstantConditions;

impl OptimizerRule for ConstantConditions {
    fn name(&self) -> &'static str {
        "constant_conditions"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else {
            return Ok(Transformed::no(plan));
        };
        let parts = split_conjunction(&filter.predicate);
        let (mut kept, mut holds) = (Vec::new(), true);
        for part in &parts {
            match decided(part, &filter.input, config)? {
                Some(answer) => holds &= answer,
                None => kept.push(*part),
            }
        }
        if kept.len() == parts.len() {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        if !holds {
            return Ok(Transformed::yes(none(filter.input.schema())));
        }
        Ok(Transformed::yes(
            match conjunction(kept.into_iter().cloned()) {
                Some(rest) => LogicalPlan::Filter(Filter::try_new(rest, filter.input)?),
                None => Arc::unwrap_or_clone(filter.input),
            },
        ))
    }
}

fn none(schema: &DFSchemaRef) -> LogicalPlan {
    LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::clone(schema),
    })
}

/// Whether a condition holds that reads literals alone; `None` where it stays.
fn decided(
    condition: &Expr,
    plan: &LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Option<bool>> {
    let Some(below) = above_one_row(condition.clone(), plan)? else {
        return Ok(None);
    };
    if !below.column_refs().is_empty() {
        return Ok(None);
    }
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(DFSchema::empty()))
        .with_config_options(config.options())
        .with_query_execution_start_time(config.query_execution_start_time())
        .build();
    Ok(match ExprSimplifier::new(context).simplify(below)? {
        Expr::Literal(ScalarValue::Boolean(answer), _) => Some(answer == Some(true)),
        Expr::Literal(scalar, _) if scalar.is_null() => Some(false),
        _ => None,
    })
}

/// A condition as the lists below it write its columns; `None` where there is no aggregation without keys behind them.
fn above_one_row(condition: Expr, plan: &LogicalPlan) -> Result<Option<Expr>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            Ok(aggregate.group_expr.is_empty().then_some(condition))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let columns = alias.input.schema().columns();
            let written: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
            above_one_row(
                expressions::rewritten(condition, plan, &written)?,
                &alias.input,
            )
        }
        LogicalPlan::Projection(list) => {
            let written: Vec<Expr> = list.expr.iter().cloned().map(Expr::unalias).collect();
            above_one_row(
                expressions::rewritten(condition, plan, &written)?,
                &list.input,
            )
        }
        _ => Ok(None),
    }
}
