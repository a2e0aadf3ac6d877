//! Filters: boolean trees over predicates `expression test literal`, and how an expression becomes one.
//!
//! Must not know: column types (literals are converted when the filter is bound).
//! Invariant: AND and OR are flat and have at least two children; a literal never stands on the left.

use common::{DataType, Value};

use crate::{Expr, SqlError};

/// A boolean tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// Any of them.
    Or(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// A test of an expression.
    Predicate(Expr, Test),
    /// Known already.
    Constant(bool),
}

/// What is asked of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `=`.
    Eq(Value),
    /// `!=`.
    NotEq(Value),
    /// `IN`.
    In(Vec<Value>),
    /// `NOT IN`.
    NotIn(Vec<Value>),
    /// Ends with "included".
    Range {
        /// Lower end.
        lower: Option<(Value, bool)>,
        /// Upper end.
        upper: Option<(Value, bool)>,
    },
    /// `LIKE`.
    Like {
        /// With `%` and `_`.
        pattern: String,
        /// ESCAPE character.
        escape: Option<char>,
    },
    /// `REGEXP_LIKE`.
    RegexpLike {
        /// Java's syntax.
        pattern: String,
        /// The match parameter `i`.
        ignore_case: bool,
    },
    /// `IS NULL`.
    IsNull,
    /// `IS NOT NULL`.
    IsNotNull,
    /// `JSON_MATCH`.
    JsonMatch(String),
    /// `TEXT_MATCH`.
    TextMatch(String),
    /// `TEXT_CONTAINS`.
    TextContains(String),
    /// `VECTOR_SIMILARITY`.
    VectorSimilarity {
        /// The vector that is searched for.
        target: Vec<f32>,
        /// How many.
        top_k: usize,
    },
}

impl Filter {
    /// The filter that an expression means.
    ///
    /// # Errors
    /// Where a predicate needs a literal and has none.
    pub fn from_expr(expr: &Expr) -> Result<Self, SqlError> {
        match expr {
            Expr::Literal(Value::Boolean(value)) => Ok(Self::Constant(*value)),
            Expr::Literal(value) => Ok(Self::Constant(match value {
                Value::Null => false,
                Value::String(text) => common::cast::text_is_true(text),
                other => other.as_f64().is_some_and(|v| v != 0.0),
            })),
            Expr::Call(call) => Self::from_call(&call.name, &call.args, expr),
            Expr::Column(_) => Ok(Self::Predicate(
                expr.clone(),
                Test::Eq(Value::Boolean(true)),
            )),
            Expr::Star => Err(SqlError::Parse("`*` is no condition".to_owned())),
        }
    }

    fn from_call(name: &str, args: &[Expr], whole: &Expr) -> Result<Self, SqlError> {
        let all = || {
            args.iter()
                .map(Self::from_expr)
                .collect::<Result<Vec<_>, _>>()
        };
        match name {
            "and" => Ok(Self::and(all()?)),
            "or" => Ok(Self::or(all()?)),
            "not" if args.len() == 1 => Ok(Self::from_expr(&args[0])?.negated()),
            "equals"
            | "not_equals"
            | "greater_than"
            | "greater_than_or_equal"
            | "less_than"
            | "less_than_or_equal"
                if args.len() == 2 =>
            {
                comparison(name, &args[0], &args[1], whole)
            }
            "between" if args.len() == 3 => between(args, whole),
            "in" | "not_in" if args.len() > 1 => membership(name, args, whole),
            "is_null" if args.len() == 1 => Ok(Self::Predicate(args[0].clone(), Test::IsNull)),
            "is_not_null" if args.len() == 1 => {
                Ok(Self::Predicate(args[0].clone(), Test::IsNotNull))
            }
            "like" | "not_like" | "regexp_like" | "json_match" | "text_match" | "text_contains"
            | "vector_similarity" => text_test(name, args),
            _ => Ok(Self::Predicate(
                whole.clone(),
                Test::Eq(Value::Boolean(true)),
            )),
        }
    }

    /// All of them, flattened; constants are worked out.
    #[must_use]
    pub fn and(children: Vec<Self>) -> Self {
        let mut flat = Vec::new();
        for child in children {
            match child {
                Self::And(inner) => flat.extend(inner),
                Self::Constant(true) => {}
                Self::Constant(false) => return Self::Constant(false),
                other => flat.push(other),
            }
        }
        Self::collapse(flat, true, Self::And)
    }

