//! Rebalances: begun, carried on step by step, ended. All of it is in the state, so that whoever leads goes on.
//!
//! Must not know: HTTP, how servers load. Invariants: a replica goes only after the one that takes its place answers; a table has one
//! rebalance at a time; what begins a rebalance is one change, and what ends it another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::controller_service::{ReplicaState, SegmentStatus};
use tokio::time::Instant;

use crate::core::Core;
use crate::error::ControllerError;
use crate::records::{JobRecord, Moving, RebalanceRecord, SegmentEntry};
use crate::state::{Change, State};

/// The kind of their jobs.
pub(crate) const KIND: &str = "TABLE_REBALANCE";
/// How long new replicas may take to come up.
const PATIENCE: Duration = Duration::from_secs(3600);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Servers of each segment.
pub(crate) type Target = BTreeMap<String, Vec<String>>;

/// Rebalances that this process carries on, and since when.
#[derive(Default)]
pub(crate) struct Rebalances(Mutex<BTreeMap<String, Instant>>);

/// A rebalance that goes on.
pub(crate) fn is_open(job: &JobRecord) -> bool {
    job.rebalance.as_ref().is_some_and(|r| r.ended.is_none())
}

/// Rebalances of a table, or all, that go on.
fn open(state: &State, table: Option<&str>) -> Vec<JobRecord> {
    let jobs = state.rebalances.iter().filter_map(|id| state.jobs.get(id));
    let wanted = jobs.filter(|job| table.is_none_or(|table| job.table == table));
    wanted.cloned().collect()
}

/// Replicas that are to come.
pub(crate) fn added(before: &Target, after: &Target) -> usize {
    let of = |(segment, chosen): (&String, &Vec<String>)| {
        let held = before.get(segment);
        let new = chosen
            .iter()
            .filter(|id| held.is_none_or(|h| !h.contains(id)));
        new.count()
    };
    after.iter().map(of).sum()
}

/// Notes a rebalance and wants its new replicas; its id.
///
/// # Errors
/// Where the table has one that goes on.
pub(crate) async fn begin(
    core: &Core,
    table: &str,
    before: &Target,
    after: &Target,
) -> Result<String, ControllerError> {
    let id = uuid::Uuid::new_v4().to_string();
    let job = JobRecord {
        id: id.clone(),
        kind: KIND.to_owned(),
        table: table.to_owned(),
        segments: Vec::new(),
        submitted_ms: core.now_ms(),
        generation: 0,
        rebalance: Some(RebalanceRecord {
            total: added(before, after),
            remaining: 0,
            by: core.instance_id.clone(),
            resumed: 0,
            cancelled: false,
            ended: None,
        }),
    };
    core.rebalances.0.lock().insert(id.clone(), Instant::now());
    core.change(|state| {
        if !open(state, Some(table)).is_empty() {
            return Err(ControllerError::Conflict(format!(
                "Rebalance job is already in progress for table: {table}"
            )));
        }
        let mut changes = vec![Change::Job(job)];
        for (name, chosen) in after {
            let held = before.get(name);
            let entry = state.table(table).and_then(|t| t.segments.get(name));
            let Some(entry) = entry.filter(|_| held != Some(chosen)) else {
                continue;
            };
            let mut moved = entry.clone();
            moved.moving = Some(Moving {
                job: id.clone(),
                before: held.cloned().unwrap_or_default(),
                after: chosen.clone(),
            });
            want(&mut moved, chosen);
            changes.push(Change::Segment(table.to_owned(), Box::new(moved)));
        }
        Ok((changes, ()))
    })
    .await
    .inspect_err(|_| {
        core.rebalances.0.lock().remove(&id);
    })?;
    Ok(id)
}

/// Wants replicas on servers beside those that are wanted.
fn want(entry: &mut SegmentEntry, servers: &[String]) {
    let state = if entry.record.status == SegmentStatus::InProgress {
        ReplicaState::Consuming
    } else {
        ReplicaState::Online
    };
    for id in servers {
        entry.ideal.entry(id.clone()).or_insert(state);
    }
}

/// Starts to carry rebalances on where this controller leads; ends with the core's task group.
pub(crate) fn start(core: &Arc<Core>) {
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(core) = weak.upgrade() else { return };
            if !core.leads() {
                core.rebalances.0.lock().clear();
                continue;
            }
            for job in core.read(|state| open(state, None)) {
                if let Err(error) = step(&core, &job).await {
                    tracing::warn!(%error, table = job.table, "a rebalance cannot be carried on yet");
                }
            }
        }
    });
}

