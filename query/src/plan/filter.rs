//! Bound filters: a boolean tree over bound tests.
//!
//! Must not know: segments. Invariant: literals have the type of what they are compared with.

use common::{ColumnType, DataType, Value};
use sql::{Expr, Filter, Test};

use super::matcher::{Literals, is_cast};
use super::{Binder, Matcher};
use crate::QueryError;
use crate::expr::BoundExpr;
use functions::scalar::{self, Role};

/// A boolean tree over tests.
#[derive(Debug, Clone)]
pub enum BoundFilter {
    /// All of them.
    And(Vec<BoundFilter>),
    /// Any of them.
    Or(Vec<BoundFilter>),
    /// The opposite (false where the inside is unknown).
    Not(Box<BoundFilter>),
    /// Known already.
    Constant(bool),
    /// A recorded null (`true`) or its absence.
    IsNull(BoundExpr, bool),
    /// A test.
    Test(BoundTest),
    /// A test that fails where it is reached: the ones before it may settle the filter of a segment.
    Refused(QueryError),
}

/// A test of an expression's value.
#[derive(Debug, Clone)]
pub struct BoundTest {
    /// What is tested.
    pub expr: BoundExpr,
    /// The positive condition.
    pub matcher: Matcher,
    /// True for `!=`, `NOT IN`: holds where no value of the row matches.
    pub negated: bool,
    /// True where a null that the expression makes is read as what stands for it; else it is unknown.
    pub placed: bool,
}

/// True where ranges of one column leave it no value. Such a filter is false before its other literals are looked at.
fn contradicts(
    children: &[Filter],
    literals: Literals,
    bind: &mut dyn FnMut(&Expr) -> Result<BoundExpr, QueryError>,
) -> Result<bool, QueryError> {
    let mut ranges: Vec<(&Expr, Matcher)> = Vec::new();
    for child in children {
        let Filter::Predicate(expr @ Expr::Column(_), test @ Test::Range { .. }) = child else {
            continue;
        };
        let bound = bind(expr)?;
        let matcher = match Matcher::of(test, &bound, literals) {
            Ok((matcher, _)) => matcher,
            Err(_) if literals.are_reached() => continue,
            Err(error) => return Err(error),
        };
        if matcher.is_impossible() {
            return Ok(true);
        }
        if bound.column_type().multi {
            continue;
        }
        match ranges.iter_mut().find(|(known, _)| *known == expr) {
            Some((_, known)) => {
                *known = known.within(&matcher);
                if known.is_impossible() {
                    return Ok(true);
                }
            }
            None => ranges.push((expr, matcher)),
        }
    }
    Ok(false)
}

/// Several equalities of one expression under OR are one `IN`, whose literals must have a form in the expression's type.
fn one_set(
    children: &[Filter],
    literals: Literals,
    bind: &mut dyn FnMut(&Expr) -> Result<BoundExpr, QueryError>,
) -> Result<(), QueryError> {
    if literals != Literals::ByValue {
        return Ok(());
    }
    let equality = |child: &Filter| match child {
        Filter::Predicate(expr, Test::Eq(_) | Test::In(_)) => Some(expr.clone()),
        _ => None,
    };
    let tested: Vec<Option<Expr>> = children.iter().map(equality).collect();
    for (child, expr) in children.iter().zip(&tested) {
        let (Filter::Predicate(_, test), Some(expr)) = (child, expr) else {
            continue;
        };
        if tested
            .iter()
            .flatten()
            .filter(|other| *other == expr)
            .count()
            > 1
        {
            Matcher::of(test, &bind(expr)?, Literals::Strict)?;
        }
    }
    Ok(())
}

