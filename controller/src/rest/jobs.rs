//! Reload and reset of segments, and the jobs that tell how far a reload is.
//!
//! Must not know: how a server reloads. Invariant: a job counts as many segments as it had to reload when it was submitted.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use proto::controller_service::SegmentStatus;
use serde_json::{Map, Value as Json, json as object};

use super::answer::table_type;
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::records::JobRecord;
use crate::server_fan_out::{ask_servers, servers_with};
use crate::state::Change;
use crate::{rows, tables};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/segments/{table}/reload", post(reload_all))
        .route("/segments/{table}/{segment}/reload", post(reload_one))
        .route("/segments/{table}/reset", post(reset_all))
        .route("/segments/{table}/{segment}/reset", post(reset_one))
        .route("/segments/segmentReloadStatus/{job}", get(reload_status))
        .route("/segments/{table}/needReload", get(need_reload))
        .route("/table/{table}/jobs", get(jobs))
}

fn unknown(table: &str) -> Refusal {
    Refusal::not_found(format!("Table '{table}' not found."))
}

/// Asks for a reload and notes the job.
async fn submit(
    core: &Core,
    table: &str,
    segments: Vec<String>,
) -> Result<(JobRecord, usize), Refusal> {
    let generation = tables::reload(core, table).await?;
    let now_ms = core.now_ms();
    let servers = servers_with(core, table).len();
    let job = JobRecord {
        id: uuid::Uuid::new_v4().to_string(),
        kind: "RELOAD_SEGMENT".to_owned(),
        table: table.to_owned(),
        segments,
        submitted_ms: now_ms,
        generation,
        rebalance: None,
    };
    let noted = job.clone();
    core.change(|_| Ok((vec![Change::Job(noted)], ()))).await?;
    Ok((job, servers))
}

async fn reload_all(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    if found.is_empty() {
        return Err(unknown(&table));
    }
    let mut out = Map::new();
    for name in found {
        let segments: Vec<String> = core
            .with_table(&name, |t| t.segments.keys().cloned().collect())
            .unwrap_or_default();
        let (job, servers) = submit(&core, &name, segments).await?;
        let told = object!({
            "reloadJobId": job.id,
            "reloadJobMetaZKStorageStatus": "SUCCESS",
            "numMessagesSent": servers.to_string(),
        });
        out.insert(name, told);
    }
    Ok(status(Json::Object(out).to_string()))
}

/// The side of a table that has a segment.
pub(crate) fn holder(core: &Core, table: &str, segment: &str) -> Result<String, Refusal> {
    let found = named(core, table, None);
    let has =
        |name: &&String| core.with_table(name, |t| t.segments.contains_key(segment)) == Some(true);
    let missing = || {
        Refusal::not_found(format!(
            "Failed to find segment: {segment} in table: {table}"
        ))
    };
    found.iter().find(has).cloned().ok_or_else(missing)
}

async fn reload_one(State(core): Shared, Path((table, segment)): Path<(String, String)>) -> Answer {
    let name = holder(&core, &table, &segment)?;
    let (job, servers) = submit(&core, &name, vec![segment]).await?;
    Ok(status(format!(
        "Submitted reload job id: {}, sent {servers} reload messages. Job meta ZK storage status: SUCCESS",
        job.id
    )))
}

