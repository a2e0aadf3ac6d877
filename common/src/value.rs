//! One value of any type: literals, results of aggregations, group keys, defaults, decoded fields.
//!
//! Must not know: columns. Not for hot loops, those run on [`crate::Block`].
//! Invariant: `Value` carries its own type; BOOLEAN, TIMESTAMP and JSON are apart from INT, LONG and STRING.

use std::cmp::Ordering;

use bigdecimal::{BigDecimal, ToPrimitive};

use crate::{ColumnType, DataType};

/// A typed value; `Null` is of every type.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// INT.
    Int(i32),
    /// LONG.
    Long(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// BIG_DECIMAL.
    BigDecimal(BigDecimal),
    /// BOOLEAN.
    Boolean(bool),
    /// TIMESTAMP, milliseconds since the epoch.
    Timestamp(i64),
    /// STRING.
    String(String),
    /// JSON text.
    Json(String),
    /// BYTES.
    Bytes(Vec<u8>),
    /// MAP as its JSON text.
    Map(String),
    /// A multi-value; the type is that of the elements, none of which is an array.
    Array(DataType, Vec<Value>),
}

impl Value {
    /// The type, `UNKNOWN` for null.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        ColumnType::sv(match self {
            Self::Null => DataType::Unknown,
            Self::Int(_) => DataType::Int,
            Self::Long(_) => DataType::Long,
            Self::Float(_) => DataType::Float,
            Self::Double(_) => DataType::Double,
            Self::BigDecimal(_) => DataType::BigDecimal,
            Self::Boolean(_) => DataType::Boolean,
            Self::Timestamp(_) => DataType::Timestamp,
            Self::String(_) => DataType::String,
            Self::Json(_) => DataType::Json,
            Self::Bytes(_) => DataType::Bytes,
            Self::Map(_) => DataType::Map,
            Self::Array(element, _) => return ColumnType::mv(*element),
        })
    }

    /// True for `Null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A number as f64 (BOOLEAN as 0 or 1, TIMESTAMP as its milliseconds); `None` for anything else.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        Some(match self {
            Self::Int(v) => f64::from(*v),
            Self::Long(v) | Self::Timestamp(v) => *v as f64,
            Self::Float(v) => f64::from(*v),
            Self::Double(v) => *v,
            Self::BigDecimal(v) => v.to_f64()?,
            Self::Boolean(v) => f64::from(u8::from(*v)),
            _ => return None,
        })
    }

    /// An INT, LONG, BOOLEAN or TIMESTAMP as i64; `None` for anything else.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        Some(match self {
            Self::Int(v) => i64::from(*v),
            Self::Long(v) | Self::Timestamp(v) => *v,
            Self::Boolean(v) => i64::from(*v),
            _ => return None,
        })
    }

    /// The text of a STRING, JSON or MAP.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(v) | Self::Json(v) | Self::Map(v) => Some(v),
            _ => None,
        }
    }

    /// The sum of two values of one number type, as Java adds them; the other value where they are no numbers of one type.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::Int(a.wrapping_add(*b)),
            (Self::Long(a), Self::Long(b)) => Self::Long(a.wrapping_add(*b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Self::Timestamp(a.wrapping_add(*b)),
            (Self::Float(a), Self::Float(b)) => Self::Float(a + b),
            (Self::Double(a), Self::Double(b)) => Self::Double(a + b),
            (Self::BigDecimal(a), Self::BigDecimal(b)) => Self::BigDecimal(a + b),
            (_, other) => other.clone(),
        }
    }

    /// Total order: null first, then by value; numbers of different types compare as numbers, NaN greatest, -0.0 below 0.0,
    /// text by UTF-16 code units as Java does, bytes unsigned, arrays element by element.
    #[must_use]
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            (Self::BigDecimal(a), Self::BigDecimal(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Array(_, a), Self::Array(_, b)) => {
                for (x, y) in a.iter().zip(b) {
                    match x.total_cmp(y) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    }
                }
                a.len().cmp(&b.len())
            }
            (a, b) => match (a.as_i64(), b.as_i64()) {
                (Some(x), Some(y)) => x.cmp(&y),
                _ => match (a.as_f64(), b.as_f64()) {
                    (Some(x), Some(y)) => compare_doubles(x, y),
                    _ => match (a.as_str(), b.as_str()) {
                        (Some(x), Some(y)) => compare_text(x, y),
                        _ => a.rank().cmp(&b.rank()),
                    },
                },
            },
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) | Self::Int(_) | Self::Long(_) | Self::Timestamp(_) => 1,
            Self::Float(_) | Self::Double(_) | Self::BigDecimal(_) => 2,
            Self::String(_) | Self::Json(_) | Self::Map(_) => 3,
            Self::Bytes(_) => 4,
            Self::Array(..) => 5,
        }
    }
}

/// Java's `Double.compare`: NaN is the greatest, whatever its sign, and -0.0 lies below 0.0.
#[must_use]
#[inline]
pub fn compare_doubles(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(&b),
        (a, b) => a.cmp(&b),
    }
}

/// Java's `String.compareTo`: by UTF-16 code units, which differs from UTF-8 order only above U+FFFF.
#[must_use]
pub fn compare_text(a: &str, b: &str) -> Ordering {
    let common = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    if common == a.len() || common == b.len() {
        return a.len().cmp(&b.len());
    }
    let (x, y) = (a.as_bytes()[common], b.as_bytes()[common]);
    // A lead byte of 0xF0 and above is a surrogate pair in UTF-16 and sorts below U+E000..U+FFFF (0xEE, 0xEF).
    match (x >= 0xF0, y >= 0xF0) {
        (true, false) if y >= 0xEE => Ordering::Less,
        (false, true) if x >= 0xEE => Ordering::Greater,
        _ => x.cmp(&y),
    }
}

impl PartialEq for Value {
    /// Equality of the total order: NaN equals NaN, INT 1 equals LONG 1.
    fn eq(&self, other: &Self) -> bool {
        self.total_cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_nan_above_every_number() {
        let nan = -f64::NAN;
        assert_eq!(Value::Double(nan), Value::Double(f64::NAN));
        assert!(compare_doubles(nan, f64::INFINITY).is_gt());
        assert!(compare_doubles(-0.0, 0.0).is_lt());
    }

    #[test]
    fn text_sorts_by_utf16_units() {
        assert_eq!(compare_text("\u{10000}", "\u{FFFD}"), Ordering::Less);
        assert_eq!(compare_text("a", "ab"), Ordering::Less);
        assert_eq!(compare_text("b", "ab"), Ordering::Greater);
        assert_eq!(compare_text("é", "z"), Ordering::Greater);
    }
}
