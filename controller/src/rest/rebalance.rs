//! `/tables/{t}/rebalance`: moves segments to where they should be, a replica at a time.
//!
//! Must not know: how servers load, how a rebalance is carried on. Invariant: what is shown of a rebalance is what the state says, on every
//! controller.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use common::TableType;
use common::ids::split_type;
use proto::controller_service::SegmentStatus;
use serde_json::{Map, Value as Json, json as object};

use super::answer::{flag, table_type};
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json};
use crate::assign::home;
use crate::assign::rebalance::{Placed, rebalanced};
use crate::core::Core;
use crate::rebalances::{self, Target};
use crate::records::{JobRecord, RebalanceRecord};
use crate::tenancy;

pub(crate) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/tables/{table}/rebalance", post(start).delete(cancel))
        .route("/rebalanceStatus/{job}", get(status))
}

/// Servers of each segment now and after.
fn plan(core: &Core, name: &str, with_consuming: bool) -> Result<(Target, Target), Refusal> {
    core.read(|state| {
        let entry = state
            .table(name)
            .ok_or_else(|| Refusal::not_found(format!("Table '{name}' not found.")))?;
        let config = &entry.record.config;
        let servers =
            tenancy::servers(state, config, tenancy::Use::Sealed).map_err(Refusal::invalid)?;
        let segments: Vec<Placed> = entry
            .segments
            .values()
            .filter(|s| with_consuming || s.record.status != SegmentStatus::InProgress)
            .map(|s| Placed {
                name: s.record.name.clone(),
                partition: home(config, &s.record),
                servers: s.ideal.keys().cloned().collect(),
            })
            .collect();
        let now = segments
            .iter()
            .map(|s| (s.name.clone(), s.servers.clone()))
            .collect();
        let mut after = rebalanced(&segments, &servers, config.segments_config.replicas());
        if config.is_dim_table {
            after
                .values_mut()
                .for_each(|chosen| chosen.clone_from(&servers));
        }
        after.values_mut().for_each(|chosen| chosen.sort());
        Ok((now, after))
    })
}

async fn start(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let only = table_type(&parameters, "type")?.or(split_type(&table).1);
    let only = only.ok_or_else(|| Refusal::invalid("Table type must be given in `type`"))?;
    let found = named(&core, &table, Some(only));
    let name = found
        .first()
        .ok_or_else(|| Refusal::not_found(format!("Table '{table}' not found.")))?
        .clone();
    let (now, after) = plan(&core, &name, flag(&parameters, "includeConsuming", true))?;
    let moved = now != after;
    let dry = flag(&parameters, "dryRun", false);
    let (word, description) = match (moved, dry) {
        (false, _) => ("NO_OP", "Table is already balanced"),
        (true, true) => ("DONE", "Dry-run mode"),
        (true, false) => (
            "IN_PROGRESS",
            "In progress, check controller logs for updates",
        ),
    };
    let id = if moved && !dry {
        rebalances::begin(&core, &name, &now, &after).await?
    } else {
        uuid::Uuid::new_v4().to_string()
    };
    Ok(json(&form(
        &core,
        &table,
        &id,
        (word, description),
        &now,
        &after,
    )))
}

fn form(
    core: &Core,
    table: &str,
    id: &str,
    (word, description): (&str, &str),
    now: &Target,
    after: &Target,
) -> Json {
    let servers = |t: &Target| -> BTreeSet<String> { t.values().flatten().cloned().collect() };
    let (before_set, after_set) = (servers(now), servers(after));
    let moves = after.iter().map(|(segment, chosen)| {
        let held = now.get(segment);
        chosen
            .iter()
            .filter(|id| held.is_none_or(|h| !h.contains(id)))
            .count()
    });
    let moves: usize = moves.sum();
    let difference = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).cloned().collect()
    };
    let assignment: Map<String, Json> = after
        .iter()
        .map(|(segment, chosen)| {
            let replicas: Map<String, Json> = chosen
                .iter()
                .map(|id| (id.clone(), Json::from(wanted(core, table, segment))))
                .collect();
            (segment.clone(), Json::Object(replicas))
        })
        .collect();
    object!({
        "jobId": id,
        "status": word,
        "description": description,
        "rebalanceSummaryResult": {
            "serverInfo": {
                "numServersGettingNewSegments": difference(&after_set, &before_set).len(),
                "numServers": {"valueBeforeRebalance": before_set.len(), "expectedValueAfterRebalance": after_set.len()},
                "serversAdded": difference(&after_set, &before_set),
                "serversRemoved": difference(&before_set, &after_set),
                "serversUnchanged": before_set.intersection(&after_set).collect::<Vec<_>>(),
            },
            "segmentInfo": {
                "totalSegmentsToBeMoved": moves,
                "numSegmentsInSingleReplica": {"valueBeforeRebalance": now.len(), "expectedValueAfterRebalance": after.len()},
            },
        },
        "segmentAssignment": assignment,
    })
}

