//! Aggregations of a choice as aggregations under a FILTER.
//!
//! Pinot's planner makes them so wherever a choice is computed right below its aggregation. Above an inner join it is computed at a
//! leaf by then, where zero stands for what is not chosen; an outer join that a condition makes an inner one is still outer
//! then. Must not know: rows, leaves. Invariant: an aggregation keeps its name.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::under_names_of;
use crate::aggregate::PinotAggregate;
use crate::expressions::is_null;
use crate::typing::expression;

/// How many sides of joins nulls may stand for; joins that stand for subqueries are not among them.
pub(crate) fn outer_sides(plan: &LogicalPlan) -> usize {
    let mut sides = 0;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && !stands_for_subquery(&join.right)
        {
            sides += match join.join_type {
                JoinType::Full => 2,
                JoinType::Left | JoinType::Right => 1,
                _ => 0,
            };
        }
        Ok(TreeNodeRecursion::Continue)
    });
    sides
}

fn stands_for_subquery(side: &LogicalPlan) -> bool {
    matches!(side, LogicalPlan::SubqueryAlias(alias) if alias.alias.table().starts_with("__"))
}

/// The plan with FILTERs in the place of choices that are aggregated.
///
/// # Errors
/// Where an aggregation cannot be rebuilt.
pub(crate) fn of_choices(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let made = match &node {
            LogicalPlan::Aggregate(aggregate) => filtered(aggregate)?,
            _ => None,
        };
        Ok(made.map_or_else(|| Transformed::no(node), Transformed::yes))
    })
    .data()
}

fn filtered(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let mut changed = false;
    let schema = aggregate.input.schema();
    let calls = aggregate.aggr_expr.iter().map(|call| {
        let made = under_filter(call, schema)?;
        changed |= made.is_some();
        Ok(made.unwrap_or_else(|| call.clone()))
    });
    let calls = calls.collect::<Result<Vec<_>>>()?;
    if !changed {
        return Ok(None);
    }
    let (input, groups) = (Arc::clone(&aggregate.input), aggregate.group_expr.clone());
    under_names_of(aggregate, Aggregate::try_new(input, groups, calls)?).map(Some)
}

fn under_filter(call: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = call.clone().unalias() else {
        return Ok(None);
    };
    let inner: &dyn std::any::Any = func.inner().as_ref();
    let Some(function) = inner.downcast_ref::<PinotAggregate>() else {
        return Ok(None);
    };
    let nullif = matches!(params.args.as_slice(), [Expr::ScalarFunction(_)]);
    let (mut params, chosen) = of_choice(params, function.arguments.len());
    let Some(mut chosen) = chosen else {
        return Ok(None);
    };
    if nullif {
        // NULLIF compares what has two types; operators above a leaf do not.
        let typed = chosen.transform_up(|part| Ok(Transformed::yes(expression(part, schema)?)))?;
        chosen = typed.data;
    }
    params.filter = Some(Box::new(match params.filter {
        Some(filter) => filter.and(chosen),
        None => chosen,
    }));
    let made = AggregateFunction { func, params };
    Ok(Some(Expr::AggregateFunction(made)))
}

/// An aggregation of NULLIF or one CASE of one condition that is null otherwise, as the planner has it: of the value, with the condition as a
/// filter. A leaf that does not handle nulls would read zero for them.
pub(crate) fn of_choice(
    mut params: AggregateFunctionParams,
    arguments: usize,
) -> (AggregateFunctionParams, Option<Expr>) {
    let case = match params.args.as_slice() {
        [Expr::Case(case)] => case,
        [Expr::ScalarFunction(call)] if call.func.name() == "nullif" && arguments == 1 => {
            let [value, other] = call.args.as_slice() else {
                return (params, None);
            };
            let filter = value.clone().eq(other.clone()).is_not_true();
            params.args = vec![value.clone()];
            return (params, Some(filter));
        }
        _ => return (params, None),
    };
    let ([(when, then)], None, 1) = (case.when_then_expr.as_slice(), &case.expr, arguments) else {
        return (params, None);
    };
    let otherwise = case.else_expr.as_deref().filter(|other| !is_null(other));
    let (value, filter) = match otherwise {
        None if !is_null(then) => (then.as_ref().clone(), when.as_ref().clone()),
        Some(other) if is_null(then) => (other.clone(), when.as_ref().clone().is_not_true()),
        _ => return (params, None),
    };
    params.args = vec![value];
    (params, Some(filter))
}
