//! Plans that take further columns: from the leaf that has what they read, up through joins, unions, windows and conditions.
//!
//! Must not know: what is worth moving. Invariant: the plan has its own columns under their names, and the further ones behind or
//! among them; its rows are the same.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, Filter, Join, LogicalPlan, Projection, SubqueryAlias, Union, Window,
};

use super::asks;
use crate::expressions::is_null;
use crate::leaf;
use crate::planned_type::is_operator;

/// True where a leaf of a plan has all that an expression reads, and its value there is its value above.
pub(super) fn reaches(plan: &LogicalPlan, expr: &Expr) -> bool {
    if !has_columns(plan, expr) {
        return false;
    }
    if leaf::reads(plan) {
        return true;
    }
    match plan {
        LogicalPlan::Join(join) => side_of(join, expr).is_some(),
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| {
            let own = read_by_place(expr, &union.schema, &columns(input));
            own.is_ok_and(|own| reaches(input, &own))
        }),
        LogicalPlan::SubqueryAlias(alias) => {
            let own = read_by_place(expr, &alias.schema, &columns(&alias.input));
            own.is_ok_and(|own| reaches(&alias.input, &own))
        }
        LogicalPlan::Window(window) => reaches(&window.input, expr),
        LogicalPlan::Filter(filter) => passes(filter) && reaches(&filter.input, expr),
        LogicalPlan::Projection(projection) => {
            let own = read_by_place(expr, &projection.schema, &computed(projection));
            own.is_ok_and(|own| reaches(&projection.input, &own))
        }
        _ => false,
    }
}

/// True where an expression moves once the columns that it reads are written out, as lists below compute them.
pub(super) fn moves_written(plan: &LogicalPlan, expr: &Expr) -> bool {
    if matches!(expr, Expr::Column(_) | Expr::Alias(_) | Expr::Literal(..)) {
        return false;
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let own = read_by_place(expr, &projection.schema, &computed(projection));
            own.is_ok_and(|own| {
                super::moves(&own, projection.input.schema())
                    || moves_written(&projection.input, &own)
            })
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let own = read_by_place(expr, &alias.schema, &columns(&alias.input));
            own.is_ok_and(|own| moves_written(&alias.input, &own))
        }
        LogicalPlan::Union(union) => union.inputs.iter().any(|input| {
            let own = read_by_place(expr, &union.schema, &columns(input));
            own.is_ok_and(|own| moves_written(input, &own))
        }),
        LogicalPlan::Join(join) => {
            let sides = [&join.left, &join.right];
            side_of(join, expr).is_some_and(|side| moves_written(sides[side], expr))
        }
        LogicalPlan::Window(Window { input, .. }) | LogicalPlan::Filter(Filter { input, .. }) => {
            moves_written(input, expr)
        }
        _ => false,
    }
}

/// True for a condition that is one of a join to the planner: right above an inner join, or with a subquery. Nothing passes any
/// other that is above a join or a window.
fn passes(filter: &Filter) -> bool {
    fn is_inner(plan: &LogicalPlan) -> bool {
        match plan {
            LogicalPlan::Join(join) => join.join_type == JoinType::Inner,
            LogicalPlan::Projection(projection) => is_inner(&projection.input),
            LogicalPlan::SubqueryAlias(alias) => is_inner(&alias.input),
            LogicalPlan::Filter(filter) => is_inner(&filter.input),
            _ => false,
        }
    }
    asks(&filter.predicate) || is_inner(&filter.input)
}

/// True for an expression of a plan's columns.
pub(crate) fn has_columns(plan: &LogicalPlan, expr: &Expr) -> bool {
    let read = expr.column_refs();
    !read.is_empty() && read.iter().all(|column| plan.schema().has_column(column))
}

/// A plan with further columns, each of which it reaches; `None` where a leaf cannot say one.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(super) fn with(plan: &LogicalPlan, further: Vec<Expr>) -> Result<Option<LogicalPlan>> {
    if further.is_empty() {
        return Ok(Some(plan.clone()));
    }
    if leaf::reads(plan) {
        let exprs = columns(plan).into_iter().chain(further).collect();
        let made = Projection::try_new(exprs, Arc::new(plan.clone()))?;
        let made = LogicalPlan::Projection(made);
        return Ok(leaf::reads(&made).then_some(made));
    }
    match plan {
        LogicalPlan::Join(join) => joined(join, plan, further),
        LogicalPlan::Union(union) => united(union, &further),
        LogicalPlan::SubqueryAlias(alias) => {
            let own = by_place(&further, &alias.schema, &columns(&alias.input))?;
            let Some(input) = with(&alias.input, own)? else {
                return Ok(None);
            };
            let made = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
            Ok(Some(LogicalPlan::SubqueryAlias(made)))
        }
        LogicalPlan::Window(window) => over(&window.input, further, |input| {
            let made = Window::try_new(window.window_expr.clone(), input)?;
            Ok(LogicalPlan::Window(made))
        }),
        LogicalPlan::Filter(filter) => over(&filter.input, further, |input| {
            let made = Filter::try_new(filter.predicate.clone(), input)?;
            Ok(LogicalPlan::Filter(made))
        }),
        LogicalPlan::Projection(projection) => {
            let names: Vec<Expr> = further.iter().map(column_of).collect();
            let own = by_place(&further, &projection.schema, &computed(projection))?;
            over(&projection.input, own, |input| {
                let exprs = projection.expr.iter().cloned().chain(names).collect();
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, input)?))
            })
        }
        _ => Ok(None),
    }
}

