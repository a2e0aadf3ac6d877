//! The queue of tasks and the one worker that empties it, where this controller leads.
//!
//! Must not know: HTTP, when tasks are due. Invariants: one task at a time; tasks are in the state, so that whoever leads goes on with
//! them; what an interrupted task left is gone before it begins again; a fixed number of ended tasks is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proto::controller_service::SegmentRecord;
use tokio::sync::Notify;

use super::task::{Done, Running, State, Task};
use super::{Work, merge, rewrite, schedule, segment_generation};
use crate::core::Core;
use crate::error::ControllerError;
use crate::lineage;
use crate::periodic::delete_segments;
use crate::state::Change;

/// Ended tasks that are remembered.
const REMEMBERED: usize = 1000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long dropped segments stay in the deep store, milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;

/// What this process does for tasks.
#[derive(Default)]
pub(crate) struct Minion {
    running: Mutex<Option<Arc<Running>>>,
    /// When each schedule was looked at last, by table and type.
    pub(super) looked_ms: Mutex<BTreeMap<(String, String), i64>>,
    wake: Notify,
}

/// Takes tasks up, in their order; forgets the oldest that ended where there are too many.
pub(super) async fn add(core: &Core, tasks: Vec<Task>) -> Result<(), ControllerError> {
    let now_ms = core.now_ms();
    core.change(|state| {
        let mut ended: Vec<&Task> = state
            .tasks
            .values()
            .filter(|t| t.state().has_ended())
            .collect();
        ended.sort_by_key(|task| (task.created_ms, task.place));
        let surplus = ended.len().saturating_sub(REMEMBERED);
        let gone = ended.iter().take(surplus);
        let mut changes: Vec<Change> = gone.map(|t| Change::TaskGone(t.name.clone())).collect();
        for (place, mut task) in tasks.into_iter().enumerate() {
            (task.created_ms, task.place) = (now_ms, place);
            changes.push(Change::Task(Box::new(task)));
        }
        Ok((changes, ()))
    })
    .await?;
    core.minion.wake.notify_one();
    Ok(())
}

/// Tasks of a type, or all; what one does now is known where it runs.
pub(crate) fn tasks(core: &Core, kind: Option<&str>) -> Vec<Task> {
    let mut found: Vec<Task> = core.read(|state| {
        let tasks = state.tasks.values();
        let wanted = tasks.filter(|t| kind.is_none_or(|kind| kind == t.kind));
        wanted.cloned().collect()
    });
    if let Some(running) = core.minion.running.lock().as_ref() {
        let mut found = found.iter_mut();
        if let Some(task) = found.find(|task| task.is_run_of(running)) {
            task.standing.text = running.text();
        }
    }
    found
}

pub(crate) fn task(core: &Core, name: &str) -> Option<Task> {
    let mut found = core.read(|state| state.tasks.get(name).cloned())?;
    if let Some(running) = core.minion.running.lock().as_ref()
        && found.is_run_of(running)
    {
        found.standing.text = running.text();
    }
    Some(found)
}

/// True where a table has a task of a type that has not ended.
pub(super) fn is_busy(core: &Core, table: &str, kind: &str) -> bool {
    core.read(|state| {
        let mut tasks = state.tasks.values();
        tasks.any(|t| t.table == table && t.kind == kind && !t.state().has_ended())
    })
}

/// Lets tasks of a type wait, or go on.
pub(crate) async fn hold(core: &Core, kind: &str, held: bool) -> Result<(), ControllerError> {
    let change = Change::Held(kind.to_owned(), held);
    core.change(|_| Ok((vec![change], ()))).await?;
    core.minion.wake.notify_one();
    Ok(())
}

pub(crate) fn is_held(core: &Core, kind: &str) -> bool {
    core.read(|state| state.held.contains(kind))
}

/// Forgets ended tasks of a type.
pub(crate) async fn forget(core: &Core, kind: &str) -> Result<(), ControllerError> {
    core.change(|state| {
        let tasks = state.tasks.values();
        let ended = tasks.filter(|t| t.kind == kind && t.state().has_ended());
        let gone = ended.map(|t| Change::TaskGone(t.name.clone()));
        Ok((gone.collect(), ()))
    })
    .await
}

/// Forgets one task, stopping it where it runs; false where there is none.
pub(crate) async fn remove(core: &Core, name: &str) -> Result<bool, ControllerError> {
    let found = core
        .change(|state| {
            let found = state.tasks.contains_key(name);
            let gone = found.then(|| Change::TaskGone(name.to_owned()));
            Ok((gone.into_iter().collect(), found))
        })
        .await?;
    if let Some(running) = core.minion.running.lock().as_ref()
        && running.name == name
    {
        running.stop();
    }
    Ok(found)
}

/// The task that is next.
fn next(core: &Core) -> Option<String> {
    core.read(|state| {
        let waiting = state
            .tasks
            .values()
            .filter(|t| t.state() == State::NotStarted && !state.held.contains(&t.kind));
        let first = waiting.min_by_key(|t| (t.created_ms, t.place));
        first.map(|t| t.name.clone())
    })
}

