//! Ranges that say nothing or everything, settled while planning as Pinot's planner does.
//!
//! `x > 2 AND x < 1` is FALSE; `x < 2 OR x > 1`, `x NOT BETWEEN 2 AND 1`, `x LIKE '%'` and `b IN (false, true)` are
//! `x IS NOT NULL`; `x <> x` and its like are FALSE, `b > true` and `sqrt(-1) > 3` too.
//! Must not know: tables. Invariant: a condition keeps its answer for every value that is not null.

use std::cmp::Ordering;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, InList, ScalarFunction,
};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Operator, lit};

use crate::expressions;

/// Settles the conditions of every filter, and those among the columns of a list; `nulls` where nulls are told apart.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn settled(plan: LogicalPlan, nulls: bool) -> Result<LogicalPlan> {
    let place = |unknown| Place {
        unknown,
        nulls,
        listed: unknown == Unknown::Apart,
    };
    let done = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) => {
            let predicate = settle(filter.predicate.clone(), place(Unknown::False))?;
            if !predicate.transformed {
                return Ok(Transformed::no(LogicalPlan::Filter(filter)));
            }
            let made = Filter::try_new(predicate.data, filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(made)))
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Projection(_) => {
            let apart = place(Unknown::Apart);
            expressions::retyped(node, |expr| settle(expr, apart))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

/// What a condition is for every value, a null being no reason to take it; `None` where values decide.
pub(crate) fn decided(expr: &Expr) -> Option<bool> {
    let place = Place {
        unknown: Unknown::False,
        nulls: true,
        listed: false,
    };
    let settled = settle(expr.clone(), place).ok()?;
    match settled.data {
        Expr::Literal(ScalarValue::Boolean(value), _) if settled.transformed => value,
        _ => None,
    }
}

/// What a null counts as where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    False,
    True,
    /// As itself.
    Apart,
}

/// Where a condition stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    unknown: Unknown,
    /// True where nulls are told apart.
    nulls: bool,
    /// True in a list of columns, where a test of a truth value reads what its condition answers.
    listed: bool,
}

impl Place {
    fn with(self, unknown: Unknown) -> Self {
        Self { unknown, ..self }
    }

    /// What a null counts as for a test that only FALSE meets or fails.
    fn unless(self) -> Unknown {
        match self.listed {
            true => Unknown::Apart,
            false => Unknown::True,
        }
    }

    fn negated(self) -> Self {
        self.with(match self.unknown {
            Unknown::False => Unknown::True,
            Unknown::True => Unknown::False,
            Unknown::Apart => Unknown::Apart,
        })
    }

    /// A settled condition; `None` where it is best said as it was.
    fn says(self, settled: &Settled<'_>) -> Option<Expr> {
        match (settled, self.unknown) {
            (Settled::Always, _) | (Settled::Met(_), Unknown::True) => Some(lit(true)),
            (Settled::Never, _) | (Settled::Unmet(_), Unknown::False) => Some(lit(false)),
            (_, Unknown::Apart) if self.nulls => None,
            (Settled::Met(of), _) => Some(is_there(of)),
            (Settled::Unmet(_), Unknown::Apart) => Some(lit(false)),
            (Settled::Unmet(of), Unknown::True) => Some(Expr::Not(Box::new(is_there(of)))),
        }
    }
}

/// What a condition is, whatever a value is.
enum Settled<'a> {
    Always,
    Never,
    /// True for every value but null.
    Met(&'a Expr),
    /// False for every value but null.
    Unmet(&'a Expr),
}

impl Settled<'_> {
    fn negated(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Met(of) => Self::Unmet(of),
            Self::Unmet(of) => Self::Met(of),
        }
    }

    fn negated_if(self, negated: bool) -> Self {
        if negated { self.negated() } else { self }
    }
}

