//! Pinot's table config JSON.
//!
//! Must not know: schemas (rules that need both are the controller's), indexes. Keys that no field names are kept in
//! `extra`, so that a config comes back as it was sent. Invariant: numbers may arrive as text, as Pinot accepts them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

/// OFFLINE or REALTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TableType {
    /// Segments are pushed.
    Offline,
    /// Rows come from a stream.
    Realtime,
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "OFFLINE",
            Self::Realtime => "REALTIME",
        })
    }
}

/// Text from text, number or boolean.
fn lenient_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<Json>::deserialize(deserializer)? {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
    })
}

/// A map of text from a map of scalars.
fn lenient_map<'de, D: Deserializer<'de>>(d: D) -> Result<Option<StreamConfig>, D::Error> {
    Ok(Option::<Map<String, Json>>::deserialize(d)?.map(text_map))
}

fn lenient_maps<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<StreamConfig>, D::Error> {
    Ok(Option::<Vec<Map<String, Json>>>::deserialize(d)?
        .unwrap_or_default()
        .into_iter()
        .map(text_map)
        .collect())
}

fn text_map(map: Map<String, Json>) -> StreamConfig {
    map.into_iter()
        .map(|(key, value)| match value {
            Json::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect()
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// The key-value map of a stream, keys as Pinot spells them (`stream.kafka.topic.name`).
pub type StreamConfig = BTreeMap<String, String>;

/// A table config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableConfig {
    /// Name; after [`TableConfig::normalise`] with its type at the end.
    pub table_name: String,
    /// OFFLINE or REALTIME.
    pub table_type: TableType,
    /// Time column, replication, retention.
    #[serde(default)]
    pub segments_config: SegmentsConfig,
    /// Which brokers and servers.
    #[serde(default)]
    pub tenants: Tenants,
    /// Indexes and storage.
    #[serde(default)]
    pub table_index_config: IndexingConfig,
    /// Indexes per column, the newer form.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub field_config_list: Vec<FieldConfig>,
    /// Streams, transforms, filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingestion_config: Option<IngestionConfig>,
    /// Upsert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upsert_config: Option<Json>,
    /// Dedup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedup_config: Option<Json>,
    /// Query limits of this table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryConfig>,
    /// A table that every server holds whole.
    #[serde(default)]
    pub is_dim_table: bool,
    /// Everything else, as it was sent.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// `segmentsConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentsConfig {
    /// Primary time column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column_name: Option<String>,
    /// Unit of the retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_time_unit: Option<String>,
    /// Number of units after which a segment is deleted.
    #[serde(
        default,
        deserialize_with = "lenient_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub retention_time_value: Option<String>,
    /// Number of replicas.
    #[serde(
        default,
        deserialize_with = "lenient_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub replication: Option<String>,
    /// Number of replicas, older name for REALTIME.
    #[serde(
        default,
        deserialize_with = "lenient_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub replicas_per_partition: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

impl SegmentsConfig {
    /// Replicas of each segment, at least one.
    #[must_use]
    pub fn replicas(&self) -> usize {
        [&self.replication, &self.replicas_per_partition]
            .into_iter()
            .flatten()
            .find_map(|text| text.parse().ok())
            .unwrap_or(1)
            .max(1)
    }
}

/// `tenants`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenants {
    /// Broker tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// Server tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// `tableIndexConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[serde(default)]
pub struct IndexingConfig {
    /// Columns with an inverted index.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub inverted_index_columns: Vec<String>,
    /// Columns with a range index.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub range_index_columns: Vec<String>,
    /// The column that segments are sorted by (at most one).
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub sorted_column: Vec<String>,
    /// Columns with a bloom filter.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub bloom_filter_columns: Vec<String>,
    /// Columns with a JSON index.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub json_index_columns: Vec<String>,
    /// JSON index options by column.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub json_index_configs: Map<String, Json>,
    /// Columns stored raw.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub no_dictionary_columns: Vec<String>,
    /// Codec of raw columns.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub no_dictionary_config: Map<String, Json>,
    /// Null bitmaps for every column.
    pub null_handling_enabled: bool,
    /// Realtime roll-up of metrics by dimensions.
    pub aggregate_metrics: bool,
    /// A star-tree chosen by the server.
    pub enable_default_star_tree: bool,
    /// Star-trees.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub star_tree_index_configs: Vec<StarTreeIndexConfig>,
    /// Partitioned columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_partition_config: Option<Json>,
    /// The older place of the stream map.
    #[serde(
        deserialize_with = "lenient_map",
        skip_serializing_if = "Option::is_none"
    )]
    pub stream_configs: Option<StreamConfig>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// A star-tree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StarTreeIndexConfig {
    /// Dimensions in the order of splitting.
    pub dimensions_split_order: Vec<String>,
    /// Dimensions without a star node.
    #[serde(deserialize_with = "null_as_default")]
    pub skip_star_node_creation_for_dimensions: Vec<String>,
    /// `SUM__column` pairs.
    #[serde(deserialize_with = "null_as_default")]
    pub function_column_pairs: Vec<String>,
    /// The newer form of the pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregation_configs: Option<Json>,
    /// Rows above which a node splits; 10,000 where 0.
    pub max_leaf_records: u32,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// An entry of `fieldConfigList`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldConfig {
    /// Column.
    pub name: String,
    /// DICTIONARY or RAW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_type: Option<String>,
    /// One index, the oldest form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_type: Option<String>,
    /// Indexes, the older form.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub index_types: Vec<String>,
    /// Indexes by id with options, the newer form.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub indexes: Map<String, Json>,
    /// Codec of a raw column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_codec: Option<String>,
    /// Granularities of a timestamp index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_config: Option<Json>,
    /// Options of older indexes.
    #[serde(
        deserialize_with = "lenient_map",
        skip_serializing_if = "Option::is_none"
    )]
    pub properties: Option<StreamConfig>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

