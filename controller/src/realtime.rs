//! Realtime tables: discovering partitions, keeping every partition consumed, pause, resume, forced commits.
//!
//! Must not know: HTTP. Invariant: what a stream says is asked before a change is decided; the change itself looks at the state again.

use std::collections::BTreeSet;

use common::table_config::StreamConfig;
use proto::controller_service::{ReplicaState, SegmentStatus};
use serde_json::Value as Json;

use crate::consuming::{self, Start};
use crate::core::Core;
use crate::error::ControllerError;
use crate::records::{JobRecord, TableRecord};
use crate::state::{Change, State};
use crate::streams::{PARTITIONS_PER_TOPIC, StartAt, StreamError};

/// Where partitions without a committed segment begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// A new table: as the stream config says.
    Configured,
    /// A table that runs: after the last committed row, new partitions at their first row.
    LastConsumed,
    /// Asked for: the first row.
    Smallest,
    /// Asked for: after the last row.
    Largest,
}

/// Asks the streams for their partitions; numbers are those of the table.
pub(crate) async fn partitions(
    core: &Core,
    streams: &[StreamConfig],
) -> Result<Vec<(u32, StreamConfig, u32)>, StreamError> {
    let mut all = Vec::new();
    for (index, stream) in streams.iter().enumerate() {
        let base = u32::try_from(index)
            .unwrap_or_default()
            .saturating_mul(PARTITIONS_PER_TOPIC);
        for partition in core.streams.partitions(stream).await? {
            all.push((base.saturating_add(partition), stream.clone(), partition));
        }
    }
    Ok(all)
}

/// Asks the streams where each of some partitions begins.
pub(crate) async fn starts(
    core: &Core,
    partitions: &[(u32, StreamConfig, u32)],
    from: From,
) -> Result<Vec<Start>, StreamError> {
    let mut all = Vec::new();
    for (number, stream, partition) in partitions {
        let place = match from {
            From::Configured => StartAt::Configured,
            From::LastConsumed | From::Smallest => StartAt::Smallest,
            From::Largest => StartAt::Largest,
        };
        let offset = core
            .streams
            .resolve_offset(stream, *partition, &place)
            .await?;
        all.push(Start {
            partition: *number,
            offset,
        });
    }
    Ok(all)
}

/// The changes that begin consuming segments.
pub(crate) fn begin_all(
    state: &State,
    record: &TableRecord,
    starts: &[Start],
    partitions: usize,
    now_ms: i64,
) -> Result<Vec<Change>, ControllerError> {
    let mut changes = Vec::new();
    for start in starts {
        let entry = consuming::begin(state, record, start, partitions, now_ms)
            .map_err(ControllerError::Invalid)?;
        changes.push(Change::Segment(record.name.clone(), Box::new(entry)));
    }
    Ok(changes)
}

/// Gives every partition without a consuming segment one, restarts those that stopped, and notes what the stream says.
pub(crate) async fn repair(core: &Core, table: &str, from: From) -> Result<(), ControllerError> {
    let Some(config) = core.with_table(table, |t| {
        let runs = t.record.enabled && !t.record.pause.paused;
        runs.then(|| t.record.config.clone())
    }) else {
        return Ok(());
    };
    let Some(config) = config else { return Ok(()) };
    let streams: Vec<StreamConfig> = config.streams().into_iter().cloned().collect();
    let answer = ask(core, table, &streams, from).await;
    let now_ms = core.now_ms();
    core.change(|state| Ok((repair_changes(state, table, answer, from, now_ms)?, ())))
        .await
}

/// Every partition of the streams, and a start for those that have no consuming segment.
type Asked = Result<(usize, Vec<Start>), StreamError>;

async fn ask(core: &Core, table: &str, streams: &[StreamConfig], from: From) -> Asked {
    let all = partitions(core, streams).await?;
    let count = all.len();
    let idle: BTreeSet<u32> = core
        .with_table(table, |t| {
            let busy: BTreeSet<u32> = t
                .segments
                .values()
                .filter(|s| s.record.status == SegmentStatus::InProgress)
                .filter_map(|s| s.record.partition)
                .collect();
            all.iter()
                .map(|p| p.0)
                .filter(|p| !busy.contains(p))
                .collect()
        })
        .unwrap_or_default();
    let idle: Vec<_> = all.into_iter().filter(|p| idle.contains(&p.0)).collect();
    Ok((count, starts(core, &idle, from).await?))
}

