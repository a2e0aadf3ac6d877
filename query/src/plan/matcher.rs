//! A test with its literals converted to the type of what is tested, and how it runs over values.
//!
//! Must not know: segments, dictionaries. Invariant: a matcher is the positive form; NOT EQ and NOT IN negate it per row,
//! which on a multi-value row means that no value matches.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use common::cast::text_is_true;
use common::value::compare_text;
use common::{BigDecimal, ColumnType, DataType, Value, Values};
use functions::pattern::Pattern;
use segment::index::text::query::TextQuery;
use segment::{Bound, Predicate};
use sql::Test;

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
    /// One of these values, for BYTES and BIG_DECIMAL.
    ValueSet(Vec<Value>),
    /// A value between the ends, for BYTES and BIG_DECIMAL.
    ValueRange(Bound, Bound),
}

type End<'a> = Option<&'a (Value, bool)>;

fn cannot_convert(value: &Value, column_type: ColumnType) -> QueryError {
    QueryError::validation(format!(
        "Cannot convert value: '{}' to type: {}",
        value.to_text(),
        column_type.data_type
    ))
}

impl Matcher {
    /// Converts a test's literals to the type of the tested expression. The flag says that the matcher is to be negated.
    ///
    /// # Errors
    /// Where a literal has no form in that type, or a pattern is none.
    pub fn of(test: &Test, expr: &BoundExpr) -> Result<(Self, bool), QueryError> {
        let column_type = expr.column_type();
        // Numeric literals of another type are compared by value with a single-value column, and converted strictly elsewhere.
        let lenient = expr.as_column().is_some() && !column_type.multi;
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
                Self::between(lower.as_ref(), upper.as_ref(), column_type)?,
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
            Test::VectorSimilarity { .. } => {
                return Err(QueryError::execution(
                    "Cannot apply VECTOR_SIMILARITY on a column without vector index",
                ));
            }
            Test::IsNull | Test::IsNotNull => (Self::Nothing, false),
        })
    }

    fn equal(values: &[Value], column_type: ColumnType, lenient: bool) -> Result<Self, QueryError> {
        let convert = |value: &Value| cannot_convert(value, column_type);
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
    ) -> Result<Self, QueryError> {
        let convert = |value: &Value| cannot_convert(value, column_type);
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
            Self::Integers(low, high) if low == high && fits(*low) => Predicate::Eq(integer(*low)),
            Self::Integers(low, high) => {
                let end = |v: i64| {
                    if fits(v) {
                        Bound::Included(integer(v))
                    } else {
                        Bound::Unbounded
                    }
                };
                if data_type.stored() == DataType::Int
                    && (*low > i64::from(i32::MAX) || *high < i64::from(i32::MIN))
                {
                    return Some(Predicate::In(Vec::new()));
                }
                Predicate::Range {
                    lower: end(*low),
                    upper: end(*high),
                }
            }
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
            Self::Numbers { .. } => return None,
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

fn typed_text(text: &str, data_type: DataType) -> Value {
    if data_type == DataType::Json {
        Value::Json(text.to_owned())
    } else {
        Value::String(text.to_owned())
    }
}

fn retyped(bound: &Bound, data_type: DataType) -> Bound {
    match bound {
        Bound::Included(value) => Bound::Included(typed_text(&value.to_text(), data_type)),
        Bound::Excluded(value) => Bound::Excluded(typed_text(&value.to_text(), data_type)),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[inline]
fn above(value: f64, low: f64, included: bool) -> bool {
    value > low || (included && value == low)
}

fn text_between(text: &str, low: &Bound, high: &Bound) -> bool {
    let compare = |end: &Value| compare_text(text, end.as_str().unwrap_or_default());
    (match low {
        Bound::Unbounded => true,
        Bound::Included(end) => compare(end).is_ge(),
        Bound::Excluded(end) => compare(end).is_gt(),
    }) && (match high {
        Bound::Unbounded => true,
        Bound::Included(end) => compare(end).is_le(),
        Bound::Excluded(end) => compare(end).is_lt(),
    })
}

fn between(value: &Value, low: &Bound, high: &Bound) -> bool {
    (match low {
        Bound::Unbounded => true,
        Bound::Included(end) => value.total_cmp(end).is_ge(),
        Bound::Excluded(end) => value.total_cmp(end).is_gt(),
    }) && (match high {
        Bound::Unbounded => true,
        Bound::Included(end) => value.total_cmp(end).is_le(),
        Bound::Excluded(end) => value.total_cmp(end).is_lt(),
    })
}

/// A literal in the precision of a FLOAT or DOUBLE column.
fn floating(value: &Value, data_type: DataType) -> Option<f64> {
    let number = value.cast(DataType::Double).ok()?.as_f64()?;
    Some(if data_type == DataType::Float {
        f64::from(number as f32)
    } else {
        number
    })
}

/// The integer an equality asks for; `None` where no integer equals the literal.
fn integer(value: &Value, data_type: DataType, lenient: bool) -> Result<Option<i64>, ()> {
    let in_range =
        |v: i64| (data_type.stored() != DataType::Int || i32::try_from(v).is_ok()).then_some(v);
    match (value, data_type) {
        (Value::String(text), DataType::Boolean) => Ok(Some(i64::from(text_is_true(text)))),
        (Value::Boolean(v), DataType::Boolean) => Ok(Some(i64::from(*v))),
        (_, DataType::Boolean) => Ok(value.as_f64().map(|v| i64::from(v != 0.0))),
        (Value::Boolean(_), _) => Err(()),
        (Value::String(text), DataType::Timestamp) => {
            common::java_text::parse_timestamp(text).map(Some).ok_or(())
        }
        (Value::String(text), _) => text
            .parse::<i64>()
            .ok()
            .and_then(in_range)
            .map(Some)
            .ok_or(()),
        (Value::Int(_) | Value::Long(_) | Value::Timestamp(_), _) => {
            let found = value.as_i64().and_then(in_range);
            if found.is_none() && !lenient {
                Err(())
            } else {
                Ok(found)
            }
        }
        _ if !lenient => Err(()),
        _ => {
            let number = value.as_f64().ok_or(())?;
            let whole = number as i64;
            Ok((whole as f64 == number).then_some(whole).and_then(in_range))
        }
    }
}

/// The integer at an end of a range, made inclusive; `None` where no integer lies within.
fn integer_end(
    value: &Value,
    data_type: DataType,
    included: bool,
    lower: bool,
) -> Result<Option<i64>, ()> {
    let exact = match value {
        Value::Double(_) | Value::Float(_) | Value::BigDecimal(_)
            if data_type == DataType::Timestamp =>
        {
            return Err(());
        }
        Value::Double(_) | Value::Float(_) | Value::BigDecimal(_) => None,
        Value::Boolean(_) if data_type != DataType::Boolean => return Err(()),
        Value::Int(_) | Value::Long(_) | Value::Timestamp(_) | Value::Boolean(_) => value.as_i64(),
        other => integer(other, data_type, false)?,
    };
    if let Some(exact) = exact {
        return Ok(match (included, lower) {
            (true, _) => Some(exact),
            (false, true) => exact.checked_add(1),
            (false, false) => exact.checked_sub(1),
        });
    }
    let number = value.as_f64().ok_or(())?;
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if number >= BEYOND {
        return Ok((!lower).then_some(i64::MAX));
    }
    if number < -BEYOND {
        return Ok(lower.then_some(i64::MIN));
    }
    let (whole, is_whole) = (number.floor() as i64, number.fract() == 0.0);
    Ok(match (lower, is_whole, included) {
        (true, true, true) | (false, true, true) | (false, false, _) => Some(whole),
        (true, _, _) => whole.checked_add(1),
        (false, true, false) => whole.checked_sub(1),
    })
}
