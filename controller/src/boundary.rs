//! Where the offline side of a hybrid table ends.
//!
//! Must not know: routing. Invariant: the same for both sides; absent without an offline segment that has a time.

use common::time_format::DateTimeFormat;
use common::{FieldSpec, TableConfig};
use serde_json::Value as Json;

use crate::state::State;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The boundary of a raw table name, milliseconds: `time <= boundary` is answered by the offline side.
pub(crate) fn of(state: &State, raw: &str) -> Option<i64> {
    let offline = state.table(&format!("{raw}_OFFLINE"))?;
    state.table(&format!("{raw}_REALTIME"))?;
    if let Some(explicit) = offline.record.explicit_boundary_ms {
        return Some(explicit);
    }
    let hidden = offline.record.hidden();
    let last = offline
        .segments
        .values()
        .filter(|s| !hidden.contains(&s.record.name) && s.record.total_docs > 0)
        .filter_map(|s| s.record.end_time_ms)
        .max()?;
    let config = &offline.record.config;
    let column = config.segments_config.time_column_name.as_deref()?;
    let field = state.schema_of(&offline.record.name)?.field(column)?;
    Some(last.saturating_sub(if hourly(config) && !in_days(field) {
        HOUR_MS
    } else {
        DAY_MS
    }))
}

fn hourly(config: &TableConfig) -> bool {
    let of_ingestion = config
        .ingestion_config
        .as_ref()
        .and_then(|i| i.batch_ingestion_config.as_ref())
        .and_then(|batch| batch.get("segmentIngestionFrequency"));
    let legacy = config.segments_config.extra.get("segmentPushFrequency");
    of_ingestion
        .or(legacy)
        .and_then(Json::as_str)
        .is_some_and(|f| f.eq_ignore_ascii_case("HOURLY"))
}

fn in_days(field: &FieldSpec) -> bool {
    let Some(format) = field.format.as_deref() else {
        return false;
    };
    match format.parse::<DateTimeFormat>() {
        Ok(DateTimeFormat::Epoch { unit, .. }) => unit.name() == "DAYS",
        _ => format.contains("DAYS") && !format.contains("HH"),
    }
}
