//! Footer of a segment file: directory of buffers and metadata, as JSON.
//!
//! Must not know: how buffers are read. Invariant: what a reader of this version needs is here and nowhere else.

use common::schema::FieldRole;
use common::{ColumnType, DataType, Value};
use serde::{Deserialize, Serialize};

use super::codec::Codec;
use crate::index::star_tree::StarTreeMetadata;
use crate::number::{Number, with_number};

/// A buffer of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferEntry {
    /// Column; empty for buffers of the whole segment.
    pub column: String,
    /// What it holds: a forward index, a dictionary, an index by its id.
    pub kind: String,
    /// Where it begins.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// CRC32C of the bytes.
    pub crc: u32,
}

/// How a column's entries are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Bit-packed dictionary ids.
    Dictionary,
    /// Dictionary, and the end row of each id.
    Sorted,
    /// Values.
    Raw,
    /// Whole numbers without dictionary: distances from the least of their block, bit-packed.
    Packed,
}

/// Role of a column, in JSON as Pinot's metadata names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StoredRole {
    /// Dimension.
    Dimension,
    /// Metric.
    Metric,
    /// Time.
    DateTime,
    /// Complex.
    Complex,
}

impl From<FieldRole> for StoredRole {
    fn from(role: FieldRole) -> Self {
        match role {
            FieldRole::Dimension => Self::Dimension,
            FieldRole::Metric => Self::Metric,
            FieldRole::DateTime => Self::DateTime,
            FieldRole::Complex => Self::Complex,
        }
    }
}

/// Partitions of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partitions {
    /// Function, as configured.
    pub function: String,
    /// Number of partitions.
    pub count: u32,
    /// Partitions with rows here, ascending.
    pub present: Vec<u32>,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnMetadata {
    /// Name.
    pub name: String,
    /// Type of a value.
    pub data_type: DataType,
    /// True for a multi-value column.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi: bool,
    /// Role.
    pub role: StoredRole,
    /// How entries are stored.
    pub encoding: Encoding,
    /// Bits of an id.
    #[serde(default)]
    pub bits: u32,
    /// Compression of a raw column.
    pub codec: Codec,
    /// Entries of a compressed chunk; 0 where the column is stored plain.
    #[serde(default)]
    pub chunk_entries: u32,
    /// Bytes of the largest chunk before compression.
    #[serde(default)]
    pub chunk_bytes: u32,
    /// Distinct values; `None` for a raw column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cardinality: Option<u32>,
    /// Smallest value as text of the stored type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// Largest value as text of the stored type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Sum of whole numbers without dictionary, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    /// Rows ascend with the value.
    #[serde(default)]
    pub sorted: bool,
    /// Values over all rows.
    pub entries: u64,
    /// Most values in a row.
    pub max_entries: u32,
    /// Bytes of the longest value of varying length.
    #[serde(default)]
    pub longest_bytes: u32,
    /// Rows that are null.
    #[serde(default)]
    pub nulls: u64,
    /// Partitions, where the table partitions by this column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Partitions>,
    /// Ids of its indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<String>,
}

impl ColumnMetadata {
    /// Type.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        ColumnType {
            data_type: self.data_type,
            multi: self.multi,
        }
    }

    /// Smallest and largest value, typed as the column.
    #[must_use]
    pub fn min_max(&self) -> (Option<Value>, Option<Value>) {
        let read = |text: &Option<String>| read_bound(text.as_deref()?, self.data_type);
        (read(&self.min), read(&self.max))
    }
}

/// A bound as text; longer values than 512 bytes are left out.
pub(crate) fn bound_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Timestamp(ms) => ms.to_string(),
        Value::Boolean(v) => i32::from(*v).to_string(),
        other => other.to_text(),
    };
    (text.len() <= 512).then_some(text)
}

fn read_bound(text: &str, data_type: DataType) -> Option<Value> {
    let stored = Value::String(text.to_owned())
        .cast(data_type.stored())
        .ok()?;
    Some(with_number!(data_type.stored(),
    T => T::from_value(&stored)?.value(data_type),
    _ => match (data_type, stored) {
        (DataType::Json, Value::String(text)) => Value::Json(text),
        (DataType::Map, Value::String(text)) => Value::Map(text),
        (_, stored) => stored,
    }))
}

/// What is known of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentMetadata {
    /// Segment name.
    pub name: String,
    /// Table name, raw.
    pub table: String,
    /// When it was built, milliseconds.
    pub created_ms: i64,
    /// Rows.
    pub rows: u32,
    /// The primary time column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// Smallest and largest value of the time column in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_range_ms: Option<(i64, i64)>,
    /// Columns.
    pub columns: Vec<ColumnMetadata>,
    /// Star-trees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub star_trees: Vec<StarTreeMetadata>,
    /// Anything else to be kept with the segment (offsets of a stream, names of merged segments).
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub custom: std::collections::BTreeMap<String, String>,
}

/// The whole footer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    /// Metadata.
    pub metadata: SegmentMetadata,
    /// Buffers in file order.
    pub directory: Vec<BufferEntry>,
}
