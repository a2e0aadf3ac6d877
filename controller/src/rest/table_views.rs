//! What is known of a table's replicas, instances and health.
//!
//! Must not know: how they come about. Invariant: a side that a table has not is `null` where Pinot writes it.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use common::TableType;
use common::ids::{split_type, with_type};
use proto::controller_service::{ReplicaState, Replicas};
use serde_json::{Map, Value as Json, json as object};

use super::answer::table_type;
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::records::SegmentEntry;
use crate::state::TableEntry;
use crate::tenancy;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tables/{table}/idealstate", get(ideal))
        .route("/tables/{table}/externalview", get(external))
        .route("/tables/{table}/segmentsStatus", get(segments_status))
        .route("/tables/{table}/instances", get(instances))
        .route("/tables/{table}/livebrokers", get(live_brokers))
        .route("/tables/{table}/stats", get(stats))
        .route("/tables/{table}/status", get(status))
}

/// The refusal for a table that is not there.
pub(crate) fn unknown(table: &str) -> Refusal {
    Refusal::not_found(format!("Table {table} does not exist"))
}

async fn ideal(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    replicas(&core, &table, &parameters, |s| &s.ideal)
}

async fn external(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    replicas(&core, &table, &parameters, |s| &s.external)
}

fn replicas(
    core: &Core,
    table: &str,
    parameters: &Parameters,
    of: impl Fn(&SegmentEntry) -> &Replicas,
) -> Answer {
    let only = match table_type(parameters, "tableType")? {
        Some(only) => Some(only),
        None => split_type(table).1,
    };
    let chosen: Option<BTreeSet<&str>> = parameters
        .get("segmentNames")
        .filter(|names| !names.is_empty())
        .map(|names| names.split(',').map(str::trim).collect());
    let raw = split_type(table).0;
    let mut found = false;
    let mut out = Map::new();
    for side in [TableType::Offline, TableType::Realtime] {
        let wanted = only.is_none_or(|only| only == side);
        let view = core.with_table(&with_type(raw, side), |t| {
            let shown: Map<String, Json> = t
                .segments
                .iter()
                .filter(|(name, _)| chosen.as_ref().is_none_or(|c| c.contains(name.as_str())))
                .filter(|(_, s)| !of(s).is_empty())
                .map(|(name, s)| (name.clone(), object!(of(s))))
                .collect();
            Json::Object(shown)
        });
        let view = view.filter(|_| wanted);
        found |= view.is_some();
        out.insert(side.to_string(), view.unwrap_or(Json::Null));
    }
    if !found {
        return Err(unknown(table));
    }
    Ok(json(&Json::Object(out)))
}

/// GOOD where every wanted replica is there, BAD where one failed.
fn health_of(segment: &SegmentEntry) -> &'static str {
    let reached = segment
        .ideal
        .iter()
        .all(|(id, wanted)| segment.external.get(id) == Some(wanted));
    let failed = segment.external.values().any(|s| *s == ReplicaState::Error);
    match (failed, reached) {
        (true, _) => "BAD",
        (false, true) => "GOOD",
        (false, false) => "UPDATING",
    }
}

async fn segments_status(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "tableType")?);
    if found.is_empty() {
        return Err(unknown(&table));
    }
    let mut all = Vec::new();
    for name in found {
        core.with_table(&name, |t| {
            for (name, segment) in &t.segments {
                all.push(object!({"segmentName": name, "segmentStatus": health_of(segment)}));
            }
        });
    }
    Ok(json(&Json::Array(all)))
}

/// Servers that hold or are to hold a segment.
pub(crate) fn servers_of(table: &TableEntry) -> BTreeSet<String> {
    table
        .segments
        .values()
        .flat_map(|s| s.ideal.keys().cloned())
        .collect()
}

async fn instances(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    if found.is_empty() {
        return Err(Refusal::not_found(format!("Table {table} not found")));
    }
    let (mut brokers, mut servers) = (Vec::new(), Vec::new());
    for name in &found {
        let side = split_type(name)
            .1
            .map(|t| t.to_string().to_lowercase())
            .unwrap_or_default();
        core.read(|state| {
            let Some(entry) = state.table(name) else {
                return;
            };
            let config = &entry.record.config;
            let all = tenancy::servers(state, config, tenancy::Use::Consuming).unwrap_or_default();
            brokers
                .push(object!({"tableType": side, "instances": tenancy::brokers(state, config)}));
            servers.push(object!({"tableType": side, "instances": all}));
        });
    }
    Ok(json(&object!({
        "tableName": split_type(&table).0,
        "brokers": brokers,
        "server": servers,
    })))
}

async fn live_brokers(State(core): Shared, Path(table): Path<String>) -> Answer {
    let found = named(&core, &table, None);
    let Some(name) = found.first() else {
        return Err(Refusal::not_found(format!("Table '{table}' not found.")));
    };
    let brokers = core.read(|state| {
        state
            .table(name)
            .map(|t| tenancy::brokers(state, &t.record.config))
    });
    Ok(json(&object!(brokers.unwrap_or_default())))
}

async fn stats(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let mut out = Map::new();
    for name in named(&core, &table, table_type(&parameters, "type")?) {
        let created = core
            .with_table(&name, |t| t.record.created_ms)
            .unwrap_or_default();
        let created = chrono::DateTime::from_timestamp_millis(created).unwrap_or_default();
        let side = split_type(&name)
            .1
            .map(|t| t.to_string())
            .unwrap_or_default();
        let text = created.format("%Y%m%dT%H%M%SZ").to_string();
        out.insert(side, object!({"creationTime": text}));
    }
    if out.is_empty() {
        return Err(unknown(&table));
    }
    Ok(json(&Json::Object(out)))
}

/// HEALTHY, or UNHEALTHY with the reason.
pub(crate) fn ingestion_status(table: &TableEntry) -> Json {
    let failed = table.segments.values().find_map(|s| {
        let ill = s
            .external
            .values()
            .any(|state| *state == ReplicaState::Error);
        ill.then(|| {
            s.errors
                .values()
                .next()
                .cloned()
                .unwrap_or_else(|| "segment in error state".to_owned())
        })
    });
    let error = table.record.ingestion_error.clone().or(failed);
    let state = if error.is_some() {
        "UNHEALTHY"
    } else {
        "HEALTHY"
    };
    object!({"ingestionState": state, "errorMessage": error.unwrap_or_default()})
}

async fn status(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let only = table_type(&parameters, "type")?;
    let realtime = named(&core, &table, only.or(Some(TableType::Realtime)));
    let name = realtime.first().ok_or_else(|| unknown(&table))?;
    if split_type(name).1 == Some(TableType::Offline) {
        return Err(Refusal::invalid(
            "Table Status is not supported for OFFLINE table type".to_owned(),
        ));
    }
    let status = core
        .with_table(name, ingestion_status)
        .ok_or_else(|| unknown(&table))?;
    Ok(json(&object!({"ingestionStatus": status})))
}
