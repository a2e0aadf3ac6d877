//! Reading and refusing the arguments of an aggregate at binding.
//!
//! Must not know: rows. Invariant: a refusal names the function and what it expects.

use std::ops::RangeInclusive;

use common::{DataType, Value};

use super::{AggregateCall, Dialect};
use crate::FunctionError;

/// Refuses a wrong number of arguments.
pub(crate) fn expect_count(
    call: &AggregateCall<'_>,
    counts: RangeInclusive<usize>,
) -> Result<(), FunctionError> {
    let given = call.arguments.len();
    if counts.contains(&given) {
        return Ok(());
    }
    let expected = match (*counts.start(), *counts.end()) {
        (low, high) if low == high => low.to_string(),
        (low, usize::MAX) => format!("at least {low}"),
        (low, high) => format!("{low} to {high}"),
    };
    Err(refused(
        call,
        &format!("takes {expected} arguments, not {given}"),
    ))
}

/// An error about a call.
pub(crate) fn refused(call: &AggregateCall<'_>, what: &str) -> FunctionError {
    FunctionError::Argument(format!("Aggregation function {} {what}", call.name))
}

/// True where the argument at `index` is a multi-value.
pub(crate) fn is_multi(call: &AggregateCall<'_>, index: usize) -> bool {
    call.arguments
        .get(index)
        .is_some_and(|a| a.column_type.multi)
}

/// The (element) type of the argument at `index`.
pub(crate) fn data_type(call: &AggregateCall<'_>, index: usize) -> DataType {
    call.arguments
        .get(index)
        .map_or(DataType::Unknown, |a| a.column_type.data_type)
}

/// Refuses an argument whose values are no numbers. Arrays of text are only found out when a value is read.
pub(crate) fn expect_number(call: &AggregateCall<'_>, index: usize) -> Result<(), FunctionError> {
    match data_type(call, index) {
        found @ DataType::String if is_multi(call, index) => {
            Err(FunctionError::Evaluation(format!(
                "{} cannot read a value of type {found} as a number",
                call.name
            )))
        }
        found @ (DataType::String | DataType::Json | DataType::Bytes | DataType::Map) => {
            Err(FunctionError::Argument(format!(
                "Cannot compute {} for non-numeric type: {found}",
                call.name
            )))
        }
        _ => Ok(()),
    }
}

/// As [`expect_number`], but found out when a value is read.
pub(crate) fn expect_readable(call: &AggregateCall<'_>, index: usize) -> Result<(), FunctionError> {
    expect_number(call, index).map_err(|error| match error {
        FunctionError::Argument(message) if !multi_stage(call) => {
            FunctionError::Evaluation(message)
        }
        other => other,
    })
}

/// Refuses BIG_DECIMAL, found out when a value is read.
pub(crate) fn expect_no_decimal(
    call: &AggregateCall<'_>,
    index: usize,
) -> Result<(), FunctionError> {
    match data_type(call, index) {
        found @ DataType::BigDecimal => Err(FunctionError::Evaluation(format!(
            "Cannot compute {} for non-numeric type: {found}",
            call.name
        ))),
        _ => Ok(()),
    }
}

/// The literal at `index`; refuses an expression.
pub(crate) fn literal<'a>(
    call: &AggregateCall<'a>,
    index: usize,
) -> Result<&'a Value, FunctionError> {
    let argument: Option<&'a crate::scalar::Argument> = call.arguments.get(index);
    argument
        .and_then(|argument| argument.literal.as_ref())
        .ok_or_else(|| {
            refused(
                call,
                &format!("expects a literal as argument {}", index + 1),
            )
        })
}

/// The text literal at `index`, `None` where there are fewer arguments.
pub(crate) fn text<'a>(
    call: &AggregateCall<'a>,
    index: usize,
) -> Result<Option<&'a str>, FunctionError> {
    if index >= call.arguments.len() {
        return Ok(None);
    }
    let value = literal(call, index)?;
    let wrong = || {
        refused(
            call,
            &format!(
                "expects text as argument {}, not `{}`",
                index + 1,
                value.to_text()
            ),
        )
    };
    value.as_str().map(Some).ok_or_else(wrong)
}

/// The number literal at `index` (also as text), `None` where there are fewer arguments.
pub(crate) fn number(call: &AggregateCall<'_>, index: usize) -> Result<Option<f64>, FunctionError> {
    if index >= call.arguments.len() {
        return Ok(None);
    }
    let value = literal(call, index)?;
    let found = match value.as_str() {
        Some(text) => common::cast::parse_double(text.trim()),
        None => value.as_f64(),
    };
    let wrong = || {
        refused(
            call,
            &format!(
                "expects a number as argument {}, not `{}`",
                index + 1,
                value.to_text()
            ),
        )
    };
    found.map(Some).ok_or_else(wrong)
}

/// The whole-number literal at `index` within `range`, or `default` where there are fewer arguments.
pub(crate) fn whole(
    call: &AggregateCall<'_>,
    index: usize,
    default: i64,
    range: RangeInclusive<i64>,
) -> Result<i64, FunctionError> {
    let found = number(call, index)?.map_or(default, |number| number as i64);
    if range.contains(&found) {
        return Ok(found);
    }
    Err(refused(
        call,
        &format!(
            "expects {} to {} as argument {}, not `{found}`",
            range.start(),
            range.end(),
            index + 1
        ),
    ))
}

/// The number at the end of the name, before `mv`: 99 of `percentile99mv`.
pub(crate) fn name_number(name: &str) -> Option<f64> {
    let stem = name.strip_suffix("mv").unwrap_or(name);
    let digits = stem.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().ok()
}

/// True where an aggregate of nothing is null.
pub(crate) fn multi_stage(call: &AggregateCall<'_>) -> bool {
    call.dialect == Dialect::MultiStage
}

/// True for the functions with MV in their name.
pub(crate) fn named_multi(call: &AggregateCall<'_>) -> bool {
    call.name.ends_with("mv")
}

/// A DOUBLE in the type that the multi-stage engine answers in; saturates as Java's casts do.
pub(crate) fn number_as(value: f64, data_type: DataType) -> Value {
    match data_type {
        DataType::Int => Value::Int(value as i32),
        DataType::Long => Value::Long(value as i64),
        DataType::Float => Value::Float(value as f32),
        DataType::Timestamp => Value::Timestamp(value as i64),
        DataType::Boolean => Value::Boolean(value != 0.0),
        DataType::BigDecimal => Value::Double(value)
            .cast(DataType::BigDecimal)
            .unwrap_or(Value::Null),
        _ => Value::Double(value),
    }
}
