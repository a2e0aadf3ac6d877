//! Conditions that compare a choice, as choices of conditions.
//!
//! Pinot's planner moves a comparison into the CASE that it tests, but for an equality of two columns: where no value is chosen the condition is not met, while a leaf
//! would compare zero or an empty text. Must not know: leaves. Invariant: the rows that pass where nulls are
//! handled are the same.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, LogicalPlan, Operator, lit};

use super::makes_null;
use crate::expressions::{is_null, mapped};
use crate::typing::expression;

/// The plan with the conditions of its filters within the choices that they test.
///
/// # Errors
/// Where a filter cannot be rebuilt.
pub(crate) fn within_choices(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::Filter(filter) if filter.predicate.exists(|part| Ok(makes_null(part)))? => {
            let schema = Arc::clone(filter.input.schema());
            mapped(node, |predicate| {
                Ok(Transformed::yes(condition(predicate, &schema)?))
            })
        }
        _ => Ok(Transformed::no(node)),
    })
    .data()
}

fn condition(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => condition(*left, schema)?.and(condition(*right, schema)?),
            Operator::Or => condition(*left, schema)?.or(condition(*right, schema)?),
            op if op.supports_propagation() => compared(*left, op, *right, schema)?,
            op => Expr::BinaryExpr(BinaryExpr { left, op, right }),
        },
        Expr::Not(inner) => negated(*inner, schema)?,
        other => match tested(&other, schema)? {
            Some(choice) => choice.tested(|value| with_value(other.clone(), value)),
            None => other,
        },
    })
}

/// A condition that is not to be met: a comparison has another that says so.
fn negated(inner: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match inner {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op.negate() {
            Some(op) => condition(Expr::BinaryExpr(BinaryExpr { left, op, right }), schema)?,
            None => !Expr::BinaryExpr(BinaryExpr { left, op, right }),
        },
        other => match tested(&other, schema)? {
            Some(choice) => choice.tested(|value| !with_value(other.clone(), value)),
            None => !other,
        },
    })
}

fn compared(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let test = |left: Expr, right: Expr| {
        let (left, right) = (Box::new(left), Box::new(right));
        Expr::BinaryExpr(BinaryExpr { left, op, right })
    };
    // An equality of what both sides compute is kept whole: it might be the key of a join.
    if op == Operator::Eq && left.any_column_refs() && right.any_column_refs() {
        return Ok(test(left, right));
    }
    if let Some(choice) = Choice::of(&left, schema)? {
        return Ok(choice.tested(|value| test(value, right.clone())));
    }
    Ok(match Choice::of(&right, schema)? {
        Some(choice) => choice.tested(|value| test(left.clone(), value)),
        None => test(left, right),
    })
}

/// The choice that LIKE tests.
fn tested(expr: &Expr, schema: &DFSchema) -> Result<Option<Choice>> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == "like" => match call.args.first() {
            Some(value) => Choice::of(value, schema),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn with_value(test: Expr, value: Expr) -> Expr {
    match test {
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
            if let Some(first) = args.first_mut() {
                *first = value;
            }
            Expr::ScalarFunction(ScalarFunction { func, args })
        }
        other => other,
    }
}

/// Values with the conditions under which each is chosen; under none of them it is null.
struct Choice(Vec<(Expr, Expr)>);

impl Choice {
    /// A CASE or NULLIF that may answer null.
    fn of(expr: &Expr, schema: &DFSchema) -> Result<Option<Self>> {
        Ok(match expr {
            Expr::Case(case) if case.expr.is_none() && makes_null(expr) => {
                Some(Self::of_case(case))
            }
            Expr::ScalarFunction(call) if call.func.name() == "nullif" => {
                let [value, other] = call.args.as_slice() else {
                    return Ok(None);
                };
                let equal = expression(value.clone().eq(other.clone()), schema)?;
                Some(Self(vec![(equal.is_not_true(), value.clone())]))
            }
            _ => None,
        })
    }

    fn of_case(case: &Case) -> Self {
        let mut before: Option<Expr> = None;
        let mut values = Vec::new();
        for (when, then) in &case.when_then_expr {
            let reached = match &before {
                Some(before) => before.clone().and((**when).clone()),
                None => (**when).clone(),
            };
            if !is_null(then) {
                values.push((reached, (**then).clone()));
            }
            let passed = (**when).clone().is_not_true();
            before = Some(match before {
                Some(before) => before.and(passed),
                None => passed,
            });
        }
        let otherwise = case.else_expr.as_deref().filter(|other| !is_null(other));
        values.extend(before.zip(otherwise.cloned()));
        Self(values)
    }

    /// The test of what is chosen.
    fn tested(self, test: impl Fn(Expr) -> Expr) -> Expr {
        let parts = self.0.into_iter();
        let parts = parts.map(|(chosen, value)| chosen.and(test(value)));
        parts.reduce(Expr::or).unwrap_or_else(|| lit(false))
    }
}