/// An expression with its conditions settled.
fn settle(expr: Expr, place: Place) -> Result<Transformed<Expr>> {
    if let Some(said) = of(&expr).and_then(|found| place.says(&found)) {
        return Ok(Transformed::yes(said));
    }
    let within = |part: Box<Expr>, unknown, whole: fn(Box<Expr>) -> Expr| {
        let part = settle(*part, place.with(unknown))?;
        Ok(part.update_data(|part| whole(Box::new(part))))
    };
    match expr {
        Expr::Not(inner) => match negated(&inner) {
            Some(made) => Ok(Transformed::yes(settle(made, place)?.data)),
            None => within(inner, place.negated().unknown, Expr::Not),
        },
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::And | Operator::Or,
            ..
        }) => expr.map_children(|part| settle(part, place)),
        Expr::IsTrue(part) => within(part, Unknown::False, Expr::IsTrue),
        Expr::IsNotTrue(part) => within(part, Unknown::False, Expr::IsNotTrue),
        Expr::IsFalse(part) => within(part, place.unless(), Expr::IsFalse),
        Expr::IsNotFalse(part) => within(part, place.unless(), Expr::IsNotFalse),
        Expr::IsNull(part) | Expr::IsUnknown(part) => match of(&part) {
            Some(Settled::Met(of) | Settled::Unmet(of)) => {
                Ok(Transformed::yes(Expr::Not(Box::new(is_there(of)))))
            }
            _ => within(part, Unknown::Apart, Expr::IsNull),
        },
        Expr::IsNotNull(part) | Expr::IsNotUnknown(part) => match of(&part) {
            Some(Settled::Met(of) | Settled::Unmet(of)) => Ok(Transformed::yes(is_there(of))),
            _ => within(part, Unknown::Apart, Expr::IsNotNull),
        },
        Expr::AggregateFunction(call) => aggregated(call, place),
        other => other.map_children(|part| settle(part, place.with(Unknown::Apart))),
    }
}

/// An aggregation with its arguments settled, and its FILTER, of which a null is no reason to take a row.
fn aggregated(mut call: AggregateFunction, place: Place) -> Result<Transformed<Expr>> {
    let filter = call.params.filter.take();
    let mut found = Expr::AggregateFunction(call)
        .map_children(|part| settle(part, place.with(Unknown::Apart)))?;
    if let (Some(filter), Expr::AggregateFunction(call)) = (filter, &mut found.data) {
        let filter = settle(*filter, place.with(Unknown::False))?;
        found.transformed |= filter.transformed;
        call.params.filter = Some(Box::new(filter.data));
    }
    Ok(found)
}

