//! Bytes of single values inside states.
//!
//! Must not know: aggregates. Invariant: a value reads back under the type it was written with.

use common::{DataType, Value};

use super::bytes::{Reader, broken, put_bytes, put_f64, put_i64};
use crate::FunctionError;

/// Appends a value: a flag for null, then its content.
pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    out.push(u8::from(!value.is_null()));
    match value {
        Value::Null => {}
        Value::Int(v) => put_i64(out, i64::from(*v)),
        Value::Boolean(v) => put_i64(out, i64::from(*v)),
        Value::Long(v) | Value::Timestamp(v) => put_i64(out, *v),
        Value::Float(v) => put_f64(out, f64::from(*v)),
        Value::Double(v) => put_f64(out, *v),
        Value::BigDecimal(v) => put_bytes(out, &common::cast::decimal_to_bytes(v)),
        Value::String(v) | Value::Json(v) | Value::Map(v) => put_bytes(out, v.as_bytes()),
        Value::Bytes(v) => put_bytes(out, v),
        Value::Array(_, items) => {
            super::bytes::put_len(out, items.len());
            items.iter().for_each(|item| put_value(out, item));
        }
    }
}

/// Reads a single value of that type.
///
/// # Errors
/// Where the bytes are no such value.
pub(crate) fn read_value(
    reader: &mut Reader<'_>,
    data_type: DataType,
) -> Result<Value, FunctionError> {
    if !reader.bool()? {
        return Ok(Value::Null);
    }
    Ok(match data_type {
        DataType::Int => Value::Int(reader.i64()? as i32),
        DataType::Boolean => Value::Boolean(reader.i64()? != 0),
        DataType::Long => Value::Long(reader.i64()?),
        DataType::Timestamp => Value::Timestamp(reader.i64()?),
        DataType::Float => Value::Float(reader.f64()? as f32),
        DataType::Double => Value::Double(reader.f64()?),
        DataType::BigDecimal => {
            Value::BigDecimal(common::cast::decimal_from_bytes(reader.bytes()?).ok_or_else(broken)?)
        }
        DataType::Bytes => Value::Bytes(reader.bytes()?.to_vec()),
        DataType::Json => Value::Json(reader.text()?),
        DataType::Map => Value::Map(reader.text()?),
        _ => Value::String(reader.text()?),
    })
}
