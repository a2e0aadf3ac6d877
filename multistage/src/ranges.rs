//! Ranges that say nothing or everything, settled while planning as Pinot's planner does.
//!
//! `x > 2 AND x < 1` is FALSE; `x < 2 OR x > 1`, `x NOT BETWEEN 2 AND 1`, `x LIKE '%'` and `b IN (false, true)` are
//! `x IS NOT NULL`; `x <> x` and its like are FALSE.
//! Must not know: tables. Invariant: a condition keeps its answer for every value that is not null.

use std::cmp::Ordering;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Operator, lit};

use crate::expressions;

/// Settles the conditions of every filter.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) => {
            let predicate = filter.predicate.clone().transform_down(condition)?;
            if !predicate.transformed {
                return Ok(Transformed::no(LogicalPlan::Filter(filter)));
            }
            let made = Filter::try_new(predicate.data, filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(made)))
        }
        LogicalPlan::Aggregate(_) => filters(node),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

/// The same for the FILTERs of aggregations.
fn filters(aggregate: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let settled = |inner| match inner {
        Expr::AggregateFunction(mut call) => {
            let Some(filter) = call.params.filter.take() else {
                return Ok(Transformed::no(Expr::AggregateFunction(call)));
            };
            let found = filter.transform_down(condition)?;
            call.params.filter = Some(Box::new(found.data));
            let call = Expr::AggregateFunction(call);
            Ok(Transformed::new(
                call,
                found.transformed,
                TreeNodeRecursion::Jump,
            ))
        }
        other => Ok(Transformed::no(other)),
    };
    expressions::retyped(aggregate, |expr| expr.transform_down(settled))
}

/// True for a condition that is FALSE for every value.
pub(crate) fn is_never_met(expr: &Expr) -> bool {
    let settled = expr.clone().transform_down(condition);
    settled.is_ok_and(|found| found.data == lit(false) && found.transformed)
}

fn condition(expr: Expr) -> Result<Transformed<Expr>> {
    let settled = match &expr {
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::And, ..
        }) => is_empty(&expr).then(|| lit(false)),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => all_of(left, right).or_else(|| either(left, right)),
        Expr::InList(InList {
            expr: value,
            list,
            negated,
        }) if both_truths(list) => Some(if *negated {
            lit(false)
        } else {
            is_there(value)
        }),
        Expr::Not(inner) => negated(inner).map(again).transpose()?.or_else(|| {
            let met = itself(inner).filter(|(_, met)| !met);
            met.map(|(value, _)| is_there(value))
        }),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::IsNotDistinctFrom,
            right,
        }) if left == right && !left.is_volatile() => Some(lit(true)),
        Expr::BinaryExpr(_) if matches!(itself(&expr), Some((_, false))) => Some(lit(false)),
        // A column is what it is, where it is not null.
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::LtEq | Operator::GtEq,
            right,
        }) if left == right && matches!(left.as_ref(), Expr::Column(_)) => Some(is_there(left)),
        Expr::Between(Between {
            expr: value,
            negated,
            low,
            high,
        }) => match (low.as_ref(), high.as_ref()) {
            (Expr::Literal(low, _), Expr::Literal(high, _))
                if low.partial_cmp(high) == Some(Ordering::Greater) =>
            {
                Some(if *negated {
                    is_there(value)
                } else {
                    lit(false)
                })
            }
            _ => None,
        },
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "like" => {
            match args.as_slice() {
                [
                    value @ Expr::Column(_),
                    Expr::Literal(ScalarValue::Utf8(Some(pattern)), _),
                ] if pattern == "%" => Some(value.clone().is_not_null()),
                _ => None,
            }
        }
        _ => None,
    };
    Ok(settled.map_or_else(|| Transformed::no(expr), Transformed::yes))
}

/// What was made of a condition, settled in its turn.
fn again(made: Expr) -> Result<Expr> {
    Ok(condition(made)?.data)
}

