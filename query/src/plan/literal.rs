//! Literals in the type of what they are compared with, and comparisons with the ends of ranges.
//!
//! Must not know: segments. Invariant: a literal that has no form in a type is an error, never another value.

use common::cast::text_is_true;
use common::value::compare_text;
use common::{DataType, Value};
use segment::Bound;

pub(super) fn typed_text(text: &str, data_type: DataType) -> Value {
    if data_type == DataType::Json {
        Value::Json(text.to_owned())
    } else {
        Value::String(text.to_owned())
    }
}

pub(super) fn retyped(bound: &Bound, data_type: DataType) -> Bound {
    match bound {
        Bound::Included(value) => Bound::Included(typed_text(&value.to_text(), data_type)),
        Bound::Excluded(value) => Bound::Excluded(typed_text(&value.to_text(), data_type)),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[inline]
pub(super) fn above(value: f64, low: f64, included: bool) -> bool {
    value > low || (included && value == low)
}

pub(super) fn text_between(text: &str, low: &Bound, high: &Bound) -> bool {
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

pub(super) fn between(value: &Value, low: &Bound, high: &Bound) -> bool {
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
pub(super) fn floating(value: &Value, data_type: DataType) -> Option<f64> {
    if matches!(value, Value::Boolean(_)) {
        return None;
    }
    let number = value.cast(DataType::Double).ok()?.as_f64()?;
    Some(if data_type == DataType::Float {
        f64::from(number as f32)
    } else {
        number
    })
}

/// The integer an equality asks for; `None` where no integer equals the literal.
pub(super) fn integer(
    value: &Value,
    data_type: DataType,
    lenient: bool,
) -> Result<Option<i64>, ()> {
    let in_range =
        |v: i64| (data_type.stored() != DataType::Int || i32::try_from(v).is_ok()).then_some(v);
    match (value, data_type) {
        (Value::String(text), DataType::Boolean) => Ok(Some(i64::from(text_is_true(text)))),
        (Value::Boolean(v), DataType::Boolean) => Ok(Some(i64::from(*v))),
        // Only `1` is true: other numbers are texts that are not.
        (_, DataType::Boolean) => Ok(Some(i64::from(text_is_true(&value.to_text())))),
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
        // A time is a whole number of milliseconds.
        (_, DataType::Timestamp) => Err(()),
        _ if !lenient => Err(()),
        _ => {
            let number = value.as_f64().ok_or(())?;
            let whole = number as i64;
            Ok((whole as f64 == number).then_some(whole).and_then(in_range))
        }
    }
}

/// The integer at an end of a range, made inclusive; `None` where no integer lies within.
pub(super) fn integer_end(
    value: &Value,
    data_type: DataType,
    included: bool,
    lower: bool,
) -> Result<Option<i64>, ()> {
    let exact = match value {
        _ if data_type == DataType::Boolean => integer(value, data_type, false)?,
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
