//! The four fixed-width stored types behind one trait, so that tight loops are written once.
//!
//! Must not know: where values are kept. Invariant: `rank` has Java's order of the type (-0.0 below 0.0, NaN greatest).

use common::{DataType, Value, Values};

/// INT, LONG, FLOAT or DOUBLE in stored form.
pub(crate) trait Number: Copy + Default + Send + Sync + PartialOrd + 'static {
    /// Bytes of a value.
    const WIDTH: usize;
    /// From little-endian bytes; the default where there are too few.
    fn read(bytes: &[u8]) -> Self;
    /// Appends little-endian bytes.
    fn write(self, out: &mut Vec<u8>);
    /// Equal bits mean equal values.
    fn bits(self) -> u64;
    /// Ascends as Java's order of the values does.
    fn rank(self) -> u64;
    /// From a value of exactly the stored type.
    fn from_value(value: &Value) -> Option<Self>;
    /// A column slice.
    fn wrap(values: Vec<Self>) -> Values;
    /// One value, typed as the column.
    fn value(self, data_type: DataType) -> Value;

    /// The value at a position of packed bytes.
    #[inline]
    fn at(bytes: &[u8], index: usize) -> Self {
        let start = index.saturating_mul(Self::WIDTH);
        bytes
            .get(start..start.saturating_add(Self::WIDTH))
            .map_or_else(Self::default, Self::read)
    }
}

macro_rules! number {
    ($t:ty, $variant:ident, $width:literal, $from:pat => $value:expr, $wrap:expr) => {
        impl Number for $t {
            const WIDTH: usize = $width;
            #[inline]
            fn read(bytes: &[u8]) -> Self {
                bytes
                    .first_chunk::<$width>()
                    .map_or_else(Self::default, |chunk| Self::from_le_bytes(*chunk))
            }
            #[inline]
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline]
            fn bits(self) -> u64 {
                canonical::$variant(self)
            }
            #[inline]
            fn rank(self) -> u64 {
                rank::$variant(self)
            }
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $from => Some($value),
                    _ => None,
                }
            }
            fn wrap(values: Vec<Self>) -> Values {
                Values::$variant(values)
            }
            fn value(self, data_type: DataType) -> Value {
                let wrap: fn(Self, DataType) -> Value = $wrap;
                wrap(self, data_type)
            }
        }
    };
}

number!(i32, Int, 4, Value::Int(v) => *v, |v, t| if t == DataType::Boolean { Value::Boolean(v != 0) } else { Value::Int(v) });
number!(i64, Long, 8, Value::Long(v) | Value::Timestamp(v) => *v, |v, t| if t == DataType::Timestamp { Value::Timestamp(v) } else { Value::Long(v) });
number!(f32, Float, 4, Value::Float(v) => *v, |v, _| Value::Float(v));
number!(f64, Double, 8, Value::Double(v) => *v, |v, _| Value::Double(v));

/// Bits under which equal values are equal: all NaN are one.
#[expect(non_snake_case, reason = "named as the variants they serve")]
mod canonical {
    pub(super) fn Int(v: i32) -> u64 {
        u64::from(v as u32)
    }
    pub(super) fn Long(v: i64) -> u64 {
        v as u64
    }
    pub(super) fn Float(v: f32) -> u64 {
        u64::from(if v.is_nan() { f32::NAN } else { v }.to_bits())
    }
    pub(super) fn Double(v: f64) -> u64 {
        if v.is_nan() { f64::NAN } else { v }.to_bits()
    }
}

#[expect(non_snake_case, reason = "named as the variants they serve")]
mod rank {
    pub(super) fn Int(v: i32) -> u64 {
        u64::from(v as u32 ^ 0x8000_0000)
    }
    pub(super) fn Long(v: i64) -> u64 {
        v as u64 ^ (1 << 63)
    }
    pub(super) fn Float(v: f32) -> u64 {
        let bits = if v.is_nan() { f32::NAN } else { v }.to_bits();
        u64::from(if bits >> 31 == 1 {
            !bits
        } else {
            bits | (1 << 31)
        })
    }
    pub(super) fn Double(v: f64) -> u64 {
        let bits = if v.is_nan() { f64::NAN } else { v }.to_bits();
        if bits >> 63 == 1 {
            !bits
        } else {
            bits | (1 << 63)
        }
    }
}

/// Runs an expression with `$t` as the number type of a stored data type, or another for the types of varying length.
macro_rules! with_number {
    ($stored:expr, $t:ident => $number:expr, _ => $other:expr) => {
        match $stored {
            common::DataType::Int => {
                type $t = i32;
                $number
            }
            common::DataType::Long => {
                type $t = i64;
                $number
            }
            common::DataType::Float => {
                type $t = f32;
                $number
            }
            common::DataType::Double => {
                type $t = f64;
                $number
            }
            _ => $other,
        }
    };
}
pub(crate) use with_number;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_follow_java() {
        let order = [
            f64::NEG_INFINITY,
            -1.5,
            -0.0,
            0.0,
            2.5,
            f64::INFINITY,
            f64::NAN,
        ];
        assert!(order.windows(2).all(|w| w[0].rank() < w[1].rank()));
        assert!((-1_i32).rank() < 0_i32.rank());
        assert_eq!(f64::NAN.bits(), (-f64::NAN).bits());
    }
}