fn repair_changes(
    state: &State,
    table: &str,
    asked: Asked,
    from: From,
    now_ms: i64,
) -> Result<Vec<Change>, ControllerError> {
    let Some(entry) = state.table(table) else {
        return Ok(Vec::new());
    };
    if !entry.record.enabled || entry.record.pause.paused {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    let mut record = entry.record.clone();
    match asked {
        Err(error) => {
            record.ingestion_error = Some(error.to_string());
        }
        Ok((partitions, starts)) => {
            record.ingestion_error = None;
            for mut start in starts {
                let last = consuming::last_of(entry, start.partition);
                if last.is_some_and(|l| l.record.status == SegmentStatus::InProgress) {
                    continue;
                }
                let committed = last.and_then(|l| l.record.end_offset.clone());
                // A partition without a committed segment begins where the stream said.
                if let (From::LastConsumed | From::Configured, Some(end)) = (from, committed) {
                    start.offset = end;
                }
                match consuming::begin(state, &record, &start, partitions, now_ms) {
                    Ok(new) => changes.push(Change::Segment(table.to_owned(), Box::new(new))),
                    Err(error) => record.ingestion_error = Some(error),
                }
            }
        }
    }
    for segment in entry.segments.values() {
        let stopped = segment.record.status == SegmentStatus::InProgress
            && !segment.ideal.is_empty()
            && segment.ideal.values().all(|s| *s == ReplicaState::Offline);
        if stopped {
            let mut again = segment.clone();
            for state in again.ideal.values_mut() {
                *state = ReplicaState::Consuming;
            }
            changes.push(Change::Segment(table.to_owned(), Box::new(again)));
        }
    }
    if record != entry.record {
        changes.push(Change::Table(Box::new(record)));
    }
    Ok(changes)
}

/// Sets the pause flag and asks for the commit of what is consumed.
pub(crate) async fn pause(
    core: &Core,
    table: &str,
    comment: Option<String>,
) -> Result<Vec<String>, ControllerError> {
    let now_ms = core.now_ms();
    core.change(|state| {
        let Some(entry) = state.table(table) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let mut record = entry.record.clone();
        let consuming = entry.consuming();
        record.pause.paused = true;
        record.pause.comment = comment;
        record.pause.at_ms = Some(now_ms);
        record.force_commit.clone_from(&consuming);
        Ok((vec![Change::Table(Box::new(record))], consuming))
    })
    .await
}

/// Clears the pause flag and begins to consume again.
pub(crate) async fn resume(
    core: &Core,
    table: &str,
    comment: Option<String>,
    from: From,
) -> Result<(), ControllerError> {
    let now_ms = core.now_ms();
    core.change(|state| {
        let Some(entry) = state.table(table) else {
            return Ok((Vec::new(), ()));
        };
        let mut record = entry.record.clone();
        record.pause.paused = false;
        record.pause.comment = comment;
        record.pause.at_ms = Some(now_ms);
        Ok((vec![Change::Table(Box::new(record))], ()))
    })
    .await?;
    repair(core, table, from).await
}

/// True where a commit before its time may make replicas differ.
pub(crate) fn is_delicate(record: &TableRecord) -> bool {
    let of = |key: &str| {
        record
            .config
            .upsert_config
            .as_ref()
            .and_then(|u| u.get(key))
    };
    of("mode").and_then(Json::as_str) == Some("PARTIAL")
        || of("dropOutOfOrderRecord") == Some(&Json::Bool(true))
}

/// Asks for the commit of consuming segments; the job to ask after.
pub(crate) async fn force_commit(
    core: &Core,
    table: &str,
    chosen: impl Fn(&str, u32) -> bool + Send + Sync,
) -> Result<JobRecord, ControllerError> {
    let now_ms = core.now_ms();
    core.change(|state| {
        let Some(entry) = state.table(table) else {
            let why = format!("Table {table} not found!");
            return Err(ControllerError::NotFound(why));
        };
        let segments: Vec<String> = entry
            .consuming()
            .into_iter()
            .filter(|name| {
                let partition = entry.segments.get(name).and_then(|s| s.record.partition);
                chosen(name, partition.unwrap_or_default())
            })
            .collect();
        let mut record = entry.record.clone();
        for segment in &segments {
            if !record.force_commit.contains(segment) {
                record.force_commit.push(segment.clone());
            }
        }
        let job = JobRecord {
            id: uuid::Uuid::new_v4().to_string(),
            kind: "FORCE_COMMIT".to_owned(),
            table: table.to_owned(),
            segments,
            submitted_ms: now_ms,
            generation: 0,
            rebalance: None,
        };
        let changes = vec![Change::Table(Box::new(record)), Change::Job(job.clone())];
        Ok((changes, job))
    })
    .await
}
