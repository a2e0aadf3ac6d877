//! A single field in each stored type.
//!
//! Must not know: columns. Invariant: integers wrap and floating point saturates, as Java's casts do; text must be a whole number
//! of its type, blanks around it aside.

use std::str::FromStr;

use bigdecimal::{BigDecimal, ToPrimitive};
use common::cast::{decimal_to_bytes, parse_double, text_is_true};
use common::java_text::{double_text, float_text, parse_timestamp};
use num_bigint::BigInt;

use crate::decoder::json_text::JsonCursor;
use crate::record::Field;

type Fallible<T> = Result<T, String>;

/// Scales that a stored decimal can carry (two bytes), far below what would exhaust memory when printed.
const MAX_SCALE: i64 = 32_767;

#[cold]
fn refuse<T>(field: &Field, to: &str) -> Fallible<T> {
    let mut text = field.to_text();
    if text.len() > 100 {
        text = text.chars().take(100).chain("...".chars()).collect();
    }
    Err(format!(
        "cannot convert value `{text}` from {} to {to}",
        field.kind()
    ))
}

/// INT.
pub(super) fn to_int(field: &Field) -> Fallible<i32> {
    Ok(match field {
        Field::Int(v) => *v,
        Field::Long(v) => *v as i32,
        Field::BigInt(v) => low_bits(v) as i32,
        Field::Float(v) => *v as i32,
        Field::Double(v) => *v as i32,
        Field::Decimal(v) => whole_bits(v).map_or_else(|| refuse(field, "INT"), Ok)? as i32,
        Field::Bool(v) => i32::from(*v),
        Field::Text(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return refuse(field, "INT"),
        },
        _ => return refuse(field, "INT"),
    })
}

/// LONG.
pub(super) fn to_long(field: &Field) -> Fallible<i64> {
    Ok(match field {
        Field::Int(v) => i64::from(*v),
        Field::Long(v) | Field::Timestamp(v) => *v,
        Field::BigInt(v) => low_bits(v),
        Field::Float(v) => *v as i64,
        Field::Double(v) => *v as i64,
        Field::Decimal(v) => whole_bits(v).map_or_else(|| refuse(field, "LONG"), Ok)?,
        Field::Bool(v) => i64::from(*v),
        Field::Text(text) => match text.trim().parse() {
            Ok(number) => number,
            Err(_) => return refuse(field, "LONG"),
        },
        _ => return refuse(field, "LONG"),
    })
}

/// FLOAT.
pub(super) fn to_float(field: &Field) -> Fallible<f32> {
    match field {
        Field::Float(v) => Ok(*v),
        Field::Int(v) => Ok(*v as f32),
        Field::Long(v) => Ok(*v as f32),
        Field::Text(text) => {
            let trimmed = text.trim();
            let Some(double) = parse_double(trimmed) else {
                return refuse(field, "FLOAT");
            };
            let digits = trimmed.trim_end_matches(['d', 'D', 'f', 'F']);
            Ok(digits.parse().unwrap_or(double as f32))
        }
        Field::Timestamp(_) => refuse(field, "FLOAT"),
        other => Ok(to_double(other)? as f32),
    }
}

/// DOUBLE.
pub(super) fn to_double(field: &Field) -> Fallible<f64> {
    Ok(match field {
        Field::Int(v) => f64::from(*v),
        Field::Long(v) | Field::Timestamp(v) => *v as f64,
        Field::BigInt(v) => v.to_f64().unwrap_or(f64::NAN),
        Field::Float(v) => f64::from(*v),
        Field::Double(v) => *v,
        Field::Decimal(v) => v.to_f64().unwrap_or(f64::NAN),
        Field::Bool(v) => f64::from(u8::from(*v)),
        Field::Text(text) => match parse_double(text.trim()) {
            Some(number) => number,
            None => return refuse(field, "DOUBLE"),
        },
        _ => return refuse(field, "DOUBLE"),
    })
}

