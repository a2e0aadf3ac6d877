//! Postgres' types of columns and parameters, by their ids.
//!
//! Must not know: values. Invariant: a column keeps the kind that its description told, whatever its cells hold.

use common::{ColumnType, DataType};
use datafusion::arrow::datatypes::DataType as Arrow;

/// A type without arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Timestamp,
    Json,
    Bytes,
}

/// Base, name, id of the type, id of its array, bytes of a value (-1 where they vary).
pub(crate) const BASES: &[(Base, &str, u32, u32, i16)] = &[
    (Base::Bool, "bool", 16, 1000, 1),
    (Base::Int2, "int2", 21, 1005, 2),
    (Base::Int4, "int4", 23, 1007, 4),
    (Base::Int8, "int8", 20, 1016, 8),
    (Base::Oid, "oid", 26, 1028, 4),
    (Base::Float4, "float4", 700, 1021, 4),
    (Base::Float8, "float8", 701, 1022, 8),
    (Base::Numeric, "numeric", 1700, 1231, -1),
    (Base::Text, "text", 25, 1009, -1),
    (Base::Timestamp, "timestamp", 1114, 1115, 8),
    (Base::Json, "json", 114, 199, -1),
    (Base::Bytes, "bytea", 17, 1001, -1),
];

/// Types that only clients name, as those of parameters.
pub(crate) const UNKNOWN: u32 = 705;

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The type, or that of the elements.
    pub(crate) base: Base,
    /// Whether it is an array.
    pub(crate) array: bool,
}

impl Kind {
    /// A type that is no array.
    pub(crate) const fn of(base: Base) -> Self {
        Self { base, array: false }
    }

    /// Its id.
    pub(crate) fn oid(self) -> u32 {
        BASES
            .iter()
            .find(|b| b.0 == self.base)
            .map_or(25, |b| if self.array { b.3 } else { b.2 })
    }

    /// Bytes of a value, -1 where they vary.
    pub(crate) fn size(self) -> i16 {
        let found = BASES.iter().find(|b| b.0 == self.base);
        found.filter(|_| !self.array).map_or(-1, |b| b.4)
    }

    /// The type that a column of the catalog has.
    pub(crate) fn of_arrow(arrow: &Arrow) -> Self {
        Self::of(match arrow {
            Arrow::Boolean => Base::Bool,
            Arrow::Int8 | Arrow::Int16 => Base::Int2,
            Arrow::Int32 | Arrow::UInt8 | Arrow::UInt16 => Base::Int4,
            Arrow::UInt32 => Base::Oid,
            Arrow::Int64 | Arrow::UInt64 => Base::Int8,
            Arrow::Float16 | Arrow::Float32 => Base::Float4,
            Arrow::Float64 => Base::Float8,
            _ => Base::Text,
        })
    }
}

impl From<ColumnType> for Kind {
    fn from(column: ColumnType) -> Self {
        let base = match column.data_type {
            DataType::Int => Base::Int4,
            DataType::Long => Base::Int8,
            DataType::Float => Base::Float4,
            DataType::Double => Base::Float8,
            DataType::BigDecimal => Base::Numeric,
            DataType::Boolean => Base::Bool,
            DataType::Timestamp => Base::Timestamp,
            DataType::Json | DataType::Map => Base::Json,
            DataType::Bytes => Base::Bytes,
            DataType::String | DataType::Object | DataType::Unknown => Base::Text,
        };
        Self {
            base,
            array: column.multi,
        }
    }
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Name.
    pub(crate) name: String,
    /// Type.
    pub(crate) kind: Kind,
}