/// The answer of a comparison between a column or a cast to whole numbers and a number that no row can have, nulls included: Pinot's
/// optimizer settles it before rows are looked at.
fn settled(test: &Test, expr: &BoundExpr, matcher: &Matcher) -> Option<bool> {
    let column_type = expr.column_type();
    if expr.as_column().is_none() && !is_cast(expr) {
        return None;
    }
    let whole = matches!(column_type.data_type, DataType::Int | DataType::Long);
    if column_type.multi || !whole {
        return None;
    }
    let (least, most) = match column_type.data_type {
        DataType::Int => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => (i64::MIN as f64, i64::MAX as f64),
    };
    let is_number = |value: &Value| !matches!(value, Value::String(_) | Value::Boolean(_));
    let side = |end: &(Value, bool)| {
        let number = end.0.as_f64().filter(|_| is_number(&end.0))?;
        Some((number < least, number > most))
    };
    match test {
        Test::NotEq(value) if is_number(value) && matches!(matcher, Matcher::Nothing) => Some(true),
        Test::Range {
            lower: Some(end),
            upper: None,
        } => match side(end)? {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
        Test::Range {
            lower: None,
            upper: Some(end),
        } => match side(end)? {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// The comparison of two numbers with fractions, or of a number and a text, as a test of their difference, as rows are filtered:
/// minus zero equals zero, and NaN is equal to nothing, nor less or greater, though a comparison that is selected orders them.
fn difference(
    test: &Test,
    expr: &BoundExpr,
) -> Result<Option<(BoundExpr, Matcher, bool)>, QueryError> {
    let BoundExpr::Call { function, args } = expr else {
        return Ok(None);
    };
    let ([left, right], Test::Eq(Value::Boolean(true))) = (args.as_slice(), test) else {
        return Ok(None);
    };
    let below = (f64::NEG_INFINITY, true);
    let above = (f64::INFINITY, true);
    let (low, high, negated) = match function.function().names.first().copied() {
        Some("equals") => ((0.0, true), (0.0, true), false),
        Some("notequals") => ((0.0, true), (0.0, true), true),
        Some("greaterthan") => ((0.0, false), above, false),
        Some("greaterthanorequal") => ((0.0, true), above, false),
        Some("lessthan") => (below, (0.0, false), false),
        Some("lessthanorequal") => (below, (0.0, true), false),
        _ => return Ok(None),
    };
    let fraction = |side: &BoundExpr| {
        matches!(
            side.column_type().data_type,
            DataType::Float | DataType::Double
        )
    };
    let number = |side: &BoundExpr| {
        let found = side.column_type();
        let plain = matches!(found.data_type, DataType::Int | DataType::Long) || fraction(side);
        plain && !found.multi && !matches!(side, BoundExpr::Literal(..))
    };
    let text = |side: &BoundExpr| side.column_type() == ColumnType::sv(DataType::String);
    let fractions = number(left) && number(right) && (fraction(left) || fraction(right));
    let of_text = (text(left) && number(right)) || (number(left) && text(right));
    if !fractions && !of_text {
        return Ok(None);
    }
    let arguments = [left.as_argument(), right.as_argument()];
    let difference = BoundExpr::Call {
        function: scalar::bind("minus", &arguments, Role::Transform)?,
        args: args.clone(),
    };
    let matcher = Matcher::Numbers {
        low: low.0,
        low_included: low.1,
        high: high.0,
        high_included: high.1,
    };
    Ok(Some((difference, matcher, negated)))
}

/// True for a test of a function that makes an array, other than one that reads its length or elements.
fn array_made(test: &BoundExpr) -> bool {
    match test {
        BoundExpr::Call { args, .. } => {
            matches!(args.as_slice(), [made @ BoundExpr::Call { .. }] if made.column_type().multi)
        }
        _ => false,
    }
}

/// True for `COUNT(*)`, be it with a FILTER.
fn counts_rows(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) if call.name == "filter" => call.args.first().is_some_and(counts_rows),
        Expr::Call(call) => call.args.contains(&Expr::Star),
        _ => false,
    }
}

/// The error of an aggregation in WHERE: `COUNT(*)` lacks a column, any other one is no function of rows.
fn misplaced(filter: &Filter) -> QueryError {
    const MESSAGE: &str =
        "an aggregation cannot be tested before rows are aggregated: expected a condition on rows";
    let mut counts = false;
    filter.visit(&mut |expr, _| counts |= counts_rows(expr));
    if counts {
        QueryError::execution(MESSAGE)
    } else {
        QueryError::validation(MESSAGE)
    }
}

/// What a filter reads where an expression made a null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MadeNulls {
    Kept,
    /// What stands for it: zero, or an empty text.
    Placed,
}

impl BoundFilter {
    /// The same, with nulls that expressions make read as what stands for them.
    fn placed(self) -> Self {
        let all = |children: Vec<Self>| children.into_iter().map(Self::placed).collect();
        match self {
            Self::And(children) => Self::And(all(children)),
            Self::Or(children) => Self::Or(all(children)),
            Self::Not(inner) => Self::Not(Box::new(inner.placed())),
            Self::Test(test) => Self::Test(BoundTest {
                placed: true,
                ..test
            }),
            other => other,
        }
    }

    pub(super) fn bind(
        filter: &Filter,
        literals: Literals,
        made: MadeNulls,
        binder: &mut Binder<'_>,
    ) -> Result<Self, QueryError> {
        if filter.has_aggregation() {
            return Err(misplaced(filter));
        }
        let bound = Self::bind_over(filter, literals, &mut |expr| {
            binder.bind(expr, Role::Transform)
        })?;
        Ok(match made {
            MadeNulls::Kept => bound,
            MadeNulls::Placed => bound.placed(),
        })
    }

    /// Binds with any way to bind the tested expressions.
    pub(crate) fn bind_over(
        filter: &Filter,
        literals: Literals,
        bind: &mut dyn FnMut(&Expr) -> Result<BoundExpr, QueryError>,
    ) -> Result<Self, QueryError> {
        Ok(match filter {
            Filter::And(children) if contradicts(children, literals, bind)? => {
                Self::Constant(false)
            }
            Filter::And(children) => Self::and(Self::bind_all(children, literals, bind)?),
            Filter::Or(children) => {
                let mut bound = Self::bind_all(children, literals, bind)?;
                if let Err(error) = one_set(children, literals, bind) {
                    bound.push(Self::Refused(error));
                }
                Self::or(bound)
            }
            Filter::Not(child) => match Self::bind_over(child, literals, bind)? {
                Self::Constant(value) => Self::Constant(!value),
                Self::Not(twice) => *twice,
                other => Self::Not(Box::new(other)),
            },
            Filter::Constant(value) => Self::Constant(*value),
            Filter::Predicate(expr, Test::IsNull) => Self::null_test(expr, true, bind)?,
            Filter::Predicate(expr, Test::IsNotNull) => Self::null_test(expr, false, bind)?,
            Filter::Predicate(expr, test) => {
                let expr = bind(expr)?;
                let (matcher, negated) = match Matcher::of(test, &expr, literals) {
                    Ok(found) => found,
                    Err(error) if literals.are_reached() => return Ok(Self::Refused(error)),
                    Err(error) => return Err(error),
                };
                if let Matcher::Integers(truth @ (0 | 1), end) = matcher
                    && truth == end
                    && let Some((column, matcher)) = Matcher::of_id_set(&expr)
                {
                    return Ok(Self::Test(BoundTest {
                        expr: column.clone(),
                        matcher,
                        negated: negated != (truth == 0),
                        placed: false,
                    }));
                }
                match settled(test, &expr, &matcher) {
                    Some(value) if !literals.are_strict() => Self::Constant(value),
                    _ => {
                        let by_difference = difference(test, &expr)?;
                        let (expr, matcher, negated) =
                            by_difference.unwrap_or((expr, matcher, negated));
                        Self::Test(BoundTest {
                            expr,
                            matcher,
                            negated,
                            placed: false,
                        })
                    }
                }
            }
        })
    }

    fn bind_all(
        children: &[Filter],
        literals: Literals,
        bind: &mut dyn FnMut(&Expr) -> Result<BoundExpr, QueryError>,
    ) -> Result<Vec<Self>, QueryError> {
        children
            .iter()
            .map(|c| Self::bind_over(c, literals, bind))
            .collect()
    }

    /// Columns know their nulls; of other expressions the values are asked.
    fn null_test(
        expr: &Expr,
        wanted: bool,
        bind: &mut dyn FnMut(&Expr) -> Result<BoundExpr, QueryError>,
    ) -> Result<Self, QueryError> {
        let Expr::Call(_) = expr else {
            return Ok(Self::IsNull(bind(expr)?, wanted));
        };
        let name = if wanted { "is_null" } else { "is_not_null" };
        // Whether a value can be cast is not asked: a cast is null where its operand is.
        let castable = match expr {
            Expr::Call(call) if call.name == "cast" => call.args.first().and_then(|operand| {
                let text = Expr::call("cast", vec![operand.clone(), Expr::text("STRING")]);
                bind(&Expr::call(name, vec![text])).ok()
            }),
            _ => None,
        };
        let bound = match castable {
            Some(bound) => bound,
            None => bind(&Expr::call(name, vec![expr.clone()]))?,
        };
        if !matches!(bound, BoundExpr::Call { .. }) {
            // Over groups the expression is a column already.
            return Ok(Self::IsNull(bind(expr)?, wanted));
        }
        if array_made(&bound) {
            // A function that makes an array has no nulls to a filter.
            return Ok(Self::Constant(!wanted));
        }
        Ok(Self::Test(BoundTest {
            expr: bound,
            matcher: Matcher::Integers(1, 1),
            negated: false,
            placed: false,
        }))
    }

    fn and(children: Vec<Self>) -> Self {
        if children.iter().any(|c| matches!(c, Self::Constant(false))) {
            return Self::Constant(false);
        }
        let kept: Vec<Self> = children
            .into_iter()
            .filter(|c| !matches!(c, Self::Constant(true)))
            .collect();
        if kept.is_empty() {
            Self::Constant(true)
        } else {
            Self::And(kept)
        }
    }

    fn or(children: Vec<Self>) -> Self {
        if children.iter().any(|c| matches!(c, Self::Constant(true))) {
            return Self::Constant(true);
        }
        let kept: Vec<Self> = children
            .into_iter()
            .filter(|c| !matches!(c, Self::Constant(false)))
            .collect();
        if kept.is_empty() {
            Self::Constant(false)
        } else {
            Self::Or(kept)
        }
    }

    /// What rows would be refused with before anything is computed of them.
    ///
    /// # Errors
    /// Where a literal has no form in the type of what it is compared with.
    pub(super) fn answers(&self) -> Result<(), QueryError> {
        match self {
            Self::And(children) | Self::Or(children) => children.iter().try_for_each(Self::answers),
            Self::Not(child) => child.answers(),
            Self::Refused(error) => Err(error.clone()),
            Self::Constant(_) | Self::IsNull(..) | Self::Test(_) => Ok(()),
        }
    }

    /// Calls `f` on every expression.
    pub fn visit(&self, f: &mut impl FnMut(&BoundExpr)) {
        match self {
            Self::And(children) | Self::Or(children) => children.iter().for_each(|c| c.visit(f)),
            Self::Not(child) => child.visit(f),
            Self::Constant(_) | Self::Refused(_) => {}
            Self::IsNull(expr, _) => f(expr),
            Self::Test(test) => f(&test.expr),
        }
    }
}