/// BIG_DECIMAL, without trailing zeros unless they are wanted.
pub(super) fn to_decimal(field: &Field, keep_zeros: bool) -> Fallible<BigDecimal> {
    let value = match field {
        Field::Decimal(v) => Some(v.clone()),
        Field::Int(v) => Some(BigDecimal::from(*v)),
        Field::Long(v) | Field::Timestamp(v) => Some(BigDecimal::from(*v)),
        Field::Bool(v) => Some(BigDecimal::from(i32::from(*v))),
        // Java goes through the double here, and so do we.
        Field::BigInt(v) => v.to_f64().and_then(|d| decimal(&double_text(d))),
        Field::Float(v) => decimal(&float_text(*v)),
        Field::Double(v) => decimal(&double_text(*v)),
        Field::Text(text) => decimal(text.trim()),
        Field::Bytes(bytes) => common::cast::decimal_from_bytes(bytes),
        _ => None,
    };
    match value.filter(|v| v.fractional_digit_count().abs() <= MAX_SCALE) {
        Some(value) if keep_zeros => Ok(value),
        Some(value) => Ok(without_trailing_zeros(&value)),
        None => refuse(field, "BIG_DECIMAL"),
    }
}

/// The decimal as short as it goes; never with an exponent.
pub(super) fn without_trailing_zeros(value: &BigDecimal) -> BigDecimal {
    let stripped = value.normalized();
    // A negative scale is kept as a whole number, so that it prints without exponent everywhere.
    if stripped.fractional_digit_count() < 0 {
        stripped.with_scale(0)
    } else {
        stripped
    }
}

fn decimal(text: &str) -> Option<BigDecimal> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    // The exponent alone decides how large the number prints: refuse it before the digits are multiplied out.
    let exponent = text
        .rsplit_once(['e', 'E'])
        .map_or(Some(0), |(_, e)| e.parse::<i64>().ok())?;
    (plain && exponent.abs() <= MAX_SCALE).then(|| BigDecimal::from_str(text).ok())?
}

/// BOOLEAN.
pub(super) fn to_boolean(field: &Field) -> Fallible<bool> {
    Ok(match field {
        Field::Bool(v) => *v,
        Field::Int(v) => *v != 0,
        Field::Long(v) => *v != 0,
        Field::BigInt(v) => low_bits(v) as i32 != 0,
        Field::Float(v) => *v != 0.0,
        Field::Double(v) => *v != 0.0,
        Field::Decimal(v) => *v != BigDecimal::default(),
        Field::Text(text) => text_is_true(text.trim()),
        _ => return refuse(field, "BOOLEAN"),
    })
}

/// TIMESTAMP. An integer of 32 bits is refused, as Pinot refuses it.
pub(super) fn to_timestamp(field: &Field) -> Fallible<i64> {
    Ok(match field {
        Field::Long(v) | Field::Timestamp(v) => *v,
        Field::Double(v) => *v as i64,
        Field::BigInt(v) => low_bits(v),
        Field::Decimal(v) => whole_bits(v).map_or_else(|| refuse(field, "TIMESTAMP"), Ok)?,
        Field::Text(text) => match parse_timestamp(text) {
            Some(millis) => millis,
            None => return refuse(field, "TIMESTAMP"),
        },
        _ => return refuse(field, "TIMESTAMP"),
    })
}

/// BYTES, from hex text.
pub(super) fn to_bytes(field: &Field) -> Fallible<Vec<u8>> {
    match field {
        Field::Bytes(bytes) => Ok(bytes.clone()),
        Field::Text(text) => hex::decode(text.trim()).or_else(|_| refuse(field, "BYTES")),
        Field::Decimal(value) => Ok(decimal_to_bytes(value)),
        _ => refuse(field, "BYTES"),
    }
}

/// JSON text: text that is JSON in its shortest form, other text as a JSON string, everything else as it prints.
pub(super) fn to_json(field: &Field) -> String {
    let Field::Text(text) = field else {
        return field.to_json();
    };
    if text.trim().is_empty() {
        return String::new();
    }
    let mut cursor = JsonCursor::new(text.as_bytes(), false);
    cursor.skip_blanks();
    cursor
        .value(0)
        .map_or_else(|_| field.to_json(), |value| value.to_json())
}

fn low_bits(value: &BigInt) -> i64 {
    let (sign, digits) = value.to_u64_digits();
    let low = digits.first().copied().unwrap_or(0) as i64;
    if sign == num_bigint::Sign::Minus {
        low.wrapping_neg()
    } else {
        low
    }
}

/// The low 64 bits of the whole part; `None` for a scale that would not fit in memory.
fn whole_bits(value: &BigDecimal) -> Option<i64> {
    (value.fractional_digit_count().abs() <= MAX_SCALE).then(|| common::cast::decimal_to_i64(value))
}
