//! Aggregations of a choice as aggregations under a FILTER.
//!
//! Pinot's planner makes them so wherever a choice is computed right below its aggregation. Above an inner join it is computed at a
//! leaf by then, where zero stands for what is not chosen; an outer join that a condition makes an inner one is still outer
//! then. Must not know: rows, leaves. Invariant: an aggregation keeps its name.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Case, Expr, ExprSchemable, Filter, LogicalPlan, Projection, lit,
};

use super::{makes_null, under_names_of};
use crate::aggregate::PinotAggregate;
use crate::catalog::Table;
use crate::expressions::{is_null, mapped};
use crate::leaf;
use crate::typing::expression;

/// How many sides of joins nulls may stand for that their own columns are not; joins that stand for subqueries are not among them.
pub(crate) fn outer_sides(plan: &LogicalPlan) -> usize {
    let mut sides = 0;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && !stands_for_subquery(&join.right)
        {
            let filled: &[&LogicalPlan] = match join.join_type {
                JoinType::Full => &[&join.left, &join.right],
                JoinType::Left => &[&join.right],
                JoinType::Right => &[&join.left],
                _ => &[],
            };
            sides += filled.iter().filter(|side| !is_nullable(side)).count();
        }
        Ok(TreeNodeRecursion::Continue)
    });
    sides
}

/// True for rows of tables all of whose columns may be null to the planner: an outer join changes no type of them.
fn is_nullable(side: &LogicalPlan) -> bool {
    let (mut nullable, mut strict) = (false, false);
    let _ = side.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let table = Table::of(scan).is_some_and(|table| table.nullable);
            nullable |= table;
            strict |= !table;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    nullable && !strict
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

/// The plan without null handling, with the value that stands for a null in the place of what is not chosen, where a leaf below a semi
/// join chooses: Pinot's planner has a semi join above what is computed of its rows, and such a choice becomes no FILTER.
///
/// # Errors
/// Where a node cannot be rebuilt.
pub(crate) fn below_semi_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::Aggregate(Aggregate { input, .. })
        | LogicalPlan::Projection(Projection { input, .. })
            if is_semi_joined(input) =>
        {
            let schema = Arc::clone(input.schema());
            mapped(node, |expr| expr.transform_up(|part| chosen(part, &schema)))
        }
        _ => Ok(Transformed::no(node)),
    })
    .data()
}

/// True for the rows of a leaf of which a semi join keeps some.
fn is_semi_joined(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi => leaf::reads(&join.left) || is_semi_joined(&join.left),
            JoinType::RightSemi => leaf::reads(&join.right) || is_semi_joined(&join.right),
            _ => false,
        },
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::Filter(Filter { input, .. }) => is_semi_joined(input),
        LogicalPlan::SubqueryAlias(alias) => is_semi_joined(&alias.input),
        _ => false,
    }
}

/// A choice that is never null.
fn chosen(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !makes_null(&expr) {
        return Ok(Transformed::no(expr));
    }
    let nothing = lit(ScalarValue::new_default(&expr.get_type(schema)?)?);
    let case = match expr {
        Expr::Case(mut case) => {
            let answers = case.when_then_expr.iter_mut().map(|(_, then)| then);
            for answer in answers.filter(|answer| is_null(answer)) {
                **answer = nothing.clone();
            }
            if case.else_expr.as_deref().is_none_or(is_null) {
                case.else_expr = Some(Box::new(nothing));
            }
            case
        }
        Expr::ScalarFunction(call) => match call.args.as_slice() {
            [value, other] => {
                let same = expression(value.clone().eq(other.clone()), schema)?;
                let value = Some(Box::new(value.clone()));
                Case::new(None, vec![(Box::new(same), Box::new(nothing))], value)
            }
            _ => return Ok(Transformed::no(Expr::ScalarFunction(call))),
        },
        other => return Ok(Transformed::no(other)),
    };
    Ok(Transformed::yes(Expr::Case(case)))
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
    let nullif =
        |arg: &Expr| matches!(arg, Expr::ScalarFunction(call) if call.func.name() == "nullif");
    let nullif = params
        .args
        .iter()
        .any(|arg| arg.exists(|part| Ok(nullif(part))).unwrap_or(false));
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
/// filter, and so on where the value is such a choice. A leaf that does not handle nulls would read zero for them.
pub(crate) fn of_choice(
    mut params: AggregateFunctionParams,
    arguments: usize,
) -> (AggregateFunctionParams, Option<Expr>) {
    let mut chosen: Option<Expr> = None;
    while let [arg] = params.args.as_slice()
        && arguments == 1
        && let Some((value, condition)) = choice(arg)
    {
        params.args = vec![value];
        chosen = Some(match chosen {
            Some(outer) => outer.and(condition),
            None => condition,
        });
    }
    (params, chosen)
}

/// What is chosen, and when.
fn choice(expr: &Expr) -> Option<(Expr, Expr)> {
    let case = match expr {
        Expr::Case(case) => case,
        Expr::ScalarFunction(call) if call.func.name() == "nullif" => {
            let [value, other] = call.args.as_slice() else {
                return None;
            };
            return Some((value.clone(), value.clone().eq(other.clone()).is_not_true()));
        }
        _ => return None,
    };
    let ([(when, then)], None) = (case.when_then_expr.as_slice(), &case.expr) else {
        return None;
    };
    let otherwise = case.else_expr.as_deref().filter(|other| !is_null(other));
    match otherwise {
        None if !is_null(then) => Some((then.as_ref().clone(), when.as_ref().clone())),
        Some(other) if is_null(then) => Some((other.clone(), when.as_ref().clone().is_not_true())),
        _ => None,
    }
}
