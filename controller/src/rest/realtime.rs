//! Pause, resume, forced commits, and what consuming segments are doing.
//!
//! Must not know: the completion protocol. Invariant: a name is taken as the realtime side of its table.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use common::TableType;
use common::ids::{split_type, with_type};
use proto::controller_service::SegmentStatus;
use serde_json::{Map, Value as Json, json as object};

use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::realtime::{self, From};
use crate::server_fan_out::{ask_servers, servers_with_consuming};
use crate::state::TableEntry;

const BEING_PAUSED: &str = "Pause flag is set. Consuming segments are being committed. Use /pauseStatus endpoint in a few moments to check if all consuming segments have been committed.";
const BEING_RESUMED: &str = "Pause flag is cleared. Consuming segments are being created. Use /pauseStatus endpoint in a few moments to double check.";

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tables/{table}/pauseConsumption", post(pause))
        .route("/tables/{table}/resumeConsumption", post(resume))
        .route("/tables/{table}/pauseStatus", get(pause_status))
        .route("/tables/{table}/forceCommit", post(force_commit))
        .route("/tables/forceCommitStatus/{job}", get(force_commit_status))
        .route("/tables/{table}/consumingSegmentsInfo", get(consuming_info))
        .route("/tables/{table}/consumerWatermarks", get(watermarks))
}

/// The realtime side of a table.
fn side(core: &Core, table: &str) -> Result<String, Refusal> {
    let name = with_type(split_type(table).0, TableType::Realtime);
    match core.with_table(&name, |_| ()) {
        Some(()) => Ok(name),
        None => Err(Refusal::not_found(format!("Table {name} not found!"))),
    }
}

/// Commits before their time may make the replicas of such a table differ.
fn refuse_forced(core: &Core, name: &str) -> Result<(), Refusal> {
    let delicate = core.with_table(name, |t| realtime::is_delicate(&t.record));
    if delicate == Some(true) {
        return Err(Refusal::new(
            500,
            format!(
                "Force commit disabled for table: {name}. Table is configured as partial upsert or dropOutOfOrderRecord=true with replication > 1, which can cause data inconsistency during force commit."
            ),
        ));
    }
    Ok(())
}

fn timestamp(at_ms: Option<i64>) -> String {
    at_ms
        .and_then(chrono::DateTime::from_timestamp_millis)
        .map_or_else(String::new, |at| {
            at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
        })
}

fn paused_form(table: &TableEntry, consuming: &[String], comment: &str) -> Json {
    let pause = &table.record.pause;
    object!({
        "pauseFlag": pause.paused,
        "consumingSegments": consuming,
        "reasonCode": "ADMINISTRATIVE",
        "comment": pause.comment.as_deref().unwrap_or(comment),
        "timestamp": timestamp(pause.at_ms),
    })
}

async fn pause(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let name = side(&core, &table)?;
    refuse_forced(&core, &name)?;
    let consuming = realtime::pause(&core, &name, parameters.get("comment").cloned()).await?;
    let form = core.with_table(&name, |t| paused_form(t, &consuming, BEING_PAUSED));
    Ok(json(&form.unwrap_or(Json::Null)))
}

async fn resume(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let name = side(&core, &table)?;
    let from = match parameters
        .get("consumeFrom")
        .map(|f| f.to_ascii_lowercase())
        .as_deref()
    {
        None | Some("" | "lastconsumed") => From::LastConsumed,
        Some("smallest") => From::Smallest,
        Some("largest") => From::Largest,
        Some(other) => {
            return Err(Refusal::invalid(format!(
                "consumeFrom param '{other}' is not valid. Valid values are: lastConsumed, smallest, largest"
            )));
        }
    };
    realtime::resume(&core, &name, parameters.get("comment").cloned(), from).await?;
    let form = core.with_table(&name, |t| paused_form(t, &t.consuming(), BEING_RESUMED));
    Ok(json(&form.unwrap_or(Json::Null)))
}

async fn pause_status(State(core): Shared, Path(table): Path<String>) -> Answer {
    let name = side(&core, &table)?;
    let form = core.with_table(&name, |t| {
        let comment = if t.record.pause.paused {
            "Table is paused."
        } else {
            "Table is unpaused."
        };
        paused_form(t, &t.consuming(), comment)
    });
    Ok(json(&form.unwrap_or(Json::Null)))
}