/// The state that a replica of a segment is to have.
fn wanted(core: &Core, table: &str, segment: &str) -> &'static str {
    let consuming = named(core, table, Some(TableType::Realtime))
        .first()
        .and_then(|name| {
            core.with_table(name, |t| {
                t.segments
                    .get(segment)
                    .is_some_and(|s| s.record.status == SegmentStatus::InProgress)
            })
        });
    if consuming == Some(true) {
        "CONSUMING"
    } else {
        "ONLINE"
    }
}

/// `DELETE /tables/{t}/rebalance`: ids of the jobs that were told to end.
async fn cancel(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let only = table_type(&parameters, "type")?.or(split_type(&table).1);
    let mut cancelled = Vec::new();
    for name in named(&core, &table, only) {
        cancelled.extend(rebalances::cancel(&core, &name).await?);
    }
    Ok(json(&object!(cancelled)))
}

/// How far a rebalance is.
fn progress(core: &Core, job: &JobRecord, record: &RebalanceRecord) -> Json {
    let (word, text, end_ms) = match &record.ended {
        Some((word, text, end_ms)) => (word.as_str(), text.clone(), *end_ms),
        None if record.resumed == 0 => ("IN_PROGRESS", String::new(), core.now_ms()),
        None => {
            let text = format!("goes on at {}, which did not begin it", record.by);
            ("IN_PROGRESS", text, core.now_ms())
        }
    };
    let remaining = match record.ended {
        Some(_) => record.remaining,
        None => rebalances::remaining(core, job).unwrap_or_default(),
    };
    let seconds = end_ms.saturating_sub(job.submitted_ms) / 1000;
    let percent = remaining as f64 * 100.0 / record.total.max(1) as f64;
    object!({
        "tableRebalanceProgressStats": {
            "status": word,
            "startTimeMs": job.submitted_ms,
            "completionStatusMsg": text,
            "timeToFinishInSeconds": if word == "IN_PROGRESS" { 0 } else { seconds },
            "controller": record.by,
            "timesResumed": record.resumed,
            "rebalanceProgressStatsOverall": {
                "totalSegmentsToBeAdded": record.total,
                "totalRemainingSegmentsToBeAdded": remaining,
                "percentageRemainingSegmentsToBeAdded": percent,
            },
        },
        "timeElapsedSinceStartInSeconds": seconds,
    })
}

async fn status(State(core): Shared, Path(id): Path<String>) -> Answer {
    let job = core
        .read(|s| s.jobs.get(&id).cloned())
        .filter(|j| j.kind == rebalances::KIND);
    let job =
        job.ok_or_else(|| Refusal::not_found(format!("Failed to find controller job id: {id}")))?;
    if let Some(record) = &job.rebalance {
        return Ok(json(&progress(&core, &job, record)));
    }
    // Noted by a version that kept no more of it.
    let done = plan(&core, &job.table, true).is_ok_and(|(now, after)| now == after);
    let word = if done { "DONE" } else { "IN_PROGRESS" };
    let seconds = core.now_ms().saturating_sub(job.submitted_ms) / 1000;
    Ok(json(&object!({
        "tableRebalanceProgressStats": {"status": word, "startTimeMs": job.submitted_ms},
        "timeElapsedSinceStartInSeconds": seconds,
    })))
}