/// The negation of a condition that has parts, or two ends, by those of its parts.
fn negated(inner: &Expr) -> Option<Expr> {
    let not = |part: &Expr| Expr::Not(Box::new(part.clone()));
    match inner {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => Some(not(left).or(not(right))),
            Operator::Or => Some(not(left).and(not(right))),
            _ => None,
        },
        Expr::Not(twice) => Some(twice.as_ref().clone()),
        Expr::Between(between) => Some(Expr::Between(Between {
            negated: !between.negated,
            ..between.clone()
        })),
        _ => None,
    }
}

/// A value that is compared with itself, and whether it meets that.
fn itself(expr: &Expr) -> Option<(&Expr, bool)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return None;
    };
    let met = match op {
        Operator::Eq | Operator::LtEq | Operator::GtEq => true,
        Operator::NotEq | Operator::Lt | Operator::Gt | Operator::IsDistinctFrom => false,
        _ => return None,
    };
    let literal = matches!(left.as_ref(), Expr::Literal(..));
    (left == right && !literal && !left.is_volatile()).then_some((left.as_ref(), met))
}

/// One end of a range over an expression.
struct End<'a> {
    of: &'a Expr,
    /// True for `>` and `>=`.
    lower: bool,
    inclusive: bool,
    at: &'a ScalarValue,
}

fn end(expr: &Expr) -> Option<End<'_>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return None;
    };
    let (of, at, turned) = match (left.as_ref(), right.as_ref()) {
        (Expr::Literal(..), Expr::Literal(..)) => return None,
        (of, Expr::Literal(at, _)) => (of, at, false),
        (Expr::Literal(at, _), of) => (of, at, true),
        _ => return None,
    };
    let (lower, inclusive) = match op {
        Operator::Gt => (true, false),
        Operator::GtEq => (true, true),
        Operator::Lt => (false, false),
        Operator::LtEq => (false, true),
        _ => return None,
    };
    (!at.is_null() && !of.is_volatile() && !has_elements(of)).then_some(End {
        of,
        lower: lower != turned,
        inclusive,
        at,
    })
}

/// True where two ends of a conjunction leave no value.
fn is_empty(conjunction: &Expr) -> bool {
    let ends: Vec<End<'_>> = split_conjunction(conjunction)
        .into_iter()
        .filter_map(end)
        .collect();
    ends.iter().filter(|low| low.lower).any(|low| {
        ends.iter()
            .filter(|high| !high.lower && high.of == low.of)
            .any(|high| match low.at.partial_cmp(high.at) {
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) => !(low.inclusive && high.inclusive),
                _ => false,
            })
    })
}

/// `IS NOT NULL` where two ends leave no value out.
fn all_of(left: &Expr, right: &Expr) -> Option<Expr> {
    let (left, right) = (end(left)?, end(right)?);
    if left.of != right.of || left.lower == right.lower {
        return None;
    }
    let (low, high) = if left.lower {
        (&left, &right)
    } else {
        (&right, &left)
    };
    let all = match low.at.partial_cmp(high.at)? {
        Ordering::Less => true,
        Ordering::Equal => low.inclusive || high.inclusive,
        Ordering::Greater => false,
    };
    all.then(|| is_there(low.of))
}

/// True for a list with both truth values and nothing else.
fn both_truths(list: &[Expr]) -> bool {
    let truths = list.iter().map(|item| match item {
        Expr::Literal(ScalarValue::Boolean(value), _) => *value,
        _ => None,
    });
    let truths: Option<Vec<bool>> = truths.collect();
    truths.is_some_and(|truths| truths.contains(&true) && truths.contains(&false))
}

