//! The rules of dimension tables.
//!
//! Must not know: loading. Invariant: a dimension table is OFFLINE, has a key, and is refreshed as a whole.

use common::{Schema, TableConfig, TableType};
use serde_json::Value as Json;

use super::{Verdict, refuse};

/// Checks a dimension table; any other passes.
pub(crate) fn check(config: &TableConfig, schema: &Schema) -> Verdict {
    if !config.is_dim_table {
        return Ok(());
    }
    refuse(config.table_type != TableType::Offline, || {
        "Dimension table must be of OFFLINE table type.".to_owned()
    })?;
    refuse(schema.primary_key_columns.is_empty(), || {
        "Dimension table must have primary key[s]".to_owned()
    })?;
    let batch = config
        .ingestion_config
        .as_ref()
        .and_then(|i| i.batch_ingestion_config.as_ref());
    let Some(batch) = batch else { return Ok(()) };
    let kind = batch
        .get("segmentIngestionType")
        .and_then(Json::as_str)
        .unwrap_or_default();
    refuse(!kind.eq_ignore_ascii_case("REFRESH"), || {
        "Dimension tables must have segment ingestion type REFRESH".to_owned()
    })
}
