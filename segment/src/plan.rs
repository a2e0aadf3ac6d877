//! What schema and table config ask of each column: encoding, codec, nulls, indexes.
//!
//! Must not know: how any of it is stored. Invariant: one plan serves the mutable and the sealed form of a segment.

use common::schema::FieldRole;
use common::{ColumnType, DataType, FieldSpec, Schema, TableConfig, Value};
use serde_json::Value as Json;

use crate::error::{Result, SegmentError};
use crate::format::codec::Codec;
use crate::index;

/// The plan of one column.
#[derive(Debug, Clone)]
pub struct ColumnPlan {
    /// Name.
    pub name: String,
    /// Type.
    pub column_type: ColumnType,
    /// Role in the schema.
    pub role: FieldRole,
    /// Stored without dictionary.
    pub raw: bool,
    /// Compression of a raw column.
    pub codec: Codec,
    /// Nulls are recorded.
    pub nullable: bool,
    /// Stands for null, and for rows from before the column existed; an array for a multi-value column.
    pub default: Value,
    /// Mutable segments keep posting lists.
    pub inverted: bool,
    /// Mutable segments keep the extremes of blocks.
    pub ranged: bool,
    /// Indexes that mutable segments only announce.
    pub announced: Vec<(&'static str, Json)>,
    /// A sealed segment may store numbers instead of ids where nearly every row has its own.
    pub may_drop_dictionary: bool,
    /// Partition function, its settings and the number of partitions.
    pub partition: Option<(String, Json, u32)>,
}

/// The plan of a table.
#[derive(Debug, Clone)]
pub struct SegmentPlan {
    /// Columns in schema order.
    pub columns: Vec<ColumnPlan>,
    /// The primary time column.
    pub time_column: Option<String>,
    /// Format of the time column, as the schema has it.
    pub time_format: Option<String>,
    /// The column that sealed segments are sorted by.
    pub sorted_column: Option<String>,
    /// The table config, for the indexes.
    pub table: TableConfig,
    /// The schema.
    pub schema: Schema,
}

impl SegmentPlan {
    /// Reads schema and table config.
    ///
    /// # Errors
    /// Where a default value does not fit its column.
    pub fn new(schema: &Schema, table: &TableConfig) -> Result<Self> {
        let columns = schema
            .fields
            .iter()
            .map(|(role, field)| column_plan(schema, table, *role, field))
            .collect::<Result<Vec<_>>>()?;
        let time_column = table
            .segments_config
            .time_column_name
            .clone()
            .filter(|name| schema.field(name).is_some());
        let time_format = time_column
            .as_ref()
            .and_then(|name| schema.field(name))
            .and_then(|field| field.format.clone());
        let sorted_column = table
            .table_index_config
            .sorted_column
            .first()
            .filter(|name| schema.field(name).is_some_and(|f| f.single_value_field))
            .cloned();
        Ok(Self {
            columns,
            time_column,
            time_format,
            sorted_column,
            table: table.clone(),
            schema: schema.clone(),
        })
    }
}

fn column_plan(
    schema: &Schema,
    table: &TableConfig,
    role: FieldRole,
    field: &FieldSpec,
) -> Result<ColumnPlan> {
    let column_type = field.column_type();
    let default = field
        .null_value(role)
        .map_err(|e| SegmentError::Config(format!("column `{}`: {e}", field.name)))?;
    let default = if column_type.multi {
        Value::Array(column_type.data_type, vec![default])
    } else {
        default
    };
    let indexing = &table.table_index_config;
    let inverted = indexing.inverted_index_columns.contains(&field.name)
        || table
            .field_config(&field.name)
            .is_some_and(|config| config.asks_for("inverted"));
    let raw = is_raw(table, role, field, inverted);
    Ok(ColumnPlan {
        name: field.name.clone(),
        column_type,
        role,
        raw,
        codec: codec(table, role, field),
        nullable: schema.records_nulls(field, indexing.null_handling_enabled),
        default,
        inverted: inverted && !raw,
        ranged: index::ranged(table, field, raw),
        announced: index::unbuilt(table, field),
        may_drop_dictionary: !raw && !inverted && may_drop_dictionary(table, field),
        partition: table
            .partition_of(&field.name)
            .map(|(function, settings, count)| (function.to_owned(), settings.clone(), count)),
    })
}

/// Under this key a segment keeps what its indexes were made for.
pub const INDEX_MARK: &str = "index.mark";

/// A mark of everything that a table config says of indexes and encodings: another mark, other indexes.
#[must_use]
pub fn index_mark(table: &TableConfig) -> String {
    let mut indexing = table.table_index_config.clone();
    indexing.stream_configs = None;
    indexing.sorted_column.clear();
    indexing.segment_partition_config = None;
    indexing.aggregate_metrics = false;
    indexing.extra.remove("loadMode");
    let text = serde_json::to_string(&(&indexing, &table.field_config_list)).unwrap_or_default();
    let mark = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |mark, byte| {
        (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("{mark:016x}")
}

/// Metrics are raw unless the config wants a dictionary for them; everything else has one unless the config does not.
fn is_raw(table: &TableConfig, role: FieldRole, field: &FieldSpec, inverted: bool) -> bool {
    if table.is_raw(&field.name) || field.data_type == DataType::Map {
        return true;
    }
    let wants_dictionary = || {
        inverted
            || table.field_config(&field.name).is_some_and(|config| {
                config
                    .encoding_type
                    .as_deref()
                    .is_some_and(|e| e.eq_ignore_ascii_case("DICTIONARY"))
            })
    };
    role == FieldRole::Metric && !wants_dictionary()
}

/// Nobody asked for the dictionary, and the values are whole numbers that pack well without it.
fn may_drop_dictionary(table: &TableConfig, field: &FieldSpec) -> bool {
    let whole = matches!(field.data_type, DataType::Int | DataType::Long);
    let mut trees = table.table_index_config.star_tree_index_configs.iter();
    let asked = table
        .field_config(&field.name)
        .is_some_and(|config| config.encoding_type.is_some());
    whole
        && field.single_value_field
        && !asked
        && !trees.any(|tree| tree.dimensions_split_order.contains(&field.name))
}

fn codec(table: &TableConfig, role: FieldRole, field: &FieldSpec) -> Codec {
    let text = |json: &Json| json.as_str().map(str::to_owned);
    let config = table.field_config(&field.name);
    let configured = config
        .and_then(|config| config.compression_codec.clone())
        .or_else(|| {
            let forward = config?.indexes.get("forward")?;
            forward
                .get("compressionCodec")
                .or_else(|| forward.get("chunkCompressionType"))
                .and_then(text)
        })
        .or_else(|| {
            let codecs = &table.table_index_config.no_dictionary_config;
            codecs.get(&field.name).and_then(text)
        });
    let usual = if role == FieldRole::Metric {
        Codec::PassThrough
    } else {
        Codec::Lz4
    };
    configured.map_or(usual, |name| Codec::for_config(&name).unwrap_or(usual))
}