/// Starts the worker and the clock of the schedules; they end with the core's task group.
pub(crate) fn start(core: &Arc<Core>) {
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        let mut begun = None;
        loop {
            let Some(core) = weak.upgrade() else { return };
            let term = core.term();
            if term.is_some() && term != begun {
                match begin_term(&core).await {
                    Ok(()) => begun = term,
                    Err(error) => tracing::warn!(%error, "tasks cannot be gone on with yet"),
                }
            }
            let next = term.filter(|_| term == begun).and_then(|_| next(&core));
            let Some(next) = next else {
                let _ = tokio::time::timeout(LOOK_EVERY, core.minion.wake.notified()).await;
                continue;
            };
            if let Err(error) = work(&core, &next).await {
                tracing::warn!(%error, task = next, "a task is left as it is");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    });
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        let mut term = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(core) = weak.upgrade() else { return };
            if core.term() != term {
                term = core.term();
                core.minion.looked_ms.lock().clear();
            }
            if term.is_some() {
                schedule::due(&core).await;
            }
        }
    });
}

/// Removes what interrupted tasks left, and lets them begin again.
async fn begin_term(core: &Core) -> Result<(), ControllerError> {
    let interrupted = lineage::sweep(core, |e| e.id.starts_with(merge::ID_PREFIX));
    if let Err(error) = interrupted.await {
        tracing::warn!(%error, "what an interrupted task left cannot be removed yet");
    }
    core.change(|state| {
        let tasks = state.tasks.values();
        let interrupted = tasks.filter(|t| t.state() == State::InProgress);
        let again = interrupted.map(|t| Change::Task(Box::new(t.clone().begun_again())));
        Ok((again.collect(), ()))
    })
    .await
}

async fn work(core: &Core, name: &str) -> Result<(), ControllerError> {
    let now_ms = core.now_ms();
    let begun = core.change(|state| {
        let task = state.tasks.get(name);
        let task = task.filter(|t| t.state() == State::NotStarted).cloned();
        let task = task.map(|t| t.begun(&core.instance_id, now_ms));
        let change = task.clone().map(|t| Change::Task(Box::new(t)));
        Ok((change.into_iter().collect(), task))
    });
    let Some(task) = begun.await? else {
        return Ok(());
    };
    tracing::info!(task = task.name, table = task.table, "task began");
    let running = Arc::new(Running::new(task));
    *core.minion.running.lock() = Some(Arc::clone(&running));
    let outcome = tokio::select! {
        done = done(core, &running) => end(core, &running, done).await,
        () = deposed(core) => Err(ControllerError::not_leading("another controller goes on with the task")),
    };
    *core.minion.running.lock() = None;
    outcome
}

/// Returns once this controller does not lead.
async fn deposed(core: &Core) {
    match &core.seat {
        Some(seat) => seat.deposed().await,
        None => std::future::pending().await,
    }
}

async fn done(core: &Core, task: &Running) -> Result<Done, ControllerError> {
    match &task.work {
        Work::Merge(merge) => merge::run(core, task, merge).await,
        Work::Rewrite(rewrite) => rewrite::run(core, task, rewrite).await,
        Work::Drop(segments) => drop_segments(core, task, segments).await,
        Work::Ingest(file) => segment_generation::run(core, task, file).await,
    }
}

/// Notes how a task ended, unless it was noted with what it did, or the task is gone.
async fn end(
    core: &Core,
    task: &Running,
    done: Result<Done, ControllerError>,
) -> Result<(), ControllerError> {
    let (state, done) = match done {
        Ok(done) => {
            tracing::info!(
                task = task.name,
                table = task.table,
                did = done.text,
                "task done"
            );
            (State::Completed, done)
        }
        // The next leader begins it again.
        Err(error @ ControllerError::NotLeading(_)) => return Err(error),
        Err(error) if task.is_stopped() => {
            tracing::info!(task = task.name, table = task.table, "task stopped");
            (State::Failed, said(&error))
        }
        Err(error) => {
            tracing::error!(task = task.name, table = task.table, %error, "task failed");
            (State::Failed, said(&error))
        }
    };
    let now_ms = core.now_ms();
    core.change(|known| {
        let found = known.tasks.get(&task.name).filter(|t| t.is_run_of(task));
        let ended = found.map(|t| Change::Task(Box::new(t.clone().ended(state, done, now_ms))));
        Ok((ended.into_iter().collect(), ()))
    })
    .await
}

fn said(error: &ControllerError) -> Done {
    Done {
        text: error.to_string(),
        rows_gone: 0,
    }
}

/// An error where a task shall stop.
pub(super) fn go_on(task: &Running) -> Result<(), ControllerError> {
    if task.is_stopped() {
        return Err(ControllerError::Conflict("the task was stopped".to_owned()));
    }
    Ok(())
}

async fn drop_segments(
    core: &Core,
    task: &Running,
    segments: &[String],
) -> Result<Done, ControllerError> {
    let chosen = |s: &SegmentRecord| segments.contains(&s.name);
    let dropped = delete_segments(core, &task.table, Some(KEPT_MS), chosen).await?;
    Ok(Done {
        text: format!("{dropped} segments dropped"),
        rows_gone: 0,
    })
}
