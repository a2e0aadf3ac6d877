//! What an update of a table config may not change, since stored data depends on it.
//!
//! Must not know: schemas. Invariant: an update that changes nothing of this passes.

use common::TableConfig;
use serde_json::Value as Json;

use super::{Verdict, refuse};

const UPSERT: &[&str] = &[
    "mode",
    "hashFunction",
    "comparisonColumns",
    "deleteRecordColumn",
    "dropOutOfOrderRecord",
    "outOfOrderRecordColumn",
    "partialUpsertStrategies",
    "defaultPartialUpsertStrategy",
];
const DEDUP: &[&str] = &["dedupEnabled", "hashFunction", "dedupTimeColumn"];

/// Checks an update.
pub(crate) fn check(old: &TableConfig, new: &TableConfig) -> Verdict {
    let mut changes = Vec::new();
    section(
        "upsertConfig",
        UPSERT,
        old.upsert_config.as_ref(),
        new.upsert_config.as_ref(),
        &mut changes,
    );
    section(
        "dedupConfig",
        DEDUP,
        old.dedup_config.as_ref(),
        new.dedup_config.as_ref(),
        &mut changes,
    );
    partitions(old, new, &mut changes);
    refuse(!changes.is_empty(), || {
        format!(
            "Cannot modify [{}] as it may lead to data inconsistencies. Please create a new table instead.",
            changes.join(", ")
        )
    })
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

fn section(
    name: &str,
    keys: &[&str],
    old: Option<&Json>,
    new: Option<&Json>,
    changes: &mut Vec<String>,
) {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return,
        (old, new) => {
            let word = |side: Option<&Json>| if side.is_some() { "present" } else { "null" };
            changes.push(format!("{name} ({} -> {})", word(old), word(new)));
            return;
        }
    };
    for key in keys {
        let of = |side: &Json| {
            let value = side.get(*key).filter(|v| !v.is_null()).cloned();
            value.or_else(|| default_of(key))
        };
        let (before, after) = (of(old), of(new));
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