    /// Any of them, flattened; constants are worked out.
    #[must_use]
    pub fn or(children: Vec<Self>) -> Self {
        let mut flat = Vec::new();
        for child in children {
            match child {
                Self::Or(inner) => flat.extend(inner),
                Self::Constant(false) => {}
                Self::Constant(true) => return Self::Constant(true),
                // One value alone is an equality there, whose literal is converted by value.
                Self::Predicate(expr, Test::In(mut values)) if values.len() == 1 => {
                    flat.extend(values.pop().map(|v| Self::Predicate(expr, Test::Eq(v))));
                }
                other => flat.push(other),
            }
        }
        Self::collapse(flat, false, Self::Or)
    }

    /// Sets of one value become equalities, whose literal is converted by value; not so below NOT.
    #[must_use]
    pub fn sets_of_one(self) -> Self {
        let all = |children: Vec<Self>| children.into_iter().map(Self::sets_of_one).collect();
        match self {
            Self::And(children) => Self::And(all(children)),
            Self::Or(children) => Self::Or(all(children)),
            Self::Predicate(expr, Test::In(values)) => {
                let mut unique: Vec<Value> = Vec::with_capacity(values.len());
                for value in values {
                    if !unique.contains(&value) {
                        unique.push(value);
                    }
                }
                match <[Value; 1]>::try_from(unique) {
                    Ok([only]) => Self::Predicate(expr, Test::Eq(only)),
                    Err(several) => Self::Predicate(expr, Test::In(several)),
                }
            }
            other => other,
        }
    }

    fn collapse(mut flat: Vec<Self>, empty: bool, many: fn(Vec<Self>) -> Self) -> Self {
        let mut unique: Vec<Self> = Vec::with_capacity(flat.len());
        for child in flat.drain(..) {
            if !unique.contains(&child) {
                unique.push(child);
            }
        }
        match unique.pop() {
            None => Self::Constant(empty),
            Some(only) if unique.is_empty() => only,
            Some(last) => {
                unique.push(last);
                many(unique)
            }
        }
    }

    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(!value),
            // A negation of a negation stays one: names of columns show it.
            other => Self::Not(Box::new(other)),
        }
    }

    /// Calls `f` on every tested expression.
    pub fn visit<'a>(&'a self, f: &mut impl FnMut(&'a Expr, &'a Test)) {
        match self {
            Self::And(children) | Self::Or(children) => children.iter().for_each(|c| c.visit(f)),
            Self::Not(child) => child.visit(f),
            Self::Predicate(expr, test) => f(expr, test),
            Self::Constant(_) => {}
        }
    }

    /// Replaces the tested expressions by a way that cannot fail.
    #[must_use]
    pub fn map(self, f: &mut impl FnMut(Expr) -> Expr) -> Self {
        let Ok(mapped) = self.try_map(&mut |expr| Ok::<_, std::convert::Infallible>(f(expr)));
        mapped
    }

    /// Replaces the tested expressions.
    ///
    /// # Errors
    /// What `f` gives.
    pub fn try_map<E>(self, f: &mut impl FnMut(Expr) -> Result<Expr, E>) -> Result<Self, E> {
        let all = |children: Vec<Self>, f: &mut _| {
            children
                .into_iter()
                .map(|c| c.try_map(f))
                .collect::<Result<Vec<_>, E>>()
        };
        Ok(match self {
            Self::And(children) => Self::And(all(children, f)?),
            Self::Or(children) => Self::Or(all(children, f)?),
            Self::Not(child) => Self::Not(Box::new(child.try_map(f)?)),
            Self::Predicate(expr, test) => Self::Predicate(f(expr)?, test),
            constant @ Self::Constant(_) => constant,
        })
    }

    /// True where an aggregation is tested.
    #[must_use]
    pub fn has_aggregation(&self) -> bool {
        let mut found = false;
        self.visit(&mut |expr, _| found |= expr.has_aggregation());
        found
    }
}

fn null_literal(name: &str) -> SqlError {
    SqlError::Parse(format!(
        "Using NULL in {} filter is not supported",
        name.to_uppercase()
    ))
}

