//! What Pinot's table configs ask for that this build does not do: refused by name, never ignored.
//!
//! Must not know: requests. Invariant: a table that is accepted answers what its config promises.

use common::TableConfig;
use serde_json::Value as Json;

/// The first feature of a config that is not there yet.
pub(crate) fn feature(config: &TableConfig) -> Option<&'static str> {
    let text = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_uppercase);
    let upsert = config
        .upsert_config
        .as_ref()
        .is_some_and(|upsert| text(upsert, "mode").as_deref() != Some("NONE"));
    let dedup = config
        .dedup_config
        .as_ref()
        .is_some_and(|dedup| dedup.get("dedupEnabled") != Some(&Json::Bool(false)));
    let aggregates = config
        .ingestion_config
        .as_ref()
        .is_some_and(|ingestion| !ingestion.aggregation_configs.is_empty());
    if upsert {
        Some("upsert (upsertConfig)")
    } else if dedup {
        Some("dedup (dedupConfig)")
    } else if aggregates || config.table_index_config.aggregate_metrics {
        Some("aggregation while ingesting (aggregationConfigs, aggregateMetrics)")
    } else {
        None
    }
}
