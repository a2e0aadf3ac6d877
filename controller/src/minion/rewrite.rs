//! A segment written anew under its name: without rows that do not count, or as schema and config want it now.
//!
//! Must not know: which task asks. Invariant: the new file takes the old one's place only if nobody else replaced it meanwhile.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{Schema, TableConfig};
use proto::controller_service::SegmentRecord;
use roaring::RoaringBitmap;
use segment::Segment;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::merge::{failed, fetch, open};
use super::output::rewritten;
use super::purge;
use super::runner::go_on;
use super::task::{Done, Replaced, Running, State};
use crate::core::Core;
use crate::error::ControllerError;
use crate::periodic::delete_segments;
use crate::server_fan_out::{ask_servers, servers_with};
use crate::state::Change;
use crate::upload::{self, Scratch};

/// How long a replaced file stays in the deep store, milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;
/// How long replicas may take to serve a new file.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Segments that become one, under the name of the last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rewrite {
    /// With the checksums under which they were chosen.
    pub(crate) segments: Vec<(String, u32)>,
    pub(crate) keep: Keep,
}

/// Which rows stay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Keep {
    All,
    /// Those that count on this server.
    Valid {
        server: String,
        kind: String,
    },
    /// Those for which the condition is not true.
    Unless(String),
}

/// Does it.
pub(super) async fn run(
    core: &Core,
    task: &Running,
    rewrite: &Rewrite,
) -> Result<Done, ControllerError> {
    if let Some(replaced) = &task.replaced {
        // Another run came as far as this.
        return finish(core, task, rewrite, replaced.clone()).await;
    }
    let scratch = Scratch::new(core)?;
    let folder = scratch.path();
    let (schema, config, records) = known(core, &task.table, rewrite)?;
    let mut sources = Vec::new();
    for record in &records {
        go_on(task)?;
        task.says(format!("fetching {}", record.name));
        let path = fetch(core, record, folder).await?;
        let valid = match &rewrite.keep {
            Keep::Valid { server, kind } => {
                Some(valid_docs(core, &task.table, record, server, kind).await?)
            }
            Keep::All | Keep::Unless(_) => None,
        };
        sources.push((path, valid));
    }
    let (of, at) = (schema.clone(), config.clone());
    let (keep, into, now_ms) = (rewrite.keep.clone(), folder.join("output"), core.now_ms());
    let before: u64 = records.iter().map(|r| r.total_docs).sum();
    task.says("writing");
    let rows = tokio::task::spawn_blocking(move || write(&of, &at, &keep, sources, &into, now_ms))
        .await
        .map_err(|error| ControllerError::internal("rewrite a segment", error))??;
    go_on(task)?;
    let Some(last) = records.last() else {
        return Ok(Done::default());
    };
    if u64::from(rows) == before && records.len() == 1 && !matches!(rewrite.keep, Keep::All) {
        return Ok(Done {
            text: "no row goes".to_owned(),
            rows_gone: 0,
        });
    }
    let done = Done {
        text: format!("{before} rows became {rows}"),
        rows_gone: before.saturating_sub(u64::from(rows)),
    };
    let is_only = records.len() == 1;
    let replaced = replace(core, task, last, &folder.join("output"), (done, is_only)).await?;
    if is_only {
        return Ok(replaced.done);
    }
    finish(core, task, rewrite, replaced).await
}

/// Drops the other segments once every replica serves the new one: their keys must have moved before they go.
async fn finish(
    core: &Core,
    task: &Running,
    rewrite: &Rewrite,
    replaced: Replaced,
) -> Result<Done, ControllerError> {
    if let Some(((last, _), others)) = rewrite.segments.split_last() {
        task.says("waiting until every replica serves the new segment");
        served(core, &task.table, last, replaced.crc).await?;
        let chosen = |s: &SegmentRecord| others.iter().any(|(other, _)| *other == s.name);
        delete_segments(core, &task.table, Some(KEPT_MS), chosen).await?;
    }
    Ok(replaced.done)
}

type Known = (Schema, TableConfig, Vec<SegmentRecord>);

/// The segments as they are, if they are still those that were chosen.
fn known(core: &Core, table: &str, rewrite: &Rewrite) -> Result<Known, ControllerError> {
    let found = core.read(|state| {
        let entry = state.table(table)?;
        let records = rewrite.segments.iter().map(|(name, crc)| {
            let record = &entry.segments.get(name)?.record;
            (record.crc == *crc).then(|| record.clone())
        });
        let records = records.collect::<Option<Vec<_>>>()?;
        let schema = state.schema_of(table)?.clone();
        Some((schema, entry.record.config.clone(), records))
    });
    found.ok_or_else(|| {
        ControllerError::Conflict(format!("Segments of table '{table}' changed meanwhile"))
    })
}

