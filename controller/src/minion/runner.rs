//! The queue of tasks and the one worker that empties it.
//!
//! Must not know: HTTP, when tasks are due. Invariants: one task at a time; a fixed number of ended tasks is remembered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::controller_service::SegmentRecord;
use tokio::sync::Notify;

use super::task::{Done, State, Task};
use super::{Work, merge, rewrite, schedule, segment_generation};
use crate::core::Core;
use crate::error::ControllerError;
use crate::lineage;
use crate::periodic::delete_segments;

/// Tasks that are remembered.
const REMEMBERED: usize = 1000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long dropped segments stay in the deep store, milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;

/// Tasks of this process.
#[derive(Default)]
pub(crate) struct Minion {
    tasks: Mutex<BTreeMap<String, Arc<Task>>>,
    waiting: Mutex<VecDeque<Arc<Task>>>,
    /// Types whose tasks wait until they are resumed.
    held: Mutex<BTreeSet<String>>,
    /// When each schedule was looked at last, by table and type.
    pub(super) looked_ms: Mutex<BTreeMap<(String, String), i64>>,
    wake: Notify,
}

impl Minion {
    /// Takes a task up.
    pub(super) fn add(&self, task: Arc<Task>) {
        let mut tasks = self.tasks.lock();
        while tasks.len() >= REMEMBERED {
            let ended = tasks.values().filter(|t| t.state().has_ended());
            let Some(oldest) = ended.min_by_key(|t| t.created_ms).map(|t| t.name.clone()) else {
                break;
            };
            tasks.remove(&oldest);
        }
        tasks.insert(task.name.clone(), Arc::clone(&task));
        self.waiting.lock().push_back(task);
        self.wake.notify_one();
    }

    /// Tasks of a type, or all.
    pub(crate) fn tasks(&self, kind: Option<&str>) -> Vec<Arc<Task>> {
        let tasks = self.tasks.lock();
        let of_kind = tasks
            .values()
            .filter(|t| kind.is_none_or(|kind| kind == t.kind));
        of_kind.cloned().collect()
    }

    pub(crate) fn task(&self, name: &str) -> Option<Arc<Task>> {
        self.tasks.lock().get(name).cloned()
    }

    /// True where a table has a task of a type that has not ended.
    pub(super) fn is_busy(&self, table: &str, kind: &str) -> bool {
        let tasks = self.tasks.lock();
        tasks
            .values()
            .any(|t| t.table == table && t.kind == kind && !t.state().has_ended())
    }

    /// Lets tasks of a type wait, or go on.
    pub(crate) fn hold(&self, kind: &str, held: bool) {
        if held {
            self.held.lock().insert(kind.to_owned());
        } else {
            self.held.lock().remove(kind);
        }
        self.wake.notify_one();
    }

    pub(crate) fn is_held(&self, kind: &str) -> bool {
        self.held.lock().contains(kind)
    }

    /// Forgets ended tasks of a type.
    pub(crate) fn forget(&self, kind: &str) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|_, t| t.kind != kind || !t.state().has_ended());
    }

    /// Forgets one task, stopping it where it goes on; false where there is none.
    pub(crate) fn remove(&self, name: &str, now_ms: i64) -> bool {
        let removed = self.tasks.lock().remove(name);
        removed.is_some_and(|task| {
            task.stop(now_ms);
            true
        })
    }

    /// Ends what waits: it was made in an earlier term, and another leader may have done it since.
    fn begin_anew(&self, now_ms: i64) {
        for task in std::mem::take(&mut *self.waiting.lock()) {
            task.stop(now_ms);
        }
    }

    fn next(&self) -> Option<Arc<Task>> {
        let held = self.held.lock();
        let mut waiting = self.waiting.lock();
        let at = waiting.iter().position(|t| !held.contains(t.kind))?;
        waiting.remove(at)
    }
}

/// Starts the worker and the clock of the schedules; they end with the core's task group.
pub(crate) fn start(core: &Arc<Core>) {
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        let mut swept = None;
        loop {
            let Some(core) = weak.upgrade() else { return };
            let term = core.term();
            if term.is_some() && term != swept {
                if swept.is_some() {
                    core.minion.begin_anew(core.now_ms());
                }
                swept = term;
                let interrupted = lineage::sweep(&core, |e| e.id.starts_with(merge::ID_PREFIX));
                if let Err(error) = interrupted.await {
                    tracing::warn!(%error, "what an interrupted task left cannot be removed yet");
                }
            }
            let Some(task) = term.and_then(|_| core.minion.next()) else {
                let _ = tokio::time::timeout(LOOK_EVERY, core.minion.wake.notified()).await;
                continue;
            };
            work(&core, &task).await;
        }
    });
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(core) = weak.upgrade() else { return };
            if core.leads() {
                schedule::due(&core).await;
            }
        }
    });
}

async fn work(core: &Core, task: &Task) {
    if !task.begin(core.now_ms()) {
        return;
    }
    tracing::info!(task = task.name, table = task.table, "task began");
    let done = match &task.work {
        Work::Merge(merge) => merge::run(core, task, merge).await,
        Work::Rewrite(rewrite) => rewrite::run(core, task, rewrite).await,
        Work::Drop(segments) => drop_segments(core, task, segments).await,
        Work::Ingest(file) => segment_generation::run(core, task, file).await,
    };
    let now_ms = core.now_ms();
    match done {
        Ok(done) => {
            tracing::info!(
                task = task.name,
                table = task.table,
                did = done.text,
                "task done"
            );
            task.end(State::Completed, done, now_ms);
        }
        Err(error) if task.is_stopped() => {
            tracing::info!(task = task.name, table = task.table, "task stopped");
            task.end(State::Stopped, said(&error), now_ms);
        }
        Err(error) => {
            tracing::error!(task = task.name, table = task.table, %error, "task failed");
            task.end(State::Failed, said(&error), now_ms);
        }
    }
}

fn said(error: &ControllerError) -> Done {
    Done {
        text: error.to_string(),
        rows_gone: 0,
    }
}

/// An error where a task shall stop.
pub(super) fn go_on(task: &Task) -> Result<(), ControllerError> {
    if task.is_stopped() {
        return Err(ControllerError::Conflict("the task was stopped".to_owned()));
    }
    Ok(())
}

async fn drop_segments(
    core: &Core,
    task: &Task,
    segments: &[String],
) -> Result<Done, ControllerError> {
    let chosen = |s: &SegmentRecord| segments.contains(&s.name);
    let dropped = delete_segments(core, &task.table, KEPT_MS, chosen).await?;
    Ok(Done {
        text: format!("{dropped} segments dropped"),
        rows_gone: 0,
    })
}
