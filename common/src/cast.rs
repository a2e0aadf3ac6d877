//! Conversion between types: Pinot's rules for CAST, for arguments, for literals against columns, and for ingested fields.
//!
//! Must not know: functions, time zones. Invariant: numbers convert as Java's primitive casts do (integers wrap, floating
//! point saturates); text that does not fit is an error, never a default.

use std::str::FromStr;

use bigdecimal::{BigDecimal, FromPrimitive, ToPrimitive};

use crate::java_text::{decimal_text, double_text, float_text, parse_timestamp, timestamp_text};
use crate::{ArrayVec, Block, BytesVec, ColumnType, DataType, TextVec, Value, Values};

/// A value that has no form in the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot convert value: `{value}` to type: {to}")]
pub struct CastError {
    /// The value as text.
    pub value: String,
    /// The wanted type.
    pub to: ColumnType,
}

fn error(value: impl Into<String>, to: DataType) -> CastError {
    CastError {
        value: value.into(),
        to: ColumnType::sv(to),
    }
}

impl Value {
    /// The value in another single-value type; null stays null, arrays convert element by element.
    ///
    /// # Errors
    /// Where text or bytes have no form in that type.
    pub fn cast(&self, to: DataType) -> Result<Self, CastError> {
        if self.is_null() || self.column_type() == ColumnType::sv(to) {
            return Ok(self.clone());
        }
        if let Self::Array(_, items) = self {
            let items = items
                .iter()
                .map(|item| item.cast(to))
                .collect::<Result<_, _>>()?;
            return Ok(Self::Array(to, items));
        }
        Ok(match to {
            DataType::Int => Self::Int(self.to_int()?),
            DataType::Long => Self::Long(self.to_long()?),
            DataType::Float => Self::Float(self.to_double(to)? as f32),
            DataType::Double => Self::Double(self.to_double(to)?),
            DataType::BigDecimal => Self::BigDecimal(self.to_decimal()?),
            DataType::Boolean => Self::Boolean(self.to_boolean()?),
            DataType::Timestamp => Self::Timestamp(self.to_timestamp()?),
            DataType::Bytes => Self::Bytes(self.to_bytes()?),
            DataType::Json => Self::Json(self.to_text()),
            DataType::Map => Self::Map(self.to_text()),
            DataType::String | DataType::Object | DataType::Unknown => Self::String(self.to_text()),
        })
    }

    /// The value as text: numbers as Java prints them, bytes as hex, timestamps as `yyyy-MM-dd HH:mm:ss.S`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Int(v) => v.to_string(),
            Self::Long(v) => v.to_string(),
            Self::Float(v) => float_text(*v),
            Self::Double(v) => double_text(*v),
            Self::BigDecimal(v) => decimal_text(v),
            Self::Boolean(v) => v.to_string(),
            Self::Timestamp(v) => timestamp_text(*v),
            Self::String(v) | Self::Json(v) | Self::Map(v) => v.clone(),
            Self::Bytes(v) => hex::encode(v),
            Self::Array(_, items) => {
                let items: Vec<String> = items.iter().map(Self::to_text).collect();
                format!("[{}]", items.join(","))
            }
        }
    }

    fn to_int(&self) -> Result<i32, CastError> {
        Ok(match self {
            Self::Long(v) | Self::Timestamp(v) => *v as i32,
            Self::Float(v) => *v as i32,
            Self::Double(v) => *v as i32,
            Self::BigDecimal(v) => decimal_to_i64(v) as i32,
            Self::Boolean(v) => i32::from(*v),
            Self::String(v) | Self::Json(v) => {
                let text = v.trim();
                match text.parse::<i32>() {
                    Ok(number) => number,
                    Err(_) => parse_double(text).ok_or_else(|| error(v, DataType::Int))? as i32,
                }
            }
            other => return Err(error(other.to_text(), DataType::Int)),
        })
    }

    fn to_long(&self) -> Result<i64, CastError> {
        Ok(match self {
            Self::Int(v) => i64::from(*v),
            Self::Timestamp(v) => *v,
            Self::Float(v) => *v as i64,
            Self::Double(v) => *v as i64,
            Self::BigDecimal(v) => decimal_to_i64(v),
            Self::Boolean(v) => i64::from(*v),
            Self::String(v) | Self::Json(v) => {
                let text = v.trim();
                if let Ok(number) = text.parse::<i64>() {
                    number
                } else if let Some(number) = parse_double(text) {
                    number as i64
                } else {
                    parse_timestamp(text).ok_or_else(|| error(v, DataType::Long))?
                }
            }
            other => return Err(error(other.to_text(), DataType::Long)),
        })
    }

    fn to_double(&self, to: DataType) -> Result<f64, CastError> {
        match self {
            Self::String(v) | Self::Json(v) => parse_double(v.trim()).ok_or_else(|| error(v, to)),
            other => other.as_f64().ok_or_else(|| error(other.to_text(), to)),
        }
    }

    fn to_decimal(&self) -> Result<BigDecimal, CastError> {
        let wrong = || error(self.to_text(), DataType::BigDecimal);
        match self {
            Self::Float(_) | Self::Double(_) | Self::String(_) | Self::Json(_) => {
                BigDecimal::from_str(self.to_text().trim()).map_err(|_| wrong())
            }
            Self::Bytes(v) => decimal_from_bytes(v).ok_or_else(wrong),
            other => other
                .as_i64()
                .and_then(BigDecimal::from_i64)
                .ok_or_else(wrong),
        }
    }

    fn to_boolean(&self) -> Result<bool, CastError> {
        match self {
            Self::BigDecimal(v) => Ok(*v != BigDecimal::default()),
            Self::String(v) | Self::Json(v) => Ok(text_is_true(v)),
            other => other
                .as_f64()
                .map(|v| v != 0.0)
                .ok_or_else(|| error(other.to_text(), DataType::Boolean)),
        }
    }

    fn to_timestamp(&self) -> Result<i64, CastError> {
        match self {
            Self::String(v) | Self::Json(v) => {
                parse_timestamp(v).ok_or_else(|| error(v, DataType::Timestamp))
            }
            Self::Long(v) => Ok(*v),
            other => other
                .to_long()
                .map_err(|_| error(other.to_text(), DataType::Timestamp)),
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>, CastError> {
        match self {
            Self::String(v) | Self::Json(v) => {
                hex::decode(v).map_err(|_| error(v, DataType::Bytes))
            }
            Self::BigDecimal(v) => Ok(decimal_to_bytes(v)),
            other => Err(error(other.to_text(), DataType::Bytes)),
        }
    }
}

/// `true` (any case) and `1` are true, every other text is false.
#[must_use]
pub fn text_is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text == "1"
}

