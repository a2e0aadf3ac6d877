//! `/tables/{t}/rebalance`: moves segments to where they should be, a replica at a time.
//!
//! Must not know: how servers load. Invariant: a replica goes only after the one that takes its place answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use common::TableType;
use common::ids::split_type;
use proto::controller_service::{ReplicaState, SegmentStatus};
use serde_json::{Map, Value as Json, json as object};

use super::answer::{flag, table_type};
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json};
use crate::assign::home;
use crate::assign::rebalance::{Placed, rebalanced};
use crate::core::Core;
use crate::error::ControllerError;
use crate::rebalances::Rebalance;
use crate::records::JobRecord;
use crate::state::Change;
use crate::tenancy;

/// How long new replicas may take to come up.
const PATIENCE: Duration = Duration::from_secs(3600);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/tables/{table}/rebalance", post(start).delete(cancel))
        .route("/rebalanceStatus/{job}", get(status))
}

type Target = BTreeMap<String, Vec<String>>;

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
    let id = uuid::Uuid::new_v4().to_string();
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
    if moved && !dry {
        note(&core, &id, &name).await?;
        let weak = Arc::downgrade(&core);
        let (before, after) = (now.clone(), after.clone());
        let total = added(&now, &after);
        let rebalance = Arc::new(Rebalance::new(&name, core.now_ms(), total));
        core.rebalances.put(&id, Arc::clone(&rebalance));
        core.tasks.spawn(async move {
            let Some(core) = weak.upgrade() else { return };
            let (word, text) = match carry_out(&core, &rebalance, &before, &after).await {
                Ok(true) => ("DONE", "the table is balanced".to_owned()),
                Ok(false) => (
                    "CANCELLED",
                    "cancelled; the replicas of before serve".to_owned(),
                ),
                Err(error) => {
                    tracing::warn!(%error, table = name, "a rebalance ended early");
                    ("FAILED", error.to_string())
                }
            };
            rebalance.end(word, text, core.now_ms());
        });
    }
    Ok(json(&form(
        &core,
        &table,
        &id,
        (word, description),
        &now,
        &after,
    )))
}

async fn note(core: &Core, id: &str, table: &str) -> Result<(), ControllerError> {
    let job = JobRecord {
        id: id.to_owned(),
        kind: "TABLE_REBALANCE".to_owned(),
        table: table.to_owned(),
        segments: Vec::new(),
        submitted_ms: core.now_ms(),
        generation: 0,
    };
    core.change(|_| Ok((vec![Change::Job(job)], ()))).await
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

/// Replicas that are to come.
fn added(now: &Target, after: &Target) -> usize {
    let of = |(segment, chosen): (&String, &Vec<String>)| {
        let held = now.get(segment);
        let new = chosen
            .iter()
            .filter(|id| held.is_none_or(|h| !h.contains(id)));
        new.count()
    };
    after.iter().map(of).sum()
}

/// Adds the new replicas, waits for them, drops the old ones; false where it was cancelled, and the replicas of before are left.
async fn carry_out(
    core: &Core,
    rebalance: &Rebalance,
    before: &Target,
    target: &Target,
) -> Result<bool, ControllerError> {
    let table = &rebalance.table;
    set_ideal(core, table, target, true).await?;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let missing = missing(core, table, target);
        rebalance.remaining.store(missing, Ordering::Relaxed);
        if rebalance.is_cancelled() {
            set_ideal(core, table, before, false).await?;
            return Ok(false);
        }
        if missing == 0 {
            break;
        }
        if tokio::time::Instant::now() >= until {
            let why = "new replicas did not come up in time";
            return Err(ControllerError::internal("rebalance", why));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    set_ideal(core, table, target, false).await?;
    Ok(true)
}

/// `DELETE /tables/{t}/rebalance`: ids of the jobs that were told to end.
async fn cancel(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let only = table_type(&parameters, "type")?.or(split_type(&table).1);
    let cancelled: Vec<String> = named(&core, &table, only)
        .iter()
        .flat_map(|name| core.rebalances.cancel_of(name))
        .collect();
    Ok(json(&object!(cancelled)))
}

async fn set_ideal(
    core: &Core,
    table: &str,
    target: &Target,
    keep_old: bool,
) -> Result<(), ControllerError> {
    core.change(|state| {
        let mut changes = Vec::new();
        for (name, chosen) in target {
            let Some(entry) = state.table(table).and_then(|t| t.segments.get(name)) else {
                continue;
            };
            let consuming = entry.record.status == SegmentStatus::InProgress;
            let state = if consuming {
                ReplicaState::Consuming
            } else {
                ReplicaState::Online
            };
            let mut moved = entry.clone();
            if !keep_old {
                moved.ideal.retain(|id, _| chosen.contains(id));
            }
            for id in chosen {
                moved.ideal.entry(id.clone()).or_insert(state);
            }
            if moved.ideal != entry.ideal {
                changes.push(Change::Segment(table.to_owned(), Box::new(moved)));
            }
        }
        Ok((changes, ()))
    })
    .await
}

/// Replicas of a target that do not answer yet.
fn missing(core: &Core, table: &str, target: &Target) -> usize {
    let missing = core.with_table(table, |t| {
        let of = |(name, chosen): (&String, &Vec<String>)| {
            let Some(segment) = t.segments.get(name) else {
                return 0;
            };
            let up = |id: &&String| segment.external.get(*id) != segment.ideal.get(*id);
            chosen.iter().filter(up).count()
        };
        target.iter().map(of).sum()
    });
    missing.unwrap_or(0)
}

/// A rebalance of this process with its figures.
fn progress(core: &Core, rebalance: &Rebalance) -> Json {
    let remaining = rebalance.remaining.load(Ordering::Relaxed);
    let (word, text, end_ms) = rebalance
        .outcome()
        .unwrap_or_else(|| ("IN_PROGRESS", String::new(), core.now_ms()));
    let seconds = end_ms.saturating_sub(rebalance.started_ms) / 1000;
    let percent = remaining as f64 * 100.0 / rebalance.total.max(1) as f64;
    object!({
        "tableRebalanceProgressStats": {
            "status": word,
            "startTimeMs": rebalance.started_ms,
            "completionStatusMsg": text,
            "timeToFinishInSeconds": if word == "IN_PROGRESS" { 0 } else { seconds },
            "rebalanceProgressStatsOverall": {
                "totalSegmentsToBeAdded": rebalance.total,
                "totalRemainingSegmentsToBeAdded": remaining,
                "percentageRemainingSegmentsToBeAdded": percent,
            },
        },
        "timeElapsedSinceStartInSeconds": seconds,
    })
}

async fn status(State(core): Shared, Path(id): Path<String>) -> Answer {
    if let Some(rebalance) = core.rebalances.get(&id) {
        return Ok(json(&progress(&core, &rebalance)));
    }
    let job = core
        .read(|s| s.jobs.get(&id).cloned())
        .filter(|j| j.kind == "TABLE_REBALANCE");
    let job =
        job.ok_or_else(|| Refusal::not_found(format!("Failed to find controller job id: {id}")))?;
    let done = plan(&core, &job.table, true).is_ok_and(|(now, after)| now == after);
    let word = if done { "DONE" } else { "IN_PROGRESS" };
    let seconds = core.now_ms().saturating_sub(job.submitted_ms) / 1000;
    Ok(json(&object!({
        "tableRebalanceProgressStats": {"status": word, "startTimeMs": job.submitted_ms},
        "timeElapsedSinceStartInSeconds": seconds,
    })))
}
