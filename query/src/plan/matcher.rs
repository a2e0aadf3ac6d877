//! A test with its literals converted to the type of what is tested, and how it runs over values.
//!
//! Must not know: segments, dictionaries. Invariant: a matcher is the positive form; NOT EQ and NOT IN negate it per row,
//! which on a multi-value row means that no value matches.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use common::{BigDecimal, ColumnType, DataType, Value, Values};
use functions::id_set::IdSet;
use functions::pattern::Pattern;
use segment::index::text::query::TextQuery;
use segment::{Bound, Predicate};
use sql::Test;

use super::literal::{
    above, between, floating, integer, integer_end, retyped, text_between, typed_text,
};
use crate::QueryError;
use crate::expr::BoundExpr;

/// A test of one text.
#[derive(Clone)]
pub struct TextTest(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextTest")
    }
}

/// A positive condition on single values of one stored type.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Never true.
    Nothing,
    /// An integer in the range, ends included. Equality is a range of one.
    Integers(i64, i64),
    /// One of these integers.
    IntegerSet(HashSet<i64>),
    /// One of these integers, in ascending order: a set that came as a literal.
    Ids(Arc<Vec<i64>>),
    /// A number between the ends.
    Numbers {
        /// Lower end.
        low: f64,
        /// The lower end belongs to it.
        low_included: bool,
        /// Upper end.
        high: f64,
        /// The upper end belongs to it.
        high_included: bool,
    },
    /// One of these numbers, by their bits.
    NumberSet(HashSet<u64>),
    /// One of these texts.
    TextSet(HashSet<String>),
    /// A text between the ends.
    TextRange(Bound, Bound),
    /// A text that a pattern or a JSON condition accepts.
    Text(TextTest, Predicate),
    /// A row's vector is among so many nearest to this one: of whole rows, so no single value matches.
    Nearest(Vec<f32>, usize),
    /// One of these values, for BYTES and BIG_DECIMAL.
    ValueSet(Vec<Value>),
    /// A value between the ends, for BYTES and BIG_DECIMAL.
    ValueRange(Bound, Bound),
}

/// How number literals are read that are of another type than what they are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literals {
    /// By value with columns, strictly with calls and arrays: WHERE of the single-stage engine.
    ByValue,
    /// Only in a form that the type has: HAVING of the single-stage engine.
    Strict,
    /// The same, but a literal is only refused where its test is reached: FILTER of that engine.
    StrictWhereReached,
    /// By value wherever that means something.
    Lenient,
}

impl Literals {
    pub(super) fn are_strict(self) -> bool {
        matches!(self, Self::Strict | Self::StrictWhereReached)
    }

    /// True where tests before a wrong literal may settle a filter.
    pub(super) fn are_reached(self) -> bool {
        matches!(self, Self::ByValue | Self::StrictWhereReached)
    }
}

/// Sets with more integers stay what they are.
const MOST_IDS: usize = 1 << 22;

type End<'a> = Option<&'a (Value, bool)>;

fn cannot_convert(value: &Value, column_type: ColumnType) -> QueryError {
    QueryError::validation(format!(
        "Cannot convert value: '{}' to type: {}",
        value.to_text(),
        column_type.data_type
    ))
}

/// True for a value in another type, which is then known before any row is.
pub(super) fn is_cast(expr: &BoundExpr) -> bool {
    match expr {
        BoundExpr::Call { function, .. } => function.function().names.contains(&"cast"),
        _ => false,
    }
}