fn write(
    schema: &Schema,
    config: &TableConfig,
    keep: &Keep,
    sources: Vec<(std::path::PathBuf, Option<RoaringBitmap>)>,
    path: &Path,
    now_ms: i64,
) -> Result<u32, ControllerError> {
    if let [(only, valid)] = sources.as_slice() {
        let source = open(only)?;
        let keep = match keep {
            Keep::Unless(condition) => Some(purge::kept(
                source.clone(),
                schema,
                config,
                condition,
                now_ms,
            )?),
            Keep::All | Keep::Valid { .. } => valid.clone(),
        };
        return rewritten(source.as_ref(), schema, config, keep, path, now_ms).map_err(failed);
    }
    let (mut writer, whole) =
        segment::MutableSegment::create("rewritten", schema, config).map_err(failed)?;
    let mut name = String::new();
    for (file, valid) in &sources {
        let source = open(file)?;
        source.name().clone_into(&mut name);
        let docs: Vec<u32> = match valid {
            Some(valid) => valid
                .iter()
                .filter(|doc| *doc < source.doc_count())
                .collect(),
            None => (0..source.doc_count()).collect(),
        };
        for docs in docs.chunks(8192) {
            let batch = ingest::roll_up::rows_of(source.as_ref(), schema, docs).map_err(failed)?;
            writer.append(&batch).map_err(failed)?;
        }
    }
    writer.publish(now_ms);
    let settings = segment::build::BuildSettings {
        name,
        created_ms: now_ms,
        ..segment::build::BuildSettings::default()
    };
    let built = segment::build::seal(whole.snapshot().as_ref(), schema, config, &settings, path);
    Ok(built.map_err(failed)?.metadata.rows)
}

/// Puts a file in the place of a segment's, and notes in the same step that the task did so, and that it is done where that is all.
async fn replace(
    core: &Core,
    task: &Running,
    old: &SegmentRecord,
    path: &Path,
    (done, is_all): (Done, bool),
) -> Result<Replaced, ControllerError> {
    task.says("uploading");
    let fresh = upload::uploaded(core, &task.table, path).await?;
    let replaced = Replaced {
        crc: fresh.crc,
        done: done.clone(),
    };
    let now_ms = core.now_ms();
    core.change(|state| {
        let entry = state
            .table(&task.table)
            .and_then(|t| t.segments.get(&old.name))
            .filter(|s| s.record.crc == old.crc)
            .ok_or_else(|| {
                ControllerError::Conflict(format!("Segment '{}' changed meanwhile", old.name))
            })?;
        let mut entry = entry.clone();
        entry.record = SegmentRecord {
            crc: fresh.crc,
            total_docs: fresh.total_docs,
            size_bytes: fresh.size_bytes,
            download_uri: fresh.download_uri.clone(),
            start_time_ms: fresh.start_time_ms,
            end_time_ms: fresh.end_time_ms,
            pushed_ms: fresh.pushed_ms,
            partitions: fresh.partitions.clone(),
            ..entry.record
        };
        let mut changes = vec![Change::Segment(task.table.clone(), Box::new(entry))];
        let noted = state.tasks.get(&task.name).filter(|t| t.is_run_of(task));
        if let Some(mut noted) = noted.cloned() {
            noted.replaced = Some(replaced.clone());
            if is_all {
                noted = noted.ended(State::Completed, done, now_ms);
            }
            changes.push(Change::Task(Box::new(noted)));
        }
        Ok((changes, ()))
    })
    .await?;
    if old.download_uri != fresh.download_uri
        && old.download_uri.starts_with(core.deep_store.base())
    {
        core.discard(&old.download_uri, KEPT_MS).await?;
    }
    Ok(replaced)
}

/// Waits until every replica serves a segment's new file.
async fn served(core: &Core, table: &str, segment: &str, crc: u32) -> Result<(), ControllerError> {
    let path = format!("/tables/{table}/segments/crc");
    let crc = crc.to_string();
    let wait = async {
        loop {
            let servers = servers_with(core, table);
            let answers = ask_servers(core, &servers, &path).await;
            let serves = |answer: &Json| {
                answer
                    .get(segment)
                    .is_none_or(|known| known.as_str() == Some(crc.as_str()))
            };
            let all = answers
                .iter()
                .all(|(_, answer)| answer.as_ref().is_ok_and(serves));
            if all && !answers.is_empty() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.map_err(|_| {
        ControllerError::Conflict(format!(
            "Segment '{segment}' is not served by every replica after {} s",
            PATIENCE.as_secs()
        ))
    })
}

/// The rows of a segment that count on a server.
async fn valid_docs(
    core: &Core,
    table: &str,
    record: &SegmentRecord,
    server: &str,
    kind: &str,
) -> Result<RoaringBitmap, ControllerError> {
    let path = format!(
        "/segments/{table}/{}/validDocIdsBitmap?validDocIdsType={kind}",
        record.name
    );
    let one = std::iter::once(server.to_owned()).collect();
    let answer = ask_servers(core, &one, &path).await.pop();
    let unread = |why: &str| {
        ControllerError::internal(
            format!("read the rows of segment '{}' that count", record.name),
            format!("server '{server}': {why}"),
        )
    };
    let answer = answer
        .ok_or_else(|| unread("no answer"))?
        .1
        .map_err(|why| unread(&why))?;
    if answer.get("segmentCrc").and_then(Json::as_str) != Some(record.crc.to_string().as_str()) {
        return Err(unread("it has another version of the segment"));
    }
    let text = answer.get("bitmap").and_then(Json::as_str).unwrap_or("");
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|error| unread(&error.to_string()))?;
    RoaringBitmap::deserialize_from(bytes.as_slice()).map_err(|error| unread(&error.to_string()))
}