/// `IS NOT NULL` where two tests of a BOOLEAN ask for one truth value each, or two of any value for what is and what is not.
fn either(left: &Expr, right: &Expr) -> Option<Expr> {
    if let (Some((of, wanted)), Some((other, beside))) = (truth(left), truth(right))
        && of == other
        && wanted != beside
    {
        return Some(is_there(of));
    }
    let (Expr::BinaryExpr(left), Expr::BinaryExpr(right)) = (left, right) else {
        return None;
    };
    let opposite = matches!(
        (left.op, right.op),
        (Operator::Eq, Operator::NotEq) | (Operator::NotEq, Operator::Eq)
    );
    let literal = matches!(&*left.right, Expr::Literal(value, _) if !value.is_null());
    let single = opposite && literal && left.left == right.left && left.right == right.right;
    (single && !left.left.is_volatile() && !has_elements(&left.left)).then(|| is_there(&left.left))
}

/// A BOOLEAN and the truth value that a test of it asks for.
fn truth(test: &Expr) -> Option<(&Expr, bool)> {
    match test {
        Expr::Column(_) => Some((test, true)),
        Expr::Not(inner) => truth(inner).map(|(of, wanted)| (of, !wanted)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let Expr::Literal(ScalarValue::Boolean(Some(value)), _) = &**right else {
                return None;
            };
            match op {
                Operator::Eq => Some((left, *value)),
                Operator::NotEq => Some((left, !*value)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// True for one of several values, of which each test may hold for another one.
fn has_elements(of: &Expr) -> bool {
    of.exists(|inner| {
        Ok(matches!(inner, Expr::ScalarFunction(call) if call.func.name() == "arraytomv"))
    })
    .unwrap_or(true)
}

/// `x IS NOT NULL`, of the column below a cast.
fn is_there(expr: &Expr) -> Expr {
    match expr {
        Expr::Cast(cast) => is_there(&cast.expr),
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "cast" => {
            args.first().map_or_else(|| lit(true), is_there)
        }
        other => other.clone().is_not_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::col;

    fn settle(expr: Expr) -> String {
        expr.transform_down(condition).unwrap().data.to_string()
    }

    #[test]
    fn ranges_are_settled() {
        let x = || col("x");
        assert_eq!(settle(x().gt(lit(2)).and(x().lt(lit(1)))), "Boolean(false)");
        assert_eq!(settle(x().gt(lit(1)).and(x().lt(lit(1)))), "Boolean(false)");
        assert_eq!(
            settle(x().gt_eq(lit(1)).and(x().lt_eq(lit(1)))),
            "x >= Int32(1) AND x <= Int32(1)"
        );
        assert_eq!(settle(x().lt(lit(2)).or(x().gt(lit(1)))), "x IS NOT NULL");
        assert_eq!(
            settle(x().lt(lit(1)).or(x().gt(lit(1)))),
            "x < Int32(1) OR x > Int32(1)"
        );
        assert_eq!(settle(x().not_between(lit(2), lit(1))), "x IS NOT NULL");
        assert_eq!(settle(x().between(lit(2), lit(1))), "Boolean(false)");
        assert_eq!(
            settle(x().gt(lit(2)).and(col("y").lt(lit(1)))),
            "x > Int32(2) AND y < Int32(1)"
        );
    }

    #[test]
    fn both_truth_values_are_any() {
        let b = || col("b");
        let both = || vec![lit(false), lit(true)];
        assert_eq!(settle(b().in_list(both(), false)), "b IS NOT NULL");
        assert_eq!(settle(b().in_list(both(), true)), "Boolean(false)");
        assert_eq!(
            settle(b().in_list(vec![lit(true), lit(true)], false)),
            "b IN ([Boolean(true), Boolean(true)])"
        );
        assert_eq!(settle(b().or(Expr::Not(Box::new(b())))), "b IS NOT NULL");
        assert_eq!(
            settle(b().eq(lit(true)).or(b().eq(lit(false)))),
            "b IS NOT NULL"
        );
        assert_eq!(settle(b().or(col("c"))), "b OR c");
        assert_eq!(
            settle(col("x").eq(lit(3)).or(col("x").not_eq(lit(3)))),
            "x IS NOT NULL"
        );
    }
}