impl Matcher {
    /// Converts a test's literals to the type of the tested expression. The flag says that the matcher is to be negated.
    ///
    /// # Errors
    /// Where a literal has no form in that type, or a pattern is none.
    pub fn of(
        test: &Test,
        expr: &BoundExpr,
        literals: Literals,
    ) -> Result<(Self, bool), QueryError> {
        let column_type = expr.column_type();
        // Numeric literals of another type are compared by value with a single-value column, cast or not, and converted
        // strictly elsewhere.
        let plain = (expr.as_column().is_some() || is_cast(expr)) && !column_type.multi;
        let lenient = (plain && !literals.are_strict()) || literals == Literals::Lenient;
        let exact = !lenient && literals != Literals::Lenient;
        Ok(match test {
            Test::Eq(value) => (
                Self::equal(std::slice::from_ref(value), column_type, lenient)?,
                false,
            ),
            Test::NotEq(value) => (
                Self::equal(std::slice::from_ref(value), column_type, lenient)?,
                true,
            ),
            Test::In(values) => (Self::equal(values, column_type, false)?, false),
            Test::NotIn(values) => (Self::equal(values, column_type, false)?, true),
            Test::Range { lower, upper } => (
                Self::between(lower.as_ref(), upper.as_ref(), column_type, exact)?,
                false,
            ),
            Test::Like { pattern, escape } => (Self::like(pattern, *escape, column_type)?, false),
            Test::RegexpLike {
                pattern,
                ignore_case,
            } => (Self::regexp(pattern, *ignore_case, column_type)?, false),
            Test::JsonMatch(condition) => (Self::json(condition)?, false),
            Test::TextMatch(query) => (Self::text(query, column_type)?, false),
            Test::TextContains(_) => {
                return Err(QueryError::execution(
                    "TEXT_CONTAINS is supported only on native text index",
                ));
            }
            Test::VectorSimilarity { target, top_k } => {
                (Self::Nearest(target.clone(), *top_k), false)
            }
            Test::IsNull | Test::IsNotNull => (Self::Nothing, false),
        })
    }

    /// `inIdSet(column, 'literal')` as a test of the column: an exact set is looked up once for each value of a dictionary.
    pub(super) fn of_id_set(expr: &BoundExpr) -> Option<(&BoundExpr, Self)> {
        let BoundExpr::Call { function, args } = expr else {
            return None;
        };
        let [column, BoundExpr::Literal(Value::String(text), _)] = args.as_slice() else {
            return None;
        };
        let column_type = column.column_type();
        let whole = matches!(column_type.data_type, DataType::Int | DataType::Long);
        if !function.function().names.contains(&"inidset") || column_type.multi || !whole {
            return None;
        }
        column.as_column()?;
        let set = IdSet::from_base64(text).ok()?;
        let mut ids: Vec<i64> = set.integers()?.take(MOST_IDS + 1).collect();
        ids.sort_unstable();
        (ids.len() <= MOST_IDS).then(|| (column, Self::Ids(Arc::new(ids))))
    }

    fn equal(values: &[Value], column_type: ColumnType, lenient: bool) -> Result<Self, QueryError> {
        let convert = |value: &Value| cannot_convert(value, column_type);
        if column_type.data_type == DataType::BigDecimal {
            let truth = |value: &&Value| matches!(value, Value::Boolean(_));
            if let Some(value) = values.iter().find(truth) {
                return Err(convert(value));
            }
        }
        match column_type.data_type.stored() {
            DataType::Int | DataType::Long => {
                let mut set = HashSet::new();
                for value in values {
                    set.extend(
                        integer(value, column_type.data_type, lenient)
                            .map_err(|()| convert(value))?,
                    );
                }
                Ok(match (set.len(), set.iter().next()) {
                    (0, _) => Self::Nothing,
                    (1, Some(only)) => Self::Integers(*only, *only),
                    _ => Self::IntegerSet(set),
                })
            }
            DataType::Float | DataType::Double => {
                let mut set = HashSet::new();
                for value in values {
                    let stored =
                        floating(value, column_type.data_type).ok_or_else(|| convert(value))?;
                    // Only a LONG is compared exactly; other literals take the column's precision.
                    let lossy = matches!(value, Value::Long(v) if stored as i128 != i128::from(*v));
                    if !lenient || !lossy {
                        set.insert((stored + 0.0).to_bits());
                    }
                }
                Ok(if set.is_empty() {
                    Self::Nothing
                } else {
                    Self::NumberSet(set)
                })
            }
            DataType::BigDecimal | DataType::Bytes => {
                let converted = values
                    .iter()
                    .map(|v| v.cast(column_type.data_type).map_err(|_| convert(v)));
                Ok(Self::ValueSet(converted.collect::<Result<_, _>>()?))
            }
            _ => Ok(Self::TextSet(values.iter().map(Value::to_text).collect())),
        }
    }