async fn force_commit(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let name = side(&core, &table)?;
    refuse_forced(&core, &name)?;
    let list = |key: &str| -> Option<Vec<String>> {
        let text = parameters.get(key).filter(|t| !t.is_empty())?;
        Some(text.split(',').map(|t| t.trim().to_owned()).collect())
    };
    let (partitions, segments) = (list("partitions"), list("segments"));
    if partitions.is_some() && segments.is_some() {
        return Err(Refusal::invalid(
            "Cannot specify both partitions and segments to commit",
        ));
    }
    let job = realtime::force_commit(&core, &name, |segment, partition| {
        let of_partition = |p: &Vec<String>| p.contains(&partition.to_string());
        let of_segment = |s: &Vec<String>| s.iter().any(|s| s == segment);
        partitions.as_ref().is_none_or(of_partition) && segments.as_ref().is_none_or(of_segment)
    })
    .await?;
    Ok(json(&object!({
        "forceCommitJobId": job.id,
        "forceCommitStatus": "SUCCESS",
        "jobMetaZKWriteStatus": "SUCCESS",
    })))
}

async fn force_commit_status(State(core): Shared, Path(id): Path<String>) -> Answer {
    let job = core.read(|s| s.jobs.get(&id).cloned());
    let job =
        job.ok_or_else(|| Refusal::not_found(format!("Failed to find controller job id: {id}")))?;
    let left: Vec<String> = core
        .with_table(&job.table, |t| {
            let waits = |name: &&String| {
                t.segments
                    .get(*name)
                    .is_some_and(|s| s.record.status == SegmentStatus::InProgress)
            };
            job.segments.iter().filter(waits).cloned().collect()
        })
        .unwrap_or_default();
    Ok(json(&object!({
        "jobId": job.id,
        "jobType": job.kind,
        "tableName": job.table,
        "submissionTimeMs": job.submitted_ms.to_string(),
        "segmentsForceCommitted": object!(job.segments).to_string(),
        "numberOfSegmentsYetToBeCommitted": left.len(),
        "segmentsYetToBeCommitted": left,
    })))
}

async fn consuming_info(State(core): Shared, Path(table): Path<String>) -> Answer {
    let raw = split_type(&table).0;
    let name = with_type(raw, TableType::Realtime);
    let Some(consuming) = core.with_table(&name, TableEntry::consuming) else {
        return Err(Refusal::new(
            500,
            format!(
                "Failed to get consuming segments info for table {raw}. Ideal state does not exist for table: {name}"
            ),
        ));
    };
    let servers = servers_with_consuming(&core, &name);
    let answers = ask_servers(
        &core,
        &servers,
        &format!("/tables/{name}/consumingSegmentsInfo"),
    )
    .await;
    let mut failing = 0;
    let mut infos: Map<String, Json> = consuming.iter().map(|s| (s.clone(), object!([]))).collect();
    for (server, answer) in answers {
        let Ok(Json::Array(items)) = answer else {
            failing += 1;
            continue;
        };
        for item in items {
            let segment = item
                .get("segmentName")
                .and_then(Json::as_str)
                .unwrap_or_default();
            if let Some(Json::Array(of_segment)) = infos.get_mut(segment) {
                of_segment.push(renamed(&server, &item));
            }
        }
    }
    Ok(json(&object!({
        "serversFailingToRespond": failing,
        "serversUnparsableRespond": 0,
        "_segmentToConsumingInfoMap": infos,
    })))
}

/// A server's words for a consuming segment in the controller's words.
fn renamed(server: &str, item: &Json) -> Json {
    let of = |key: &str| item.get(key).cloned().unwrap_or(Json::Null);
    let offsets = item
        .get("partitionOffsetInfo")
        .cloned()
        .unwrap_or(Json::Null);
    let offset = |key: &str| offsets.get(key).cloned().unwrap_or_else(|| object!({}));
    object!({
        "serverName": server,
        "consumerState": of("consumerState"),
        "lastConsumedTimestamp": of("lastConsumedTimestamp"),
        "partitionToOffsetMap": of("partitionToOffsetMap"),
        "partitionOffsetInfo": {
            "currentOffsetsMap": offset("currentOffsets"),
            "latestUpstreamOffsetMap": offset("latestUpstreamOffsets"),
            "recordsLagMap": offset("recordsLag"),
            "availabilityLagMsMap": offset("availabilityLagMs"),
        },
    })
}

async fn watermarks(State(core): Shared, Path(table): Path<String>) -> Answer {
    let name = side(&core, &table)?;
    let marks: Vec<Json> = core
        .with_table(&name, |t| {
            let consuming = t.segments.values().filter(|s| s.record.status == SegmentStatus::InProgress);
            let marks = consuming.map(|s| {
                object!({
                    "partitionGroupId": s.record.partition,
                    "sequenceNumber": s.record.sequence,
                    "startOffset": s.record.start_offset.as_deref().and_then(|o| o.parse::<i64>().ok()),
                })
            });
            marks.collect()
        })
        .unwrap_or_default();
    Ok(json(&object!({"watermarks": marks})))
}