fn comparison(name: &str, left: &Expr, right: &Expr, whole: &Expr) -> Result<Filter, SqlError> {
    let (lhs, value, name) = match (left.as_literal(), right.as_literal()) {
        // A literal beside NULL: neither the comparison nor its negation holds.
        (Some(one), Some(other)) if one.is_null() != other.is_null() => {
            let unknown = Expr::Literal(Value::Null);
            return Ok(Filter::Predicate(unknown, Test::Eq(Value::Boolean(true))));
        }
        (_, Some(value)) => (left, value, name),
        (Some(value), None) => (right, value, flipped(name)),
        (None, None) if left == right && matches!(name, "equals" | "not_equals") => {
            return Ok(Filter::Constant(name == "equals"));
        }
        // Two expressions: the comparison itself is the expression that must be true.
        (None, None) => {
            return Ok(Filter::Predicate(
                whole.clone(),
                Test::Eq(Value::Boolean(true)),
            ));
        }
    };
    if value.is_null() {
        return Err(null_literal(name));
    }
    let value = value.clone();
    let test = match name {
        "equals" => Test::Eq(value),
        "not_equals" => Test::NotEq(value),
        "greater_than" => Test::Range {
            lower: Some((value, false)),
            upper: None,
        },
        "greater_than_or_equal" => Test::Range {
            lower: Some((value, true)),
            upper: None,
        },
        "less_than" => Test::Range {
            lower: None,
            upper: Some((value, false)),
        },
        _ => Test::Range {
            lower: None,
            upper: Some((value, true)),
        },
    };
    Ok(Filter::Predicate(lhs.clone(), test))
}

fn flipped(name: &str) -> &str {
    match name {
        "greater_than" => "less_than",
        "greater_than_or_equal" => "less_than_or_equal",
        "less_than" => "greater_than",
        "less_than_or_equal" => "greater_than_or_equal",
        same => same,
    }
}

fn between(args: &[Expr], whole: &Expr) -> Result<Filter, SqlError> {
    match (args[1].as_literal(), args[2].as_literal()) {
        (Some(low), Some(high)) if low.is_null() || high.is_null() => Err(null_literal("between")),
        (Some(low), Some(high)) => Ok(Filter::Predicate(
            args[0].clone(),
            Test::Range {
                lower: Some((low.clone(), true)),
                upper: Some((high.clone(), true)),
            },
        )),
        _ => Ok(Filter::Predicate(
            whole.clone(),
            Test::Eq(Value::Boolean(true)),
        )),
    }
}

fn membership(name: &str, args: &[Expr], whole: &Expr) -> Result<Filter, SqlError> {
    let Some(values) = args[1..]
        .iter()
        .map(Expr::as_literal)
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(Filter::Predicate(
            whole.clone(),
            Test::Eq(Value::Boolean(true)),
        ));
    };
    if values.iter().any(|value| value.is_null()) {
        return Err(null_literal(if name == "in" { "in" } else { "not in" }));
    }
    let mut unique: Vec<Value> = Vec::with_capacity(values.len());
    for value in values {
        unique.push(value.clone());
    }
    let lhs = args[0].clone();
    Ok(Filter::Predicate(
        lhs,
        if name == "in" {
            Test::In(unique)
        } else {
            Test::NotIn(unique)
        },
    ))
}

fn text_test(name: &str, args: &[Expr]) -> Result<Filter, SqlError> {
    let literal = |index: usize| args.get(index).and_then(Expr::as_literal);
    let text = |index: usize| literal(index).map(Value::to_text);
    let lhs = args.first().cloned().unwrap_or(Expr::Star);
    if name == "vector_similarity" {
        return nearest(lhs, args);
    }
    let Some(second) = text(1) else {
        return Ok(Filter::Predicate(
            Expr::call(name, args.to_vec()),
            Test::Eq(Value::Boolean(true)),
        ));
    };
    Ok(match name {
        "like" | "not_like" => {
            let escape = text(2).and_then(|e| e.chars().next());
            let filter = Filter::Predicate(
                lhs,
                Test::Like {
                    pattern: second,
                    escape,
                },
            );
            if name == "like" {
                filter
            } else {
                filter.negated()
            }
        }
        "regexp_like" => {
            let ignore_case = text(2).is_some_and(|flags| flags.contains('i'));
            Filter::Predicate(
                lhs,
                Test::RegexpLike {
                    pattern: second,
                    ignore_case,
                },
            )
        }
        "json_match" => Filter::Predicate(lhs, Test::JsonMatch(second)),
        "text_match" => Filter::Predicate(lhs, Test::TextMatch(second)),
        _ => Filter::Predicate(lhs, Test::TextContains(second)),
    })
}