/// What a condition is for every value, where that can be said without one.
fn of(expr: &Expr) -> Option<Settled<'_>> {
    if is_unordered(expr) {
        return Some(Settled::Never);
    }
    match expr {
        Expr::Not(inner) => match &**inner {
            // The planner turns it round, and settles what is within both values not at all.
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if is_order(*op) && has_truth(left, right) =>
            {
                beyond_truth(left, op.negate()?, right)
            }
            _ => of(inner).map(Settled::negated),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => is_empty(expr)
                .or_else(|| opposites(left, right))
                .map(Settled::Unmet),
            Operator::Or => all_of(left, right)
                .or_else(|| opposites(left, right))
                .map(Settled::Met),
            Operator::Eq | Operator::NotEq => match right.as_ref() {
                Expr::Literal(ScalarValue::Boolean(Some(value)), _) => {
                    of(left).map(|found| found.negated_if(*value != (*op == Operator::Eq)))
                }
                _ => itself(left, *op, right),
            },
            _ => itself(left, *op, right).or_else(|| beyond_truth(left, *op, right)),
        },
        Expr::InList(InList {
            expr: value,
            list,
            negated,
        }) if both_truths(list) => Some(Settled::Met(value).negated_if(*negated)),
        Expr::Between(Between {
            expr: value,
            negated,
            low,
            high,
        }) => match (low.as_ref(), high.as_ref()) {
            (Expr::Literal(low, _), Expr::Literal(high, _))
                if low.partial_cmp(high) == Some(Ordering::Greater) =>
            {
                Some(Settled::Unmet(value).negated_if(*negated))
            }
            _ => None,
        },
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "like" => {
            match args.as_slice() {
                [
                    value @ Expr::Column(_),
                    Expr::Literal(ScalarValue::Utf8(Some(pattern)), _),
                ] if pattern == "%" => Some(Settled::Met(value)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The negation of a condition that has parts, or two ends, by those of its parts; that of an order by the other one.
fn negated(inner: &Expr) -> Option<Expr> {
    let not = |part: &Expr| Expr::Not(Box::new(part.clone()));
    match inner {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => Some(not(left).or(not(right))),
            Operator::Or => Some(not(left).and(not(right))),
            op if is_order(*op) && has_truth(left, right) => {
                let turned = BinaryExpr::new(left.clone(), op.negate()?, right.clone());
                Some(Expr::BinaryExpr(turned))
            }
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

/// A value that is compared with itself.
fn itself<'a>(left: &'a Expr, op: Operator, right: &Expr) -> Option<Settled<'a>> {
    let literal = matches!(left, Expr::Literal(..));
    if left != right || left.is_volatile() {
        return None;
    }
    match op {
        Operator::IsNotDistinctFrom => Some(Settled::Always),
        _ if literal => None,
        Operator::IsDistinctFrom => Some(Settled::Never),
        Operator::NotEq | Operator::Lt | Operator::Gt => Some(Settled::Unmet(left)),
        // A column is what it is, where it is not null.
        Operator::Eq | Operator::LtEq | Operator::GtEq if matches!(left, Expr::Column(_)) => {
            Some(Settled::Met(left))
        }
        _ => None,
    }
}

fn is_order(op: Operator) -> bool {
    matches!(
        op,
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    )
}

fn literal_truth(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Literal(ScalarValue::Boolean(value), _) => *value,
        _ => None,
    }
}

fn has_truth(left: &Expr, right: &Expr) -> bool {
    literal_truth(left)
        .or_else(|| literal_truth(right))
        .is_some()
}

/// A BOOLEAN beyond one of its two values.
fn beyond_truth<'a>(left: &'a Expr, op: Operator, right: &'a Expr) -> Option<Settled<'a>> {
    let (of, op, end) = match (literal_truth(left), literal_truth(right)) {
        (None, Some(end)) => (left, op, end),
        (Some(end), None) => (right, op.swap()?, end),
        _ => return None,
    };
    match (op, end) {
        (Operator::Gt, true) | (Operator::Lt, false) => Some(Settled::Unmet(of)),
        _ => None,
    }
}

/// True for a literal that is compared with NaN by its order, also where the comparison is negated: neither holds.
fn is_unordered(expr: &Expr) -> bool {
    let literal = |side: &Expr| matches!(side, Expr::Literal(value, _) if !value.is_null());
    let nan = |side: &Expr| match side {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => value.is_nan(),
        _ => false,
    };
    match expr {
        Expr::Not(inner) => is_unordered(inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq | Operator::NotEq => {
                matches!(&**right, Expr::Literal(ScalarValue::Boolean(_), _)) && is_unordered(left)
            }
            op if is_order(*op) => literal(left) && literal(right) && nan(left) != nan(right),
            _ => false,
        },
        Expr::Between(Between {
            expr, low, high, ..
        }) => {
            let sides = [expr.as_ref(), low, high];
            sides.iter().all(|side| literal(side)) && sides.iter().any(|side| nan(side))
        }
        _ => false,
    }
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
    if let Expr::Not(inner) = expr {
        // What is not above an end is below it.
        return end(inner).map(|end| End {
            lower: !end.lower,
            inclusive: !end.inclusive,
            ..end
        });
    }
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

/// What two ends of a conjunction leave no value of.
fn is_empty(conjunction: &Expr) -> Option<&Expr> {
    let ends: Vec<End<'_>> = split_conjunction(conjunction)
        .into_iter()
        .filter_map(end)
        .collect();
    let empty = ends.iter().filter(|low| low.lower).find(|low| {
        ends.iter()
            .filter(|high| !high.lower && high.of == low.of)
            .any(|high| match low.at.partial_cmp(high.at) {
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) => !(low.inclusive && high.inclusive),
                _ => false,
            })
    });
    empty.map(|low| low.of)
}

/// What two ends leave no value of out.
fn all_of<'a>(left: &'a Expr, right: &'a Expr) -> Option<&'a Expr> {
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
    all.then_some(low.of)
}

/// True for a list with both truth values and nothing else.
fn both_truths(list: &[Expr]) -> bool {
    let truths: Option<Vec<bool>> = list.iter().map(literal_truth).collect();
    truths.is_some_and(|truths| truths.contains(&true) && truths.contains(&false))
}

/// What two tests divide: of a BOOLEAN each asks for one truth value, of any other value one for what it is, one for what it is not.
fn opposites<'a>(left: &'a Expr, right: &'a Expr) -> Option<&'a Expr> {
    if let (Some((of, wanted)), Some((other, beside))) = (truth(left), truth(right))
        && of == other
        && wanted != beside
    {
        return Some(of);
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
    (single && !left.left.is_volatile() && !has_elements(&left.left)).then_some(left.left.as_ref())
}

/// A BOOLEAN and the truth value that a test of it asks for.
fn truth(test: &Expr) -> Option<(&Expr, bool)> {
    match test {
        Expr::Column(_) => Some((test, true)),
        Expr::Not(inner) => truth(inner).map(|(of, wanted)| (of, !wanted)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let value = literal_truth(right)?;
            match op {
                Operator::Eq => Some((left, value)),
                Operator::NotEq => Some((left, !value)),
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

    fn place(unknown: Unknown, nulls: bool) -> Place {
        let listed = unknown == Unknown::Apart;
        Place {
            unknown,
            nulls,
            listed,
        }
    }

    fn settle(expr: Expr) -> String {
        let place = place(Unknown::False, true);
        super::settle(expr, place).unwrap().data.to_string()
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
    fn nulls_count_as_what_a_test_makes_of_them() {
        let all = || col("x").lt(lit(2)).or(col("x").gt(lit(1)));
        let none = || col("x").gt(lit(2)).and(col("x").lt(lit(1)));
        assert_eq!(settle(all().is_false()), "Boolean(true) IS FALSE");
        assert_eq!(settle(all().is_null()), "NOT x IS NOT NULL");
        assert_eq!(settle(none().is_false()), "NOT x IS NOT NULL IS FALSE");
        assert_eq!(settle(none().is_not_null()), "x IS NOT NULL");
        assert_eq!(settle(Expr::Not(Box::new(none()))), "x IS NOT NULL");
        assert_eq!(settle(all().eq(lit(false))), "Boolean(false)");
        let listed = |expr, nulls| {
            let found = super::settle(expr, place(Unknown::Apart, nulls)).unwrap();
            found.data.to_string()
        };
        assert_eq!(listed(all(), true), "x < Int32(2) OR x > Int32(1)");
        assert_eq!(listed(all(), false), "x IS NOT NULL");
        assert_eq!(listed(none(), false), "Boolean(false)");
        assert_eq!(listed(all().is_false(), false), "x IS NOT NULL IS FALSE");
    }

    #[test]
    fn what_has_no_order_is_false_and_so_is_its_negation() {
        let nan = || lit(f64::NAN);
        assert_eq!(settle(nan().gt(lit(3.0))), "Boolean(false)");
        assert_eq!(
            settle(Expr::Not(Box::new(nan().gt(lit(3.0))))),
            "Boolean(false)"
        );
        assert_eq!(settle(lit(3.0).between(lit(1.0), nan())), "Boolean(false)");
        assert_eq!(settle(col("x").gt(nan())), "x > Float64(NaN)");
    }

    #[test]
    fn both_truth_values_are_any() {
        let b = || col("b");
        assert_eq!(settle(b().gt(lit(true))), "Boolean(false)");
        let beyond = Expr::Not(Box::new(b().gt(lit(true))));
        assert_eq!(settle(beyond), "b <= Boolean(true)");
        let within = lit(true).gt_eq(b());
        assert_eq!(
            settle(Expr::Not(Box::new(within.clone()))),
            "Boolean(false)"
        );
        assert_eq!(settle(within), "Boolean(true) >= b");
        assert_eq!(settle(b().gt(lit(false))), "b > Boolean(false)");
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