fn over(
    input: &LogicalPlan,
    further: Vec<Expr>,
    made: impl FnOnce(Arc<LogicalPlan>) -> Result<LogicalPlan>,
) -> Result<Option<LogicalPlan>> {
    with(input, further)?
        .map(|input| made(Arc::new(input)))
        .transpose()
}

fn column_of(further: &Expr) -> Expr {
    Expr::Column(Column::new_unqualified(further.schema_name().to_string()))
}

fn joined(join: &Join, plan: &LogicalPlan, further: Vec<Expr>) -> Result<Option<LogicalPlan>> {
    let mut sides = [Vec::new(), Vec::new()];
    for expr in further {
        let Some(side) = side_of(join, &expr) else {
            return Ok(None);
        };
        sides[side].push(expr);
    }
    let [left, right] = sides;
    let (Some(left), Some(right)) = (with(&join.left, left)?, with(&join.right, right)?) else {
        return Ok(None);
    };
    let made = plan.with_new_exprs(plan.expressions(), vec![left, right])?;
    Ok(Some(made))
}

fn united(union: &Union, further: &[Expr]) -> Result<Option<LogicalPlan>> {
    let mut inputs = Vec::with_capacity(union.inputs.len());
    for input in &union.inputs {
        let own = by_place(further, &union.schema, &columns(input))?;
        let Some(input) = with(input, own)? else {
            return Ok(None);
        };
        inputs.push(Arc::new(input));
    }
    Ok(Some(LogicalPlan::Union(Union::try_new(inputs)?)))
}

/// The side of a join that an expression is of: 0 or 1. On a side that the join fills with nulls it has to be null for these.
fn side_of(join: &Join, expr: &Expr) -> Option<usize> {
    let (left, right) = match join.join_type {
        JoinType::Inner => (Some(false), Some(false)),
        JoinType::Left => (Some(false), Some(true)),
        JoinType::Right => (Some(true), Some(false)),
        JoinType::Full => (Some(true), Some(true)),
        JoinType::LeftSemi => (Some(false), None),
        JoinType::RightSemi => (None, Some(false)),
        _ => (None, None),
    };
    let sides = [(left, &join.left), (right, &join.right)];
    sides.into_iter().position(|(filled, side)| {
        filled.is_some_and(|filled| !filled || is_null_of_nulls(expr)) && reaches(side, expr)
    })
}

/// True for an expression that is null wherever its columns are.
pub(crate) fn is_null_of_nulls(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Literal(..) => is_null(expr),
        Expr::Alias(alias) => is_null_of_nulls(&alias.expr),
        Expr::Cast(cast) => is_null_of_nulls(&cast.expr),
        Expr::BinaryExpr(binary) => {
            is_null_of_nulls(&binary.left) || is_null_of_nulls(&binary.right)
        }
        Expr::Case(case) => {
            let mut answers = case.when_then_expr.iter().map(|(_, then)| then);
            answers.all(|answer| is_null_of_nulls(answer))
                && case
                    .else_expr
                    .as_ref()
                    .is_none_or(|answer| is_null_of_nulls(answer))
        }
        Expr::ScalarFunction(call) => match call.func.name() {
            "nullif" | "cast" | "ceil" | "floor" => call.args.first().is_some_and(is_null_of_nulls),
            name if is_operator(name) => call.args.iter().any(is_null_of_nulls),
            _ => false,
        },
        _ => false,
    }
}

/// The rows below a list, and the list over them; `None` where a plan has none on top.
pub(super) fn listed(plan: &LogicalPlan) -> Option<(&LogicalPlan, Vec<Expr>)> {
    match plan {
        LogicalPlan::Projection(projection) => Some((&projection.input, computed(projection))),
        LogicalPlan::SubqueryAlias(alias) => listed(&alias.input),
        _ => None,
    }
}

/// What a projection computes, whatever it calls it.
fn computed(projection: &Projection) -> Vec<Expr> {
    let exprs = projection.expr.iter().cloned();
    exprs.map(Expr::unalias).collect()
}

fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = plan.schema().columns();
    columns.into_iter().map(Expr::Column).collect()
}

/// Expressions over the columns of a plan, over others in the same places.
///
/// # Errors
/// Where a column is none of the plan's.
pub(super) fn by_place(exprs: &[Expr], from: &DFSchema, to: &[Expr]) -> Result<Vec<Expr>> {
    let exprs = exprs.iter();
    exprs.map(|expr| read_by_place(expr, from, to)).collect()
}

fn read_by_place(expr: &Expr, from: &DFSchema, to: &[Expr]) -> Result<Expr> {
    let read = expr.clone().transform(|inner| {
        Ok(match &inner {
            Expr::Column(column) => match to.get(from.index_of_column(column)?) {
                Some(own) => Transformed::yes(own.clone()),
                None => Transformed::no(inner),
            },
            _ => Transformed::no(inner),
        })
    });
    read.data()
}