/// `Double.parseDouble`: Java's spellings of NaN and Infinity, a trailing `d` or `f`; `None` for anything else.
#[must_use]
pub fn parse_double(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        "NaN" => return Some(f64::NAN),
        "Infinity" => {
            return Some(if text.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            });
        }
        "" => return None,
        digits if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => return None,
        _ => {}
    }
    text.strip_suffix(['d', 'D', 'f', 'F'])
        .unwrap_or(text)
        .parse()
        .ok()
}

/// `BigDecimal.longValue`: the low 64 bits of the whole part.
#[must_use]
pub fn decimal_to_i64(value: &BigDecimal) -> i64 {
    let (whole, _) = value.with_scale(0).into_bigint_and_exponent();
    whole.to_i64().unwrap_or_else(|| {
        let bytes = whole.to_signed_bytes_le();
        let mut low = [if bytes.last().is_some_and(|b| *b >= 0x80) {
            0xFF
        } else {
            0
        }; 8];
        for (to, from) in low.iter_mut().zip(&bytes) {
            *to = *from;
        }
        i64::from_le_bytes(low)
    })
}

/// Pinot's serialised BIG_DECIMAL: two bytes of scale, big endian, then the unscaled value in two's complement.
#[must_use]
pub fn decimal_to_bytes(value: &BigDecimal) -> Vec<u8> {
    let (unscaled, scale) = value.as_bigint_and_exponent();
    let mut out = (scale as u16).to_be_bytes().to_vec();
    out.extend(unscaled.to_signed_bytes_be());
    out
}

/// The inverse of [`decimal_to_bytes`]; `None` where there are fewer than three bytes.
#[must_use]
pub fn decimal_from_bytes(bytes: &[u8]) -> Option<BigDecimal> {
    let (scale, unscaled) = bytes.split_at_checked(2)?;
    if unscaled.is_empty() {
        return None;
    }
    let scale = i64::from(i16::from_be_bytes([scale[0], scale[1]]));
    Some(BigDecimal::new(
        num_bigint::BigInt::from_signed_bytes_be(unscaled),
        scale,
    ))
}

impl Block {
    /// The block in another type. Single-value becomes a one-element array where `to` is multi-value; an array has no
    /// single-value form.
    ///
    /// # Errors
    /// At the first value without a form in the wanted type.
    pub fn cast(&self, to: ColumnType) -> Result<Self, CastError> {
        let from = self.column_type();
        if from == to {
            return Ok(self.clone());
        }
        let fail = || CastError {
            value: format!("a value of type {from}"),
            to,
        };
        let values = match (self.values(), to.multi) {
            (Values::Array(array), true) => {
                let items = cast_values(&array.items, from.data_type, to.data_type, None)?;
                Values::Array(ArrayVec {
                    offsets: array.offsets.clone(),
                    items: Box::new(items),
                })
            }
            (Values::Array(_), false) => return Err(fail()),
            (values, false) => cast_values(values, from.data_type, to.data_type, self.nulls())?,
            (values, true) => {
                let items = cast_values(values, from.data_type, to.data_type, self.nulls())?;
                let offsets = (0..=items.len() as u32).collect();
                Values::Array(ArrayVec {
                    offsets,
                    items: Box::new(items),
                })
            }
        };
        let rows = self.rows();
        let mut out = Self::new(to, values).with_nulls(self.nulls().map(<[bool]>::to_vec));
        if self.is_constant() {
            out = Self::constant(to, &out.value(0), rows);
        }
        Ok(out)
    }
}

