//! Pinot's data types and the type of a column or expression (a data type, single- or multi-value).
//!
//! Must not know: values. Invariant: `Display` gives exactly the names of `columnDataTypes` in a response.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Pinot data type, as the schema and the response name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DataType {
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 32-bit IEEE number.
    Float,
    /// 64-bit IEEE number.
    Double,
    /// Exact decimal of any precision.
    BigDecimal,
    /// Stored as INT 0 or 1.
    Boolean,
    /// Milliseconds since the epoch, UTC; stored as LONG.
    Timestamp,
    /// UTF-8 text.
    String,
    /// JSON text; stored as STRING.
    Json,
    /// Bytes, shown as lower-case hex.
    Bytes,
    /// A map with text keys; stored as its JSON text.
    Map,
    /// A result type without a column form (an intermediate object).
    Object,
    /// The type of an untyped NULL.
    Unknown,
}

impl DataType {
    /// The type under which values are stored and computed: BOOLEAN is INT, TIMESTAMP is LONG, JSON and MAP are STRING.
    #[must_use]
    pub fn stored(self) -> Self {
        match self {
            Self::Boolean => Self::Int,
            Self::Timestamp => Self::Long,
            Self::Json | Self::Map | Self::Unknown | Self::Object => Self::String,
            other => other,
        }
    }

    /// INT, LONG, FLOAT, DOUBLE or BIG_DECIMAL.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::Int | Self::Long | Self::Float | Self::Double | Self::BigDecimal
        )
    }

    /// INT or LONG.
    #[must_use]
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int | Self::Long)
    }

    /// The name as Pinot writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::BigDecimal => "BIG_DECIMAL",
            Self::Boolean => "BOOLEAN",
            Self::Timestamp => "TIMESTAMP",
            Self::String => "STRING",
            Self::Json => "JSON",
            Self::Bytes => "BYTES",
            Self::Map => "MAP",
            Self::Object => "OBJECT",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no data type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown data type `{0}`")]
pub struct UnknownDataType(pub String);

impl FromStr for DataType {
    type Err = UnknownDataType;

    /// Accepts Pinot's names and the SQL aliases of CAST (INTEGER, BIGINT, VARCHAR, DECIMAL, ...), any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "INT" | "INTEGER" => Self::Int,
            "LONG" | "BIGINT" => Self::Long,
            "FLOAT" | "REAL" => Self::Float,
            "DOUBLE" => Self::Double,
            "BIG_DECIMAL" | "BIGDECIMAL" | "DECIMAL" => Self::BigDecimal,
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "TIMESTAMP" => Self::Timestamp,
            "STRING" | "VARCHAR" | "CHAR" => Self::String,
            "JSON" => Self::Json,
            "BYTES" | "VARBINARY" | "BINARY" => Self::Bytes,
            "MAP" => Self::Map,
            "UNKNOWN" => Self::Unknown,
            _ => return Err(UnknownDataType(text.to_owned())),
        })
    }
}

/// The type of a column or expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnType {
    /// Type of a value, or of an element where `multi`.
    pub data_type: DataType,
    /// True for a multi-value column or an array.
    pub multi: bool,
}

impl ColumnType {
    /// A single-value type.
    #[must_use]
    pub const fn sv(data_type: DataType) -> Self {
        Self {
            data_type,
            multi: false,
        }
    }

    /// A multi-value type.
    #[must_use]
    pub const fn mv(data_type: DataType) -> Self {
        Self {
            data_type,
            multi: true,
        }
    }

    /// The stored form, see [`DataType::stored`].
    #[must_use]
    pub fn stored(self) -> Self {
        Self {
            data_type: self.data_type.stored(),
            multi: self.multi,
        }
    }
}

impl From<DataType> for ColumnType {
    fn from(data_type: DataType) -> Self {
        Self::sv(data_type)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.data_type,
            if self.multi { "_ARRAY" } else { "" }
        )
    }
}