impl FieldConfig {
    /// True where the entry asks for an index, in any of the three spellings; `id` as in `indexes` (`inverted`, `h3`).
    #[must_use]
    pub fn asks_for(&self, id: &str) -> bool {
        let enabled = |options: &Json| options.get("disabled") != Some(&Json::Bool(true));
        self.indexes.get(id).is_some_and(enabled)
            || self
                .index_type
                .iter()
                .chain(&self.index_types)
                .any(|name| name.eq_ignore_ascii_case(id))
    }
}

/// `ingestionConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngestionConfig {
    /// Streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_ingestion_config: Option<StreamIngestionConfig>,
    /// How segments are pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_ingestion_config: Option<Json>,
    /// Rows for which this is true are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_config: Option<FilterConfig>,
    /// Derived columns.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub transform_configs: Vec<TransformConfig>,
    /// Flattening and unnesting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complex_type_config: Option<ComplexTypeConfig>,
    /// Ingestion-time roll-up.
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub aggregation_configs: Vec<AggregationConfig>,
    /// A failing transform leaves a null instead of dropping the row.
    pub continue_on_error: bool,
    /// A time out of range becomes null.
    pub row_time_value_check: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// `streamIngestionConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamIngestionConfig {
    /// One map a stream.
    #[serde(deserialize_with = "lenient_maps")]
    pub stream_config_maps: Vec<StreamConfig>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// `filterConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilterConfig {
    /// A scalar expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_function: Option<String>,
}

/// An entry of `transformConfigs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransformConfig {
    /// Column that is made.
    pub column_name: String,
    /// A scalar expression over the record's fields.
    pub transform_function: String,
}

/// `complexTypeConfig`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComplexTypeConfig {
    /// Arrays that become one row an element.
    #[serde(deserialize_with = "null_as_default")]
    pub fields_to_unnest: Vec<String>,
    /// Between the names of nested fields; `.` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// NONE, NON_PRIMITIVE (default) or ALL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_not_unnested_to_json: Option<String>,
    /// Prefixes of flattened names and what they become.
    #[serde(deserialize_with = "null_as_default")]
    pub prefixes_to_rename: BTreeMap<String, String>,
}

