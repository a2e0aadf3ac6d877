//! `/debug`: what is wrong with a table or a segment.
//!
//! Must not know: servers' internals. Invariant: a healthy table has empty lists of segments, servers and brokers.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use common::ids::split_type;
use proto::controller_service::ReplicaState;
use serde_json::{Map, Value as Json, json as object};

use super::answer::table_type;
use super::jobs::holder;
use super::table_views::{ingestion_status, servers_of};
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::records::SegmentEntry;
use crate::server_fan_out::{ask_servers, servers_with};
use crate::tenancy;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/debug/tables/{table}", get(table))
        .route("/debug/segments/{table}/{segment}", get(segment))
}

fn segment_info(name: &str, segment: &SegmentEntry) -> Json {
    let servers: Map<String, Json> = segment
        .ideal
        .iter()
        .map(|(id, wanted)| {
            let reached = segment.external.get(id);
            let error = segment.errors.get(id);
            let form = object!({
                "idealState": wanted,
                "externalView": reached,
                "errorInfo": error.map(|e| object!({"errorMessage": e})),
            });
            (id.clone(), form)
        })
        .collect();
    object!({"segmentName": name, "serverState": servers})
}

fn is_ill(segment: &SegmentEntry) -> bool {
    segment.external.values().any(|s| *s == ReplicaState::Error)
        || segment
            .ideal
            .iter()
            .any(|(id, wanted)| segment.external.get(id) != Some(wanted))
}

async fn table(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    if found.is_empty() {
        return Err(Refusal::not_found(format!(
            "No debug information for table: {table}"
        )));
    }
    let mut out = Vec::new();
    for name in found {
        let brokers = core.read(|s| {
            s.table(&name)
                .map(|t| tenancy::brokers(s, &t.record.config).len())
        });
        core.with_table(&name, |t| {
            let ill: Vec<Json> = t
                .segments
                .iter()
                .filter(|(_, s)| is_ill(s))
                .map(|(name, s)| segment_info(name, s))
                .collect();
            let bytes: u64 = t.segments.values().map(|s| s.record.size_bytes).sum();
            let size = if bytes == 0 {
                "-1 bytes".to_owned()
            } else {
                format!("{bytes} bytes")
            };
            out.push(object!({
                "tableName": name,
                "numSegments": t.segments.len(),
                "numServers": servers_of(t).len(),
                "numBrokers": brokers.unwrap_or_default(),
                "segmentDebugInfos": ill,
                "serverDebugInfos": [],
                "brokerDebugInfos": [],
                "tableSize": {"reportedSize": size, "estimatedSize": size},
                "ingestionStatus": ingestion_status(t),
            }));
        });
    }
    for form in &mut out {
        let counts = message_counts(&core, form["tableName"].as_str().unwrap_or_default()).await;
        form["messageCounts"] = counts;
    }
    Ok(json(&Json::Array(out)))
}

/// What became of messages and rows since each server began, summed, and what went wrong last.
async fn message_counts(core: &Core, table: &str) -> Json {
    const COUNTS: [&str; 5] = [
        "rowsConsumed",
        "rowsFiltered",
        "rowsMalformed",
        "rowsIncomplete",
        "tombstones",
    ];
    let servers = servers_with(core, table);
    let mut sums = [0_u64; COUNTS.len()];
    let mut errors = Vec::new();
    for (_, answer) in ask_servers(core, &servers, &format!("/debug/tables/{table}")).await {
        let Ok(answer) = answer else { continue };
        for (sum, name) in sums.iter_mut().zip(COUNTS) {
            *sum += answer[name].as_u64().unwrap_or_default();
        }
        let recent = answer["recentErrors"].as_array();
        errors.extend(recent.into_iter().flatten().cloned());
    }
    let mut out = Map::new();
    for (sum, name) in sums.into_iter().zip(COUNTS) {
        out.insert(name.to_owned(), Json::from(sum));
    }
    out.insert("recentErrors".to_owned(), Json::Array(errors));
    Json::Object(out)
}

async fn segment(State(core): Shared, Path((table, segment)): Path<(String, String)>) -> Answer {
    let name = holder(&core, split_type(&table).0, &segment)?;
    let info = core.with_table(&name, |t| {
        t.segments.get(&segment).map(|s| segment_info(&segment, s))
    });
    Ok(json(&info.flatten().unwrap_or(Json::Null)))
}
