//! Outer joins above which a condition wants values of the side that may be missing: inner joins, or outer ones of the other side.
//!
//! The optimiser knows so of columns and its own arithmetic; this knows it of Pinot's functions. Must not know: leaves.
//! Invariant: the same rows; what a condition tests is null where all its columns are.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, Join, LogicalPlan, Operator};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::computed::{has_columns, is_null_of_nulls};
use crate::planned_type::is_operator;

/// Comes behind the optimiser's own rule, and before conditions are moved down.
#[derive(Debug)]
pub(crate) struct StrictJoins;

/// The rule that it comes behind.
pub(crate) const BEHIND: &str = "eliminate_outer_join";

impl OptimizerRule for StrictJoins {
    fn name(&self) -> &str {
        "strict_joins"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let LogicalPlan::Join(join) = filter.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let wants = |side: &LogicalPlan| {
            let parts = split_conjunction(&filter.predicate);
            parts.into_iter().any(|part| is_strict(part, side))
        };
        let Some(join_type) = settled(join, wants) else {
            return Ok(Transformed::no(plan));
        };
        let join = Join::try_new(
            Arc::clone(&join.left),
            Arc::clone(&join.right),
            join.on.clone(),
            join.filter.clone(),
            join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        let input = Arc::new(LogicalPlan::Join(join));
        let made = Filter::try_new(filter.predicate.clone(), input)?;
        Ok(Transformed::yes(LogicalPlan::Filter(made)))
    }
}

/// The join of which only rows with a wanted side are left; `None` where it stays.
fn settled(join: &Join, wants: impl Fn(&LogicalPlan) -> bool) -> Option<JoinType> {
    let left = || wants(&join.left);
    let right = || wants(&join.right);
    match join.join_type {
        JoinType::Left => right().then_some(JoinType::Inner),
        JoinType::Right => left().then_some(JoinType::Inner),
        JoinType::Full => match (left(), right()) {
            (true, true) => Some(JoinType::Inner),
            (true, false) => Some(JoinType::Left),
            (false, true) => Some(JoinType::Right),
            (false, false) => None,
        },
        _ => None,
    }
}

/// True for a condition that no row meets of which a side is missing.
fn is_strict(condition: &Expr, side: &LogicalPlan) -> bool {
    let null = |expr: &Expr| is_null_without(expr, side);
    match condition {
        Expr::IsNotNull(inner) => null(inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => is_strict(left, side) || is_strict(right, side),
            Operator::Or => is_strict(left, side) && is_strict(right, side),
            op => op.supports_propagation() && (null(left) || null(right)),
        },
        Expr::Between(between) => null(&between.expr),
        Expr::InList(list) => null(&list.expr),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::ScalarFunction(_) | Expr::Between(_) | Expr::InList(_) => is_strict(inner, side),
            _ => false,
        },
        Expr::ScalarFunction(call) if call.func.name() == "like" => {
            call.args.first().is_some_and(null)
        }
        _ => false,
    }
}

/// True for an expression that is null where a side is missing; of arithmetic, one operand of that side is enough.
fn is_null_without(expr: &Expr, side: &LogicalPlan) -> bool {
    if has_columns(side, expr) && is_null_of_nulls(expr) {
        return true;
    }
    match expr {
        Expr::ScalarFunction(call) if is_operator(call.func.name()) => {
            call.args.iter().any(|arg| is_null_without(arg, side))
        }
        _ => false,
    }
}