/// An entry of `aggregationConfigs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregationConfig {
    /// Column that holds the aggregate.
    pub column_name: String,
    /// `SUM(price)`.
    pub aggregation_function: String,
}

/// `query`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConfig {
    /// Deadline of a query over this table, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

/// Columns that decide which row is newer, as an `upsertConfig` has them in either spelling.
#[must_use]
pub fn comparison_columns(upsert: &Json) -> Vec<String> {
    let listed = upsert.get("comparisonColumns").and_then(Json::as_array);
    let single = upsert.get("comparisonColumn").and_then(Json::as_str);
    match listed {
        Some(list) => list
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        None => single.into_iter().map(str::to_owned).collect(),
    }
}

impl TableConfig {
    /// The raw name, without type.
    #[must_use]
    pub fn raw_name(&self) -> &str {
        crate::ids::split_type(&self.table_name).0
    }

    /// How a column's values are partitioned: function, its settings, number of partitions; `None` where they are not.
    #[must_use]
    pub fn partition_of(&self, column: &str) -> Option<(&str, &Json, u32)> {
        let entry = self
            .table_index_config
            .segment_partition_config
            .as_ref()?
            .get("columnPartitionMap")?
            .get(column)?;
        let count = entry.get("numPartitions")?;
        let count = count
            .as_u64()
            .or_else(|| count.as_str()?.parse().ok())
            .and_then(|n| u32::try_from(n).ok())?;
        Some((
            entry.get("functionName")?.as_str()?,
            entry.get("functionConfig").unwrap_or(&Json::Null),
            count,
        ))
    }

    /// Puts the type at the end of the name.
    pub fn normalise(&mut self) {
        self.table_name = crate::ids::with_type(self.raw_name(), self.table_type);
    }

    /// The streams, from `ingestionConfig` or from the older place.
    #[must_use]
    pub fn streams(&self) -> Vec<&StreamConfig> {
        let newer = self
            .ingestion_config
            .as_ref()
            .and_then(|ingestion| ingestion.stream_ingestion_config.as_ref())
            .map(|streams| streams.stream_config_maps.iter().collect::<Vec<_>>())
            .unwrap_or_default();
        if newer.is_empty() {
            self.table_index_config.stream_configs.iter().collect()
        } else {
            newer
        }
    }

    /// The `fieldConfigList` entry of a column.
    #[must_use]
    pub fn field_config(&self, column: &str) -> Option<&FieldConfig> {
        self.field_config_list
            .iter()
            .find(|config| config.name == column)
    }

    /// True where a column is stored without dictionary, in any spelling.
    #[must_use]
    pub fn is_raw(&self, column: &str) -> bool {
        let index = &self.table_index_config;
        index
            .no_dictionary_columns
            .iter()
            .any(|name| name == column)
            || index.no_dictionary_config.contains_key(column)
            || self.field_config(column).is_some_and(|config| {
                let forward = config
                    .indexes
                    .get("forward")
                    .and_then(|f| f.get("encodingType"));
                let dictionary_off = config
                    .indexes
                    .get("dictionary")
                    .and_then(|d| d.get("disabled"))
                    == Some(&Json::Bool(true));
                let encoding = config
                    .encoding_type
                    .as_deref()
                    .or(forward.and_then(Json::as_str));
                dictionary_off || encoding.is_some_and(|e| e.eq_ignore_ascii_case("RAW"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_come_back() -> Result<(), serde_json::Error> {
        let text = r#"{"tableName":"t","tableType":"REALTIME","segmentsConfig":{"replication":2,"schemaName":"t"},
            "tableIndexConfig":{"loadMode":"MMAP","streamConfigs":{"streamType":"kafka","rows":5}},"metadata":{"a":1}}"#;
        let config: TableConfig = serde_json::from_str(text)?;
        assert_eq!(config.segments_config.replicas(), 2);
        assert_eq!(config.streams()[0]["rows"], "5");
        let json = serde_json::to_value(&config)?;
        assert_eq!(json["metadata"]["a"], 1);
        assert_eq!(json["segmentsConfig"]["schemaName"], "t");
        Ok(())
    }
}