    fn between(
        lower: End<'_>,
        upper: End<'_>,
        column_type: ColumnType,
        exact: bool,
    ) -> Result<Self, QueryError> {
        let convert = |value: &Value| cannot_convert(value, column_type);
        if exact && matches!(column_type.data_type, DataType::Int | DataType::Long) {
            for (value, _) in [lower, upper].into_iter().flatten() {
                integer(value, column_type.data_type, false).map_err(|()| convert(value))?;
            }
        }
        let bound = |end: End<'_>| -> Result<Bound, QueryError> {
            Ok(match end {
                None => Bound::Unbounded,
                Some((value, included)) => {
                    let value = value
                        .cast(column_type.data_type)
                        .map_err(|_| convert(value))?;
                    if *included {
                        Bound::Included(value)
                    } else {
                        Bound::Excluded(value)
                    }
                }
            })
        };
        match column_type.data_type.stored() {
            DataType::Int | DataType::Long => {
                let data_type = column_type.data_type;
                let low = lower.map_or(Ok(Some(i64::MIN)), |(v, included)| {
                    integer_end(v, data_type, *included, true).map_err(|()| convert(v))
                })?;
                let high = upper.map_or(Ok(Some(i64::MAX)), |(v, included)| {
                    integer_end(v, data_type, *included, false).map_err(|()| convert(v))
                })?;
                // An end beyond both truth values would be read as one of them.
                let (least, most) = match data_type {
                    DataType::Boolean => (0, 1),
                    _ => (i64::MIN, i64::MAX),
                };
                let (low, high) = (low.map(|v| v.max(least)), high.map(|v| v.min(most)));
                Ok(match (low, high) {
                    (Some(low), Some(high)) if low <= high => Self::Integers(low, high),
                    _ => Self::Nothing,
                })
            }
            DataType::Float | DataType::Double => {
                let number = |end: End<'_>, open: f64| match end {
                    None => Ok::<_, QueryError>((open, true)),
                    Some((value, included)) => {
                        let number =
                            floating(value, column_type.data_type).ok_or_else(|| convert(value))?;
                        Ok((number, *included))
                    }
                };
                let (low, low_included) = number(lower, f64::NEG_INFINITY)?;
                let (high, high_included) = number(upper, f64::INFINITY)?;
                Ok(Self::Numbers {
                    low,
                    low_included,
                    high,
                    high_included,
                })
            }
            DataType::BigDecimal | DataType::Bytes => {
                Ok(Self::ValueRange(bound(lower)?, bound(upper)?))
            }
            _ => {
                let text = |end: End<'_>| match end {
                    None => Bound::Unbounded,
                    Some((value, true)) => Bound::Included(Value::String(value.to_text())),
                    Some((value, false)) => Bound::Excluded(Value::String(value.to_text())),
                };
                Ok(Self::TextRange(text(lower), text(upper)))
            }
        }
    }

    fn like(
        pattern: &str,
        escape: Option<char>,
        column_type: ColumnType,
    ) -> Result<Self, QueryError> {
        let compiled = Pattern::like(pattern, escape)?;
        let expression = functions::pattern::like_to_regex(pattern, escape.unwrap_or('\\'));
        let predicate = Predicate::RegexpLike {
            pattern: expression,
            ignore_case: true,
        };
        Self::text_only(
            column_type,
            TextTest(Arc::new(move |text| compiled.is_match(text))),
            predicate,
        )
    }

    fn regexp(
        pattern: &str,
        ignore_case: bool,
        column_type: ColumnType,
    ) -> Result<Self, QueryError> {
        let compiled = Pattern::regex(pattern, ignore_case)
            .map_err(|error| QueryError::validation(error.to_string()))?;
        let predicate = Predicate::RegexpLike {
            pattern: pattern.to_owned(),
            ignore_case,
        };
        Self::text_only(
            column_type,
            TextTest(Arc::new(move |text| compiled.is_match(text))),
            predicate,
        )
    }

    fn text_only(
        column_type: ColumnType,
        test: TextTest,
        predicate: Predicate,
    ) -> Result<Self, QueryError> {
        if column_type.data_type.stored() == DataType::String {
            Ok(Self::Text(test, predicate))
        } else {
            Err(QueryError::validation(format!(
                "REGEXP_LIKE and LIKE expect text, not {column_type}"
            )))
        }
    }

    fn json(condition: &str) -> Result<Self, QueryError> {
        let compiled = functions::json::JsonMatch::parse(condition)?;
        let predicate = Predicate::JsonMatch(condition.to_owned());
        Ok(Self::Text(
            TextTest(Arc::new(move |text| compiled.matches(text))),
            predicate,
        ))
    }

    fn text(query: &str, column_type: ColumnType) -> Result<Self, QueryError> {
        let compiled = TextQuery::parse(query).map_err(|problem| {
            QueryError::execution(format!("Invalid text match filter: {query}: {problem}"))
        })?;
        if column_type.data_type.stored() != DataType::String {
            return Err(QueryError::validation(format!(
                "TEXT_MATCH expects text, not {column_type}"
            )));
        }
        Ok(Self::Text(
            TextTest(Arc::new(move |text| compiled.matches(text))),
            Predicate::TextMatch(query.to_owned()),
        ))
    }

    /// The index without which the test is refused, and the function that asks for it.
    #[must_use]
    pub fn needed_index(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Text(_, Predicate::JsonMatch(_)) => Some(("json", "JSON_MATCH")),
            Self::Text(_, Predicate::TextMatch(_)) => Some(("text", "TEXT_MATCH")),
            Self::Nearest(..) => Some(("vector", "VECTOR_SIMILARITY")),
            _ => None,
        }
    }

    /// The test in the form that indexes and dictionaries answer.
    #[must_use]
    pub fn predicate(&self, data_type: DataType) -> Option<Predicate> {
        let integer = |v: i64| Value::Long(v).cast(data_type).unwrap_or(Value::Null);
        let number = |v: f64| Value::Double(v).cast(data_type).unwrap_or(Value::Null);
        let fits = |v: i64| data_type.stored() != DataType::Int || i32::try_from(v).is_ok();
        Some(match self {
            Self::Nothing => Predicate::In(Vec::new()),
            Self::Integers(low, high) => integers(*low, *high, data_type),
            Self::IntegerSet(set) => Predicate::In(
                set.iter()
                    .filter(|v| fits(**v))
                    .map(|v| integer(*v))
                    .collect(),
            ),
            Self::Numbers {
                low,
                low_included,
                high,
                high_included,
            } if data_type == DataType::Double => {
                let end = |v: f64, included: bool| {
                    if included {
                        Bound::Included(number(v))
                    } else {
                        Bound::Excluded(number(v))
                    }
                };
                Predicate::Range {
                    lower: end(*low, *low_included),
                    upper: end(*high, *high_included),
                }
            }
            Self::Ids(_) | Self::Numbers { .. } => return None,
            Self::NumberSet(set) => Predicate::In(
                set.iter()
                    .map(|bits| number(f64::from_bits(*bits)))
                    .collect(),
            ),
            Self::TextSet(set) => {
                Predicate::In(set.iter().map(|t| typed_text(t, data_type)).collect())
            }
            Self::TextRange(low, high) => Predicate::Range {
                lower: retyped(low, data_type),
                upper: retyped(high, data_type),
            },
            Self::Text(_, predicate) => predicate.clone(),
            Self::Nearest(target, top_k) => Predicate::Nearest {
                target: target.clone(),
                top_k: *top_k,
            },
            Self::ValueSet(values) => Predicate::In(values.clone()),
            Self::ValueRange(low, high) => Predicate::Range {
                lower: low.clone(),
                upper: high.clone(),
            },
        })
    }

    /// The test of a text, where it is one on text.
    #[must_use]
    pub fn text_test(&self) -> Option<&(dyn Fn(&str) -> bool + Send + Sync)> {
        match self {
            Self::Text(test, _) => Some(test.0.as_ref()),
            _ => None,
        }
    }

    /// Tests one value.
    #[must_use]
    pub fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Nothing => false,
            Self::Integers(low, high) => value.as_i64().is_some_and(|v| *low <= v && v <= *high),
            Self::IntegerSet(set) => value.as_i64().is_some_and(|v| set.contains(&v)),
            Self::Ids(ids) => value
                .as_i64()
                .is_some_and(|v| ids.binary_search(&v).is_ok()),
            Self::Numbers {
                low,
                low_included,
                high,
                high_included,
            } => value.as_f64().is_some_and(|v| {
                above(v, *low, *low_included) && above(-v, -*high, *high_included)
            }),
            Self::NumberSet(set) => value
                .as_f64()
                .is_some_and(|v| set.contains(&(v + 0.0).to_bits())),
            Self::TextSet(set) => value.as_str().is_some_and(|v| set.contains(v)),
            Self::TextRange(low, high) => {
                value.as_str().is_some_and(|v| text_between(v, low, high))
            }
            Self::Text(test, _) => value.as_str().is_some_and(|v| (test.0)(v)),
            Self::Nearest(..) => false,
            Self::ValueSet(values) => values.contains(value),
            Self::ValueRange(low, high) => between(value, low, high),
        }
    }

    /// Tests the element at `index` of values of the stored type it was made for.
    #[inline]
    #[must_use]
    pub fn matches_at(&self, values: &Values, index: usize) -> bool {
        match (self, values) {
            (Self::Integers(low, high), Values::Int(v)) => {
                (*low..=*high).contains(&i64::from(v[index]))
            }
            (Self::Integers(low, high), Values::Long(v)) => (*low..=*high).contains(&v[index]),
            (Self::IntegerSet(set), Values::Int(v)) => set.contains(&i64::from(v[index])),
            (Self::IntegerSet(set), Values::Long(v)) => set.contains(&v[index]),
            (Self::Ids(ids), Values::Int(v)) => ids.binary_search(&i64::from(v[index])).is_ok(),
            (Self::Ids(ids), Values::Long(v)) => ids.binary_search(&v[index]).is_ok(),
            (
                Self::Numbers {
                    low,
                    low_included,
                    high,
                    high_included,
                },
                Values::Double(v),
            ) => above(v[index], *low, *low_included) && above(-v[index], -*high, *high_included),
            (
                Self::Numbers {
                    low,
                    low_included,
                    high,
                    high_included,
                },
                Values::Float(v),
            ) => {
                let v = f64::from(v[index]);
                above(v, *low, *low_included) && above(-v, -*high, *high_included)
            }
            (Self::NumberSet(set), Values::Double(v)) => set.contains(&(v[index] + 0.0).to_bits()),
            (Self::NumberSet(set), Values::Float(v)) => {
                set.contains(&(f64::from(v[index]) + 0.0).to_bits())
            }
            (Self::TextSet(set), Values::Text(v)) => set.contains(v.get(index)),
            (Self::TextRange(low, high), Values::Text(v)) => text_between(v.get(index), low, high),
            (Self::Text(test, _), Values::Text(v)) => (test.0)(v.get(index)),
            (Self::ValueRange(..) | Self::ValueSet(_), Values::Bytes(v)) => {
                self.matches(&Value::Bytes(v.get(index).to_vec()))
            }
            (Self::ValueRange(..) | Self::ValueSet(_), Values::BigDecimal(v)) => {
                self.matches(&Value::BigDecimal(BigDecimal::clone(&v[index])))
            }
            _ => false,
        }
    }
}

/// A range of integers over a column, whose type may hold fewer of them.
fn integers(low: i64, high: i64, data_type: DataType) -> Predicate {
    let integer = |v: i64| Value::Long(v).cast(data_type).unwrap_or(Value::Null);
    let narrow = data_type.stored() == DataType::Int;
    let fits = |v: i64| !narrow || i32::try_from(v).is_ok();
    if low == high && fits(low) {
        return Predicate::Eq(integer(low));
    }
    if narrow && (low > i64::from(i32::MAX) || high < i64::from(i32::MIN)) {
        return Predicate::In(Vec::new());
    }
    let end = |v: i64| {
        if fits(v) {
            Bound::Included(integer(v))
        } else {
            Bound::Unbounded
        }
    };
    Predicate::Range {
        lower: end(low),
        upper: end(high),
    }
}