/// Converts single values; null rows get the placeholder.
fn cast_values(
    values: &Values,
    from: DataType,
    to: DataType,
    nulls: Option<&[bool]>,
) -> Result<Values, CastError> {
    if from == to
        || (from.stored() == to.stored() && !crosses_boolean(from, to) && to != DataType::Boolean)
    {
        return Ok(values.clone());
    }
    Ok(match (values, to) {
        (Values::Int(v), DataType::Long | DataType::Timestamp) => {
            Values::Long(v.iter().map(|x| i64::from(*x)).collect())
        }
        (Values::Int(v), DataType::Double) => {
            Values::Double(v.iter().map(|x| f64::from(*x)).collect())
        }
        (Values::Int(v), DataType::Float) => Values::Float(v.iter().map(|x| *x as f32).collect()),
        (Values::Int(v), DataType::Boolean) => {
            Values::Int(v.iter().map(|x| i32::from(*x != 0)).collect())
        }
        (Values::Long(v), DataType::Int) => Values::Int(v.iter().map(|x| *x as i32).collect()),
        (Values::Long(v), DataType::Double) => {
            Values::Double(v.iter().map(|x| *x as f64).collect())
        }
        (Values::Long(v), DataType::Float) => Values::Float(v.iter().map(|x| *x as f32).collect()),
        (Values::Float(v), DataType::Double) => {
            Values::Double(v.iter().map(|x| f64::from(*x)).collect())
        }
        (Values::Float(v), DataType::Int) => Values::Int(v.iter().map(|x| *x as i32).collect()),
        (Values::Float(v), DataType::Long | DataType::Timestamp) => {
            Values::Long(v.iter().map(|x| *x as i64).collect())
        }
        (Values::Double(v), DataType::Float) => {
            Values::Float(v.iter().map(|x| *x as f32).collect())
        }
        (Values::Double(v), DataType::Int) => Values::Int(v.iter().map(|x| *x as i32).collect()),
        (Values::Double(v), DataType::Long | DataType::Timestamp) => {
            Values::Long(v.iter().map(|x| *x as i64).collect())
        }
        _ => return cast_one_by_one(values, from, to, nulls),
    })
}

fn crosses_boolean(from: DataType, to: DataType) -> bool {
    // INT from BOOLEAN keeps 0 and 1; text forms of TIMESTAMP and BOOLEAN differ from their stored numbers.
    matches!((from, to), (DataType::Int, DataType::Boolean))
}

fn cast_one_by_one(
    values: &Values,
    from: DataType,
    to: DataType,
    nulls: Option<&[bool]>,
) -> Result<Values, CastError> {
    let mut out = match to.stored() {
        DataType::String => Values::Text(TextVec::with_capacity(values.len(), values.len() * 8)),
        DataType::Bytes => Values::Bytes(BytesVec::with_capacity(values.len(), values.len() * 8)),
        _ => Values::with_capacity(to, values.len()),
    };
    for index in 0..values.len() {
        if nulls.is_some_and(|nulls| nulls[index]) {
            out.push_placeholder();
        } else {
            out.push(&values.get(index, from).cast(to)?);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_convert_as_java_does() {
        assert_eq!(Value::Long(1 << 32).cast(DataType::Int), Ok(Value::Int(0)));
        assert_eq!(
            Value::Double(1e20).cast(DataType::Int),
            Ok(Value::Int(i32::MAX))
        );
        assert_eq!(
            Value::Double(f64::NAN).cast(DataType::Long),
            Ok(Value::Long(0))
        );
        assert_eq!(
            Value::String("2.9".into()).cast(DataType::Int),
            Ok(Value::Int(2))
        );
        assert!(Value::String("abc".into()).cast(DataType::Int).is_err());
        assert_eq!(
            Value::Double(1e10).cast(DataType::String),
            Ok(Value::String("1.0E10".into()))
        );
    }

    #[test]
    fn decimals_survive_their_bytes() {
        let value = BigDecimal::from_str("-123.4567").ok();
        let bytes = value.as_ref().map(decimal_to_bytes);
        assert_eq!(bytes.as_deref().and_then(decimal_from_bytes), value);
    }

    #[test]
    fn blocks_cast_with_nulls() -> Result<(), CastError> {
        let block = Block::from_values(DataType::Int, &[Value::Int(3), Value::Null]);
        let text = block.cast(ColumnType::sv(DataType::String))?;
        assert_eq!(text.value(0), Value::String("3".into()));
        assert!(text.is_null(1));
        Ok(())
    }
}
