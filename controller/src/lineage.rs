//! Segments that take the place of others in one step: begin, end, turn back, and what is swept away later.
//!
//! Must not know: HTTP, who builds segments. Invariant: until the end the old segments answer, from the end on the new ones, which
//! are served by then.

use std::time::Duration;

use proto::controller_service::ReplicaState;

use crate::core::Core;
use crate::error::ControllerError;
use crate::periodic::delete_segments;
use crate::records::{LineageEntry, TableRecord};
use crate::state::Change;

/// How long new segments may take until servers serve them.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long replaced segments stay for queries that began before, and replacements may stay open, milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;

/// States of an entry.
pub(crate) const IN_PROGRESS: &str = "IN_PROGRESS";
pub(crate) const COMPLETED: &str = "COMPLETED";
pub(crate) const REVERTED: &str = "REVERTED";

/// The change that alters a table's lineage.
fn altered(
    core: &crate::state::State,
    table: &str,
    how: impl FnOnce(&mut TableRecord) -> Result<(), ControllerError>,
) -> Result<Change, ControllerError> {
    let entry = core
        .table(table)
        .ok_or_else(|| ControllerError::NotFound(format!("Table '{table}' not found.")))?;
    let mut record = entry.record.clone();
    how(&mut record)?;
    Ok(Change::Table(Box::new(record)))
}

/// Begins a replacement: the segments that come are hidden until its end.
pub(crate) async fn start(
    core: &Core,
    table: &str,
    id: &str,
    from: Vec<String>,
    to: Vec<String>,
) -> Result<(), ControllerError> {
    let at_ms = core.now_ms();
    core.change(|state| {
        let known = state
            .table(table)
            .is_some_and(|t| from.iter().all(|s| t.segments.contains_key(s)));
        if !known {
            return Err(ControllerError::Invalid(
                "Not all segments from 'segmentsFrom' are available in the table".to_owned(),
            ));
        }
        let change = altered(state, table, |record| {
            record.lineage.push(LineageEntry {
                id: id.to_owned(),
                from,
                to,
                state: IN_PROGRESS.to_owned(),
                at_ms,
            });
            Ok(())
        })?;
        Ok((vec![change], ()))
    })
    .await
}

/// Notes how a replacement ended, together with other changes.
pub(crate) async fn settle(
    core: &Core,
    table: &str,
    id: &str,
    word: &str,
    with: Vec<Change>,
) -> Result<(), ControllerError> {
    let now_ms = core.now_ms();
    core.change(|state| {
        let change = altered(state, table, |record| {
            let entry = record.lineage.iter_mut().find(|e| e.id == id);
            let entry = entry.ok_or_else(|| {
                ControllerError::NotFound(format!(
                    "Segment lineage entry '{id}' not found in table {table}"
                ))
            })?;
            word.clone_into(&mut entry.state);
            entry.at_ms = now_ms;
            Ok(())
        })?;
        let mut changes = with;
        changes.push(change);
        Ok((changes, ()))
    })
    .await
}

/// Waits until every wanted replica of some segments is served.
///
/// # Errors
/// Where one is not in time, cannot be loaded, or is gone.
pub(crate) async fn served(
    core: &Core,
    table: &str,
    segments: &[String],
) -> Result<(), ControllerError> {
    let wait = async {
        loop {
            match core.with_table(table, |t| missing(t, segments)) {
                None => {
                    let gone = format!("Table '{table}' is gone");
                    return Err(ControllerError::NotFound(gone));
                }
                Some(None) => return Ok(()),
                Some(Some(_)) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(done) => done,
        Err(_) => {
            let which = core.with_table(table, |t| missing(t, segments)).flatten();
            Err(ControllerError::Conflict(format!(
                "Segment '{}' of table '{table}' is not served after {} s",
                which.unwrap_or_default(),
                PATIENCE.as_secs()
            )))
        }
    }
}

/// A segment that is not served by every server that shall have it.
fn missing(table: &crate::state::TableEntry, segments: &[String]) -> Option<String> {
    let served = |name: &&String| {
        table.segments.get(*name).is_some_and(|s| {
            s.ideal
                .keys()
                .all(|id| s.external.get(id) == Some(&ReplicaState::Online))
        })
    };
    segments.iter().find(|name| !served(name)).cloned()
}

/// Deletes segments that were replaced a day ago, and what replacements that never ended left.
pub(crate) async fn sweep(
    core: &Core,
    abandoned: impl Fn(&LineageEntry) -> bool,
) -> Result<(), ControllerError> {
    let limit = core.now_ms().saturating_sub(KEPT_MS);
    let over = |e: &LineageEntry| match e.state.as_str() {
        COMPLETED => e.at_ms < limit,
        REVERTED => true,
        _ => e.at_ms < limit || abandoned(e),
    };
    let tables: Vec<(String, Vec<LineageEntry>)> = core.read(|state| {
        let tables = state.tables.values().map(|t| {
            let ended = t.record.lineage.iter().filter(|e| over(e)).cloned();
            (t.record.name.clone(), ended.collect())
        });
        tables
            .filter(|(_, e): &(_, Vec<_>)| !e.is_empty())
            .collect()
    });
    for (table, entries) in tables {
        for entry in entries {
            forget(core, &table, &entry).await?;
        }
    }
    Ok(())
}

/// Deletes the segments that an entry hides, and the entry.
async fn forget(core: &Core, table: &str, entry: &LineageEntry) -> Result<(), ControllerError> {
    let hidden = if entry.state == COMPLETED {
        &entry.from
    } else {
        &entry.to
    };
    delete_segments(core, table, Some(0), |s| hidden.contains(&s.name)).await?;
    core.change(|state| {
        let change = altered(state, table, |record| {
            record.lineage.retain(|e| e.id != entry.id);
            Ok(())
        })?;
        Ok((vec![change], ()))
    })
    .await
}