/// What there is to do now.
async fn step(core: &Core, job: &JobRecord) -> Result<(), ControllerError> {
    let since = core.rebalances.0.lock().get(&job.id).copied();
    let Some(since) = since else {
        take_up(core, job).await?;
        core.rebalances
            .0
            .lock()
            .insert(job.id.clone(), Instant::now());
        return Ok(());
    };
    let cancelled = job.rebalance.as_ref().is_some_and(|r| r.cancelled);
    match remaining(core, job) {
        None => end(core, job, "FAILED", "the table is gone").await,
        Some(_) if cancelled => {
            let text = "cancelled; the replicas of before serve";
            end(core, job, "CANCELLED", text).await
        }
        Some(0) => end(core, job, "DONE", "the table is balanced").await,
        Some(_) if since.elapsed() >= PATIENCE => {
            tracing::warn!(table = job.table, "a rebalance ended early");
            let text = "new replicas did not come up in time";
            end(core, job, "FAILED", text).await
        }
        Some(_) => Ok(()),
    }
}

/// Notes that this process goes on with what another one began.
async fn take_up(core: &Core, job: &JobRecord) -> Result<(), ControllerError> {
    tracing::info!(job = job.id, table = job.table, "a rebalance goes on here");
    alter(core, &job.id, |record| {
        record.by.clone_from(&core.instance_id);
        record.resumed = record.resumed.saturating_add(1);
    })
    .await
}

/// Alters a rebalance that goes on.
async fn alter(
    core: &Core,
    id: &str,
    how: impl FnOnce(&mut RebalanceRecord) + Send,
) -> Result<(), ControllerError> {
    core.change(|state| {
        let job = state.jobs.get(id).filter(|job| is_open(job)).cloned();
        let changes = job.map(|mut job| {
            job.rebalance.as_mut().map(how);
            Change::Job(job)
        });
        Ok((changes.into_iter().collect(), ()))
    })
    .await
}

/// New replicas that do not answer yet; `None` where the table is gone.
pub(crate) fn remaining(core: &Core, job: &JobRecord) -> Option<usize> {
    core.with_table(&job.table, |t| {
        let moving = t.segments.values().filter_map(|segment| {
            let moving = segment.moving.as_ref().filter(|m| m.job == job.id)?;
            let away = |id: &&String| segment.external.get(*id) != segment.ideal.get(*id);
            Some(moving.after.iter().filter(away).count())
        });
        moving.sum()
    })
}

/// Drops the replicas that are not wanted any more, and notes how it ended.
async fn end(core: &Core, job: &JobRecord, word: &str, text: &str) -> Result<(), ControllerError> {
    let (now_ms, left) = (core.now_ms(), remaining(core, job).unwrap_or_default());
    core.change(|state| {
        let Some(mut ended) = state.jobs.get(&job.id).filter(|j| is_open(j)).cloned() else {
            return Ok((Vec::new(), ()));
        };
        if let Some(record) = &mut ended.rebalance {
            record.remaining = left;
            record.ended = Some((word.to_owned(), text.to_owned(), now_ms));
        }
        let mut changes = vec![Change::Job(ended)];
        let segments = state.table(&job.table).into_iter();
        for entry in segments.flat_map(|t| t.segments.values()) {
            let mut moved = entry.clone();
            let Some(moving) = moved.moving.take().filter(|m| m.job == job.id) else {
                continue;
            };
            let wanted = match word {
                "DONE" => Some(moving.after),
                "CANCELLED" => Some(moving.before),
                _ => None,
            };
            if let Some(wanted) = wanted {
                moved.ideal.retain(|id, _| wanted.contains(id));
                want(&mut moved, &wanted);
            }
            changes.push(Change::Segment(job.table.clone(), Box::new(moved)));
        }
        Ok((changes, ()))
    })
    .await?;
    core.rebalances.0.lock().remove(&job.id);
    Ok(())
}

/// Asks those of a table that go on to end; their ids.
pub(crate) async fn cancel(core: &Core, table: &str) -> Result<Vec<String>, ControllerError> {
    let ids: Vec<String> = core
        .read(|state| open(state, Some(table)))
        .into_iter()
        .map(|job| job.id)
        .collect();
    for id in &ids {
        alter(core, id, |record| record.cancelled = true).await?;
    }
    Ok(ids)
}
