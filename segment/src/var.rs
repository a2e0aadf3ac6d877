//! Values of varying length (text, bytes, decimals) in their stored bytes.
//!
//! Must not know: where the bytes are kept. Invariant: bytes that are no valid form of the type read as its placeholder.

use std::cmp::Ordering;

use common::cast::{decimal_from_bytes, decimal_to_bytes};
use common::value::compare_text;
use common::{BigDecimal, DataType, TextVec, Value, Values};

/// What the bytes of a column stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VarKind {
    /// STRING, JSON, MAP.
    Text,
    /// BYTES.
    Bytes,
    /// BIG_DECIMAL.
    Decimal,
}

impl VarKind {
    /// The kind of a stored type; numbers have none and count as text.
    pub(crate) fn of(data_type: DataType) -> Self {
        match data_type.stored() {
            DataType::Bytes => Self::Bytes,
            DataType::BigDecimal => Self::Decimal,
            _ => Self::Text,
        }
    }

    /// Java's order of the values.
    pub(crate) fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Self::Text => compare_text(text(a), text(b)),
            Self::Bytes => a.cmp(b),
            Self::Decimal => decimal(a).cmp(&decimal(b)),
        }
    }

    /// True for equal values (decimals: whatever their scale).
    #[inline]
    pub(crate) fn same(self, a: &[u8], b: &[u8]) -> bool {
        a == b || (self == Self::Decimal && decimal(a) == decimal(b))
    }

    /// A hash under which equal values are equal.
    #[inline]
    pub(crate) fn hash(self, bytes: &[u8]) -> u64 {
        match self {
            Self::Decimal => {
                xxhash_rust::xxh3::xxh3_64(&decimal_to_bytes(&decimal(bytes).normalized()))
            }
            _ => xxhash_rust::xxh3::xxh3_64(bytes),
        }
    }

    /// Appends the value to a column of its type.
    #[inline]
    pub(crate) fn push(self, bytes: &[u8], out: &mut Values) {
        match out {
            Values::Text(v) => v.push(text(bytes)),
            Values::Bytes(v) => v.push(bytes),
            Values::BigDecimal(v) => v.push(decimal(bytes)),
            other => other.push_placeholder(),
        }
    }

    /// A column of its type from the bytes of its values. Text is checked in one piece, which is far faster than one by one.
    pub(crate) fn collect<'a>(
        self,
        count: usize,
        values: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Values {
        if self == Self::Text {
            let mut offsets = Vec::with_capacity(count + 1);
            let mut data: Vec<u8> = Vec::with_capacity(count * 8);
            offsets.push(0);
            for value in values.clone() {
                data.extend_from_slice(value);
                offsets.push(data.len() as u32);
            }
            if let Some(texts) = TextVec::from_utf8(offsets, data) {
                return Values::Text(texts);
            }
        }
        let mut out = match self {
            Self::Text => Values::with_capacity(DataType::String, count),
            Self::Bytes => Values::with_capacity(DataType::Bytes, count),
            Self::Decimal => Values::with_capacity(DataType::BigDecimal, count),
        };
        values.for_each(|bytes| self.push(bytes, &mut out));
        out
    }

    /// One value, typed as the column.
    pub(crate) fn value(self, bytes: &[u8], data_type: DataType) -> Value {
        match data_type {
            DataType::Bytes => Value::Bytes(bytes.to_vec()),
            DataType::BigDecimal => Value::BigDecimal(decimal(bytes)),
            DataType::Json => Value::Json(text(bytes).to_owned()),
            DataType::Map => Value::Map(text(bytes).to_owned()),
            _ => Value::String(text(bytes).to_owned()),
        }
    }
}

/// UTF-8 text; empty where it is none.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

fn decimal(bytes: &[u8]) -> BigDecimal {
    decimal_from_bytes(bytes).unwrap_or_default()
}

/// The bytes of a single value; `None` for numbers and null.
pub(crate) fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::String(v) | Value::Json(v) | Value::Map(v) => v.as_bytes().to_vec(),
        Value::Bytes(v) => v.clone(),
        Value::BigDecimal(v) => decimal_to_bytes(v),
        _ => return None,
    })
}

/// Calls `f` with the bytes of every value of a column of varying length, in order.
#[inline]
pub(crate) fn for_each(values: &Values, mut f: impl FnMut(&[u8])) {
    match values {
        Values::Text(v) => v.iter().for_each(|text| f(text.as_bytes())),
        Values::Bytes(v) => v.iter().for_each(f),
        Values::BigDecimal(v) => v.iter().for_each(|d| f(&decimal_to_bytes(d))),
        _ => {}
    }
}
