//! Rows of segments into new segments: of the same table, whose old segments they replace, or of another.
//!
//! Must not know: which task asks. Invariant: queries see either all of the new segments or none, and exactly then not the old ones.

use std::path::Path;
use std::sync::Arc;

use common::{Schema, TableConfig};
use proto::controller_service::SegmentRecord;
use segment::SealedSegment;
use serde::{Deserialize, Serialize};

use super::output::{Naming, Outputs, Shape, Written};
use super::runner::go_on;
use super::task::{Done, Running, State};
use crate::core::Core;
use crate::error::ControllerError;
use crate::lineage;
use crate::records::WatermarkRecord;
use crate::state::Change;
use crate::upload::{self, Scratch};

/// How the ids of replacements that tasks make begin.
pub(super) const ID_PREFIX: &str = "task-";

/// A merge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Merge {
    /// Segments of the task's table.
    pub(crate) inputs: Vec<String>,
    /// Table with type that takes the new segments.
    pub(crate) target: String,
    /// The inputs are replaced.
    pub(crate) replaces: bool,
    pub(crate) shape: Shape,
    /// How the names of the new segments begin.
    pub(crate) prefix: String,
    /// What the task type remembers once it is done: a level and a time, milliseconds.
    pub(crate) mark: Option<(String, i64)>,
}

struct Made {
    schema: Schema,
    config: TableConfig,
}

/// Does it.
pub(super) async fn run(
    core: &Core,
    task: &Running,
    merge: &Merge,
) -> Result<Done, ControllerError> {
    let scratch = Scratch::new(core)?;
    let folder = scratch.path();
    let records = inputs_of(core, &task.table, &merge.inputs)?;
    let mut paths = Vec::new();
    for (number, record) in records.iter().enumerate() {
        go_on(task)?;
        task.says(format!(
            "fetching segment {} of {}",
            number + 1,
            records.len()
        ));
        paths.push(fetch(core, record, folder).await?);
    }
    let made = made_of(core, &merge.target)?;
    let (shape, prefix) = (merge.shape.clone(), merge.prefix.clone());
    let (into, now_ms) = (folder.to_owned(), core.now_ms());
    task.says(format!("merging {} segments", paths.len()));
    let written = tokio::task::spawn_blocking(move || {
        let naming = Naming {
            prefix: &prefix,
            folder: &into,
            now_ms,
        };
        let mut outputs = Outputs::new(&made.schema, &made.config, &shape, naming);
        for path in &paths {
            outputs.add(&*open(path)?, None).map_err(failed)?;
        }
        outputs.finish().map_err(failed)
    })
    .await
    .map_err(|error| ControllerError::internal("merge segments", error))??;
    go_on(task)?;
    let rows: u64 = written.iter().map(|w| u64::from(w.rows)).sum();
    let before: u64 = records.iter().map(|r| r.total_docs).sum();
    let done = Done {
        text: format!(
            "{} segments with {before} rows became {} with {rows}",
            records.len(),
            written.len()
        ),
        rows_gone: 0,
    };
    publish(core, task, merge, &written, &done).await?;
    Ok(done)
}

/// Adds the new segments and exchanges them for the old ones in one step, which also moves the watermark and ends the task: whoever leads
/// next finds all of it done, or nothing.
async fn publish(
    core: &Core,
    task: &Running,
    merge: &Merge,
    written: &[Written],
    done: &Done,
) -> Result<(), ControllerError> {
    let id = format!("{ID_PREFIX}{}", uuid::Uuid::new_v4());
    let names: Vec<String> = written.iter().map(|w| w.name.clone()).collect();
    let from = if merge.replaces {
        merge.inputs.clone()
    } else {
        Vec::new()
    };
    lineage::start(core, &merge.target, &id, from, names.clone()).await?;
    let added = async {
        for (number, written) in written.iter().enumerate() {
            go_on(task)?;
            task.says(format!("adding segment {} of {}", number + 1, names.len()));
            upload::add_file(core, &merge.target, &written.path).await?;
        }
        task.says("waiting until servers serve the new segments");
        lineage::served(core, &merge.target, &names).await
    };
    if let Err(error) = added.await {
        lineage::settle(core, &merge.target, &id, lineage::REVERTED, Vec::new()).await?;
        lineage::sweep(core, |_| false).await?;
        return Err(error);
    }
    let mark = merge.mark.as_ref().map(|(level, at_ms)| {
        let moved = core.read(|state| {
            let key = (task.table.clone(), task.kind.clone());
            state.watermarks.get(&key).cloned()
        });
        let mut record = moved.unwrap_or_else(|| WatermarkRecord::new(&task.table, &task.kind));
        record.at_ms.insert(level.clone(), *at_ms);
        Change::Watermark(record)
    });
    let ended = core.read(|state| {
        let found = state.tasks.get(&task.name).filter(|t| t.is_run_of(task));
        found.map(|t| {
            t.clone()
                .ended(State::Completed, done.clone(), core.now_ms())
        })
    });
    let ended = ended.map(|task| Change::Task(Box::new(task)));
    let with = mark.into_iter().chain(ended).collect();
    lineage::settle(core, &merge.target, &id, lineage::COMPLETED, with).await
}

/// The records of segments that are all there.
fn inputs_of(
    core: &Core,
    table: &str,
    names: &[String],
) -> Result<Vec<SegmentRecord>, ControllerError> {
    let found = core.with_table(table, |t| {
        let records = names
            .iter()
            .map(|name| t.segments.get(name).map(|s| s.record.clone()));
        records.collect::<Option<Vec<_>>>()
    });
    found.flatten().ok_or_else(|| {
        ControllerError::Conflict(format!("Segments of table '{table}' are gone meanwhile"))
    })
}

fn made_of(core: &Core, table: &str) -> Result<Made, ControllerError> {
    core.read(|state| {
        Some(Made {
            config: state.table(table)?.record.config.clone(),
            schema: state.schema_of(table)?.clone(),
        })
    })
    .ok_or_else(|| ControllerError::NotFound(format!("Table '{table}' not found.")))
}

/// A segment's file out of the deep store.
pub(super) async fn fetch(
    core: &Core,
    record: &SegmentRecord,
    folder: &Path,
) -> Result<std::path::PathBuf, ControllerError> {
    let path = folder.join(format!("{}.input", record.name));
    core.deep_store.get_to(&record.download_uri, &path).await?;
    Ok(path)
}

/// Opens a file whose every checksum holds.
pub(super) fn open(path: &Path) -> Result<Arc<SealedSegment>, ControllerError> {
    let sealed = SealedSegment::open(path).map_err(failed)?;
    sealed.verify().map_err(failed)?;
    Ok(Arc::new(sealed))
}

pub(super) fn failed(error: segment::SegmentError) -> ControllerError {
    ControllerError::internal("rewrite a segment", error)
}
