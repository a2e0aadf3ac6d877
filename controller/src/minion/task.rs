//! One task: what it does, how far it is, how it ended.
//!
//! Must not know: who runs it. Invariants: a task that ended keeps its last word; a task reads back from its own JSON.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Settings, Work};

/// States, by Pinot's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    NotStarted,
    InProgress,
    Completed,
    Failed,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    pub(crate) fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// How a task stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// What it does now, or why it failed.
    pub(crate) text: String,
    pub(crate) started_ms: Option<i64>,
    pub(crate) ended_ms: Option<i64>,
    /// Rows that are no more.
    pub(crate) rows_gone: u64,
    /// The controller that runs it, or ran it last.
    pub(crate) by: Option<String>,
    /// This running of it.
    pub(crate) run: Option<String>,
    /// How often it was begun again because its controller led no more.
    pub(crate) restarts: u32,
}

/// What a task did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) text: String,
    /// Rows that are no more.
    pub(crate) rows_gone: u64,
}

/// A step that is not done twice: a segment has its new file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replaced {
    pub(crate) crc: u32,
    /// What is told when the rest is done too.
    pub(crate) done: Done,
}

/// A task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) table: String,
    pub(crate) settings: Settings,
    pub(crate) work: Work,
    pub(crate) created_ms: i64,
    /// Its place among those that were made with it.
    pub(crate) place: usize,
    pub(crate) standing: Standing,
    pub(crate) replaced: Option<Replaced>,
}

impl Task {
    pub(crate) fn new(
        name: String,
        kind: &str,
        table: &str,
        settings: Settings,
        work: Work,
    ) -> Self {
        Self {
            name,
            kind: kind.to_owned(),
            table: table.to_owned(),
            settings,
            work,
            created_ms: 0,
            place: 0,
            standing: Standing {
                state: State::NotStarted,
                text: String::new(),
                started_ms: None,
                ended_ms: None,
                rows_gone: 0,
                by: None,
                run: None,
                restarts: 0,
            },
            replaced: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.standing.state
    }

    /// The task as it began.
    pub(super) fn begun(mut self, by: &str, now_ms: i64) -> Self {
        self.standing.state = State::InProgress;
        self.standing.started_ms = Some(now_ms);
        self.standing.by = Some(by.to_owned());
        self.standing.run = Some(uuid::Uuid::new_v4().to_string());
        self
    }

    /// The task as it waits to begin again.
    pub(super) fn begun_again(mut self) -> Self {
        let by = self.standing.by.as_deref().unwrap_or_default();
        self.standing.text = format!("begins again: {by} had begun it and leads no more");
        self.standing.state = State::NotStarted;
        self.standing.restarts = self.standing.restarts.saturating_add(1);
        self.standing.run = None;
        self
    }

    /// The task as it ended.
    pub(super) fn ended(mut self, state: State, done: Done, now_ms: i64) -> Self {
        self.standing.state = state;
        self.standing.text = done.text;
        self.standing.rows_gone = done.rows_gone;
        self.standing.ended_ms = Some(now_ms);
        self
    }

    /// Whether this is that running of the same task, and it goes on.
    pub(super) fn is_run_of(&self, other: &Self) -> bool {
        let same = self.name == other.name && self.standing.run == other.standing.run;
        same && self.standing.state == State::InProgress
    }
}

/// A task while this process runs it.
pub(crate) struct Running {
    task: Task,
    text: Mutex<String>,
    stopped: AtomicBool,
}

impl Deref for Running {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

impl Running {
    pub(super) fn new(task: Task) -> Self {
        Self {
            text: Mutex::new(task.standing.text.clone()),
            task,
            stopped: AtomicBool::new(false),
        }
    }

    /// Says what it does now.
    pub(super) fn says(&self, text: impl Into<String>) {
        *self.text.lock() = text.into();
    }

    pub(super) fn text(&self) -> String {
        self.text.lock().clone()
    }

    /// Asks it to stop at its next step.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
