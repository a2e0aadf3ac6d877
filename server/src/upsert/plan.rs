//! What a table's config says of its keys: which columns, what makes a row newer, how rows of one key meet.
//!
//! Must not know: rows. Invariant: a plan exists only for tables with upsert or dedup; everything else of the server asks nothing of the kind.

use std::collections::HashMap;

use common::table_config::comparison_columns;
use common::{DataType, Schema, TableConfig};
use serde_json::Value as Json;

use super::partial::Strategy;

/// A column by name, with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedColumn {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
}

/// How rows of one key meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The newest row counts.
    Full,
    /// The newest row counts, after it took over what it does not say from the row before: strategies by column, and the others'.
    Partial(HashMap<String, Strategy>, Strategy),
    /// The first row stays, later ones are dropped.
    Dedup,
}

/// The settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyPlan {
    pub(crate) mode: Mode,
    pub(crate) key: Vec<NamedColumn>,
    /// What makes a row newer; several: each row has one of them.
    pub(crate) comparison: Vec<NamedColumn>,
    /// True there: the key is deleted.
    pub(crate) delete: Option<NamedColumn>,
    pub(crate) drop_out_of_order: bool,
    pub(crate) out_of_order: Option<String>,
    /// Keys that are so much older than the newest are forgotten, in units of the comparison column; 0 for never.
    pub(crate) metadata_ttl: f64,
    /// Deleted keys alike.
    pub(crate) deleted_ttl: f64,
}

impl KeyPlan {
    /// The plan of a table, where it has upsert or dedup.
    pub(crate) fn new(schema: &Schema, config: &TableConfig) -> Option<Self> {
        let upsert = config
            .upsert_config
            .as_ref()
            .filter(|u| u.get("mode").and_then(Json::as_str) != Some("NONE"));
        let dedup = config
            .dedup_config
            .as_ref()
            .filter(|d| d.get("dedupEnabled") != Some(&Json::Bool(false)));
        let named = |name: &str| {
            schema.field(name).map(|field| NamedColumn {
                name: name.to_owned(),
                data_type: field.data_type,
            })
        };
        let key: Vec<_> = schema
            .primary_key_columns
            .iter()
            .filter_map(|name| named(name))
            .collect();
        if key.is_empty() {
            return None;
        }
        let section = upsert.or(dedup)?;
        let text = |name: &str| section.get(name).and_then(Json::as_str);
        let number = |name: &str| {
            let value = section.get(name);
            value.and_then(Json::as_f64).unwrap_or_default()
        };
        let time = config.segments_config.time_column_name.clone();
        let comparison = if upsert.is_some() {
            comparison_columns(section)
        } else {
            text("dedupTimeColumn")
                .map(str::to_owned)
                .into_iter()
                .collect()
        };
        let comparison: Vec<_> = if comparison.is_empty() {
            time.iter().filter_map(|name| named(name)).collect()
        } else {
            comparison.iter().filter_map(|name| named(name)).collect()
        };
        let mode = match (upsert, text("mode")) {
            (None, _) => Mode::Dedup,
            (_, Some("PARTIAL")) => partial(section),
            _ => Mode::Full,
        };
        Some(Self {
            mode,
            key,
            comparison,
            delete: text("deleteRecordColumn").and_then(named),
            drop_out_of_order: section.get("dropOutOfOrderRecord") == Some(&Json::Bool(true)),
            out_of_order: text("outOfOrderRecordColumn").map(str::to_owned),
            metadata_ttl: number("metadataTTL"),
            deleted_ttl: number("deletedKeysTTL"),
        })
    }

    pub(crate) fn is_dedup(&self) -> bool {
        self.mode == Mode::Dedup
    }
}

fn partial(section: &Json) -> Mode {
    let named = |json: &Json| json.as_str().and_then(Strategy::parse);
    let strategies = section
        .get("partialUpsertStrategies")
        .and_then(Json::as_object);
    let strategies = strategies
        .into_iter()
        .flatten()
        .filter_map(|(column, strategy)| Some((column.clone(), named(strategy)?)))
        .collect();
    let default = section
        .get("defaultPartialUpsertStrategy")
        .and_then(named)
        .unwrap_or(Strategy::Overwrite);
    Mode::Partial(strategies, default)
}