/// `VECTOR_SIMILARITY(column, ARRAY[..], k)`.
fn nearest(lhs: Expr, args: &[Expr]) -> Result<Filter, SqlError> {
    let items: Option<Vec<f64>> = match args.get(1) {
        Some(Expr::Literal(Value::Array(_, items))) => items.iter().map(Value::as_f64).collect(),
        Some(Expr::Call(array)) if array.name == "arrayvalueconstructor" => array
            .args
            .iter()
            .map(|item| item.as_literal().and_then(Value::as_f64))
            .collect(),
        _ => None,
    };
    let items = items.ok_or_else(|| {
        SqlError::Validation("VECTOR_SIMILARITY expects an array of numbers".to_owned())
    })?;
    let top_k = args
        .get(2)
        .and_then(Expr::as_literal)
        .and_then(Value::as_i64)
        .and_then(|k| usize::try_from(k).ok())
        .unwrap_or(10);
    let target = items.into_iter().map(|v| v as f32).collect();
    Ok(Filter::Predicate(
        lhs,
        Test::VectorSimilarity { target, top_k },
    ))
}

impl Filter {
    /// A predicate; where its expression is a literal already, what it comes to.
    ///
    /// # Errors
    /// Never today; predicates over literals that cannot be decided stay as they are.
    pub(crate) fn from_parts(expr: Expr, test: Test) -> Result<Self, SqlError> {
        let Some(value) = expr.as_literal() else {
            return Ok(Self::Predicate(expr, test));
        };
        let tests_null = matches!(test, Test::IsNull | Test::IsNotNull);
        if value.is_null() && !tests_null {
            return Ok(Self::Predicate(expr, test));
        }
        let same = |other: &Value| {
            if let Some((value, other)) = as_numbers(value, other) {
                return value == other;
            }
            let converted = match (value, other) {
                (Value::String(_), Value::String(_)) => Ok(other.clone()),
                (_, other) => other.cast(value.column_type().data_type),
            };
            converted.is_ok_and(|converted| *value == converted)
        };
        let order = |other: &Value| {
            if let Some((value, other)) = as_numbers(value, other) {
                return value.total_cmp(&other);
            }
            value.total_cmp(
                &other
                    .cast(value.column_type().data_type)
                    .unwrap_or_else(|_| other.clone()),
            )
        };
        Ok(Self::Constant(match &test {
            Test::Eq(other) => same(other),
            Test::NotEq(other) => !same(other),
            Test::In(values) => values.iter().any(same),
            Test::NotIn(values) => !values.iter().any(same),
            Test::Range { lower, upper } => {
                lower
                    .as_ref()
                    .is_none_or(|(low, included)| match order(low) {
                        std::cmp::Ordering::Greater => true,
                        std::cmp::Ordering::Equal => *included,
                        std::cmp::Ordering::Less => false,
                    })
                    && upper
                        .as_ref()
                        .is_none_or(|(high, included)| match order(high) {
                            std::cmp::Ordering::Less => true,
                            std::cmp::Ordering::Equal => *included,
                            std::cmp::Ordering::Greater => false,
                        })
            }
            Test::IsNull => value.is_null(),
            Test::IsNotNull => !value.is_null(),
            _ => return Ok(Self::Predicate(expr, test)),
        }))
    }
}

/// Two numbers of different types in the type that holds both.
fn as_numbers(a: &Value, b: &Value) -> Option<(Value, Value)> {
    let (from, to) = (a.column_type().data_type, b.column_type().data_type);
    if from == to || !from.is_numeric() || !to.is_numeric() {
        return None;
    }
    let either = |wanted: DataType| from == wanted || to == wanted;
    let both = if either(DataType::BigDecimal) {
        DataType::BigDecimal
    } else if either(DataType::Double) || either(DataType::Float) {
        DataType::Double
    } else {
        DataType::Long
    };
    Some((a.cast(both).ok()?, b.cast(both).ok()?))
}