async fn reload_status(State(core): Shared, Path(id): Path<String>) -> Answer {
    let job = core.read(|s| s.jobs.get(&id).cloned());
    let job =
        job.ok_or_else(|| Refusal::not_found(format!("Failed to find controller job id: {id}")))?;
    // Segments that went, or that were taking rows, have nothing left to reload.
    let to_do: BTreeSet<String> = core
        .with_table(&job.table, |t| {
            let sealed = |name: &&String| {
                t.segments
                    .get(*name)
                    .is_some_and(|s| s.record.status != SegmentStatus::InProgress)
            };
            job.segments.iter().filter(sealed).cloned().collect()
        })
        .unwrap_or_default();
    let servers = servers_with(&core, &job.table);
    let path = format!(
        "/controllerJob/reloadStatus/{}?generation={}",
        job.table, job.generation
    );
    let answers = ask_servers(&core, &servers, &path).await;
    let (answered, silent): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, a)| a.is_ok());
    // A server that keeps no count of reloads is done once nothing is left to reload.
    let silent = silent.into_iter().map(|(id, _)| id).collect();
    let path = format!("/tables/{}/segments/needReload", job.table);
    let silent = ask_servers(&core, &silent, &path).await;
    let failed = silent.iter().filter(|(_, answer)| answer.is_err()).count();
    let says = |answer: &Result<Json, String>, key: &str, value: bool| {
        answer
            .as_ref()
            .is_ok_and(|a| a.get(key) == Some(&Json::Bool(value)))
    };
    let total = servers.len();
    let done = answered
        .iter()
        .filter(|(_, a)| !says(a, "done", false))
        .count()
        + silent
            .iter()
            .filter(|(_, a)| says(a, "needReload", false))
            .count();
    let behind = total.saturating_sub(done);
    let total_count = job.segments.len().max(to_do.len());
    let done = if behind == 0 { total_count } else { 0 };
    let minutes = core.now_ms().saturating_sub(job.submitted_ms) / 60_000;
    Ok(json(&object!({
        "totalSegmentCount": total_count,
        "successCount": done,
        "failureCount": 0,
        "totalServersQueried": total,
        "totalServerCallsFailed": failed,
        "timeElapsedInMinutes": minutes,
        "estimatedTimeRemainingInMinutes": if behind == 0 { 0 } else { -1 },
        "metadata": {
            "jobId": job.id,
            "jobType": job.kind,
            "tableName": job.table,
            "submissionTimeMs": job.submitted_ms.to_string(),
            "messageCount": total.to_string(),
        },
    })))
}

async fn need_reload(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let found = named(&core, &table, None);
    if found.is_empty() {
        return Err(unknown(&table));
    }
    let verbose = super::answer::flag(&parameters, "verbose", false);
    let mut needed = false;
    let mut by_server = Map::new();
    for name in found {
        let servers = servers_with(&core, &name);
        let path = format!("/tables/{name}/segments/needReload");
        for (server, answer) in ask_servers(&core, &servers, &path).await {
            let Ok(answer) = answer else { continue };
            needed |= answer.get("needReload") == Some(&Json::Bool(true));
            by_server.insert(server, answer);
        }
    }
    let shown = if verbose {
        Json::Object(by_server)
    } else {
        object!({})
    };
    Ok(json(
        &object!({"needReload": needed, "serverToSegmentsCheckReloadList": shown}),
    ))
}

/// Forgets what replicas reported of some segments, so that servers bring them up again.
async fn reset(core: &Core, table: &str, only: Option<&str>) -> Result<usize, Refusal> {
    let count = core
        .change(|state| {
            let mut changes = Vec::new();
            let segments = state
                .table(table)
                .into_iter()
                .flat_map(|t| t.segments.values());
            for segment in segments.filter(|s| only.is_none_or(|only| s.record.name == only)) {
                let mut again = segment.clone();
                again.external.clear();
                again.errors.clear();
                changes.push(Change::Segment(table.to_owned(), Box::new(again)));
            }
            let count = changes.len();
            Ok((changes, count))
        })
        .await?;
    tables::reload(core, table).await?;
    Ok(count)
}

async fn reset_all(State(core): Shared, Path(table): Path<String>) -> Answer {
    let found = named(&core, &table, None);
    if found.is_empty() {
        return Err(unknown(&table));
    }
    for name in &found {
        reset(&core, name, None).await?;
    }
    Ok(status(format!(
        "Successfully reset segments of table: {table}"
    )))
}

async fn reset_one(State(core): Shared, Path((table, segment)): Path<(String, String)>) -> Answer {
    let name = holder(&core, &table, &segment)?;
    reset(&core, &name, Some(&segment)).await?;
    Ok(status(format!(
        "Successfully reset segment: {segment} of table: {table}"
    )))
}

async fn jobs(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    let jobs: Map<String, Json> = core.read(|s| {
        let of_table = s
            .jobs
            .values()
            .filter(|j| j.kind != rows::KIND && found.contains(&j.table));
        of_table
            .map(|j| {
                let form = object!({
                    "jobId": j.id,
                    "jobType": j.kind,
                    "tableName": j.table,
                    "submissionTimeMs": j.submitted_ms.to_string(),
                });
                (j.id.clone(), form)
            })
            .collect()
    });
    Ok(json(&Json::Object(jobs)))
}
