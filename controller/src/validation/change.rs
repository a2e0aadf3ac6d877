//! What an update of a table config may not change, since stored data depends on it.
//!
//! Must not know: schemas. Invariant: an update that changes nothing of this passes.

use common::TableConfig;
use common::table_config::comparison_columns;
use serde_json::Value as Json;

use super::{Verdict, refuse};

const UPSERT: &[&str] = &[
    "mode",
    "hashFunction",
    "comparisonColumns",
    "dropOutOfOrderRecord",
    "outOfOrderRecordColumn",
];
const PARTIAL: &[&str] = &["partialUpsertStrategies", "defaultPartialUpsertStrategy"];
const DEDUP: &[&str] = &["hashFunction", "dedupTimeColumn"];

/// Checks an update. Upsert or dedup may begin or end: rows that are there count as they stand.
pub(crate) fn check(old: &TableConfig, new: &TableConfig) -> Verdict {
    let mut changes = Vec::new();
    if let (Some(before), Some(after)) = (upsert_of(old), upsert_of(new)) {
        section("upsertConfig", UPSERT, (before, after), &mut changes);
        if comparison_columns(before).is_empty() {
            time_column(old, new, "comparison column", &mut changes);
        }
        if value(before, "mode") == Some(Json::from("PARTIAL")) {
            section("upsertConfig", PARTIAL, (before, after), &mut changes);
        }
    }
    if let (Some(before), Some(after)) = (dedup_of(old), dedup_of(new)) {
        section("dedupConfig", DEDUP, (before, after), &mut changes);
        if value(before, "dedupTimeColumn").is_none() {
            time_column(old, new, "dedup time column", &mut changes);
        }
    }
    partitions(old, new, &mut changes);
    refuse(!changes.is_empty(), || {
        format!(
            "Cannot modify [{}] as it may lead to data inconsistencies. Please create a new table instead.",
            changes.join(", ")
        )
    })
}

fn upsert_of(config: &TableConfig) -> Option<&Json> {
    let upsert = config.upsert_config.as_ref();
    upsert.filter(|upsert| value(upsert, "mode") != Some(Json::from("NONE")))
}

fn dedup_of(config: &TableConfig) -> Option<&Json> {
    let dedup = config.dedup_config.as_ref();
    dedup.filter(|dedup| value(dedup, "dedupEnabled") != Some(Json::from(false)))
}

fn time_column(old: &TableConfig, new: &TableConfig, used_as: &str, changes: &mut Vec<String>) {
    let of = |c: &TableConfig| c.segments_config.time_column_name.clone();
    let (before, after) = (of(old), of(new));
    if before != after {
        let word = |name: Option<String>| name.unwrap_or_else(|| "null".to_owned());
        changes.push(format!(
            "timeColumnName ({} -> {}) - used as default {used_as}",
            word(before),
            word(after)
        ));
    }
}

fn shown(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "null".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(items)) => {
            let items: Vec<String> = items.iter().map(|i| shown(Some(i))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(other) => other.to_string(),
    }
}

fn default_of(key: &str) -> Option<Json> {
    match key {
        "mode" => Some(Json::from("FULL")),
        "hashFunction" => Some(Json::from("NONE")),
        "dropOutOfOrderRecord" => Some(Json::from(false)),
        "dedupEnabled" => Some(Json::from(true)),
        "defaultPartialUpsertStrategy" => Some(Json::from("OVERWRITE")),
        _ => None,
    }
}

fn value(side: &Json, key: &str) -> Option<Json> {
    let given = side.get(key).filter(|v| !v.is_null()).cloned();
    given.or_else(|| default_of(key))
}

fn section(name: &str, keys: &[&str], (old, new): (&Json, &Json), changes: &mut Vec<String>) {
    for key in keys {
        let (before, after) = (value(old, key), value(new, key));
        if before != after {
            changes.push(format!(
                "{name}.{key} ({} -> {})",
                shown(before.as_ref()),
                shown(after.as_ref())
            ));
        }
    }
}

fn partitions(old: &TableConfig, new: &TableConfig, changes: &mut Vec<String>) {
    if old.upsert_config.is_none() && old.dedup_config.is_none() {
        return;
    }
    let of = |c: &TableConfig| c.table_index_config.segment_partition_config.clone();
    let (before, after) = (of(old), of(new));
    if before.is_some() && before != after {
        changes.push(format!(
            "segmentPartitionConfig ({} -> {})",
            shown(before.as_ref()),
            shown(after.as_ref())
        ));
    }
}
