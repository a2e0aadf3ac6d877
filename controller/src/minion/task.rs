//! One task: what it does, how far it is, how it ended.
//!
//! Must not know: who runs it. Invariant: a task that ended keeps its last word.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::{Settings, Work};

/// States, by Pinot's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    NotStarted,
    InProgress,
    Stopped,
    Completed,
    Failed,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Stopped => "STOPPED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    pub(crate) fn has_ended(self) -> bool {
        matches!(self, Self::Stopped | Self::Completed | Self::Failed)
    }
}

/// How a task stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// What it does now, or why it failed.
    pub(crate) text: String,
    pub(crate) started_ms: Option<i64>,
    pub(crate) ended_ms: Option<i64>,
    /// Rows that are no more.
    pub(crate) rows_gone: u64,
}

/// What a task did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) text: String,
    /// Rows that are no more.
    pub(crate) rows_gone: u64,
}

/// A task.
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) table: String,
    pub(crate) settings: Settings,
    pub(crate) work: Work,
    pub(crate) created_ms: i64,
    standing: Mutex<Standing>,
    stopped: AtomicBool,
}

impl Task {
    pub(crate) fn new(
        name: String,
        kind: &'static str,
        table: &str,
        settings: Settings,
        work: Work,
        created_ms: i64,
    ) -> Self {
        Self {
            name,
            kind,
            table: table.to_owned(),
            settings,
            work,
            created_ms,
            standing: Mutex::new(Standing {
                state: State::NotStarted,
                text: String::new(),
                started_ms: None,
                ended_ms: None,
                rows_gone: 0,
            }),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    pub(crate) fn state(&self) -> State {
        self.standing.lock().state
    }

    /// Begins, unless it was stopped before.
    pub(super) fn begin(&self, now_ms: i64) -> bool {
        let mut standing = self.standing.lock();
        if standing.state != State::NotStarted {
            return false;
        }
        standing.state = State::InProgress;
        standing.started_ms = Some(now_ms);
        true
    }

    /// Says what it does now.
    pub(super) fn says(&self, text: impl Into<String>) {
        self.standing.lock().text = text.into();
    }

    pub(super) fn end(&self, state: State, done: Done, now_ms: i64) {
        let mut standing = self.standing.lock();
        standing.state = state;
        standing.text = done.text;
        standing.rows_gone = done.rows_gone;
        standing.ended_ms = Some(now_ms);
    }

    /// Asks it to stop: at once where it waits, at its next step where it runs. False where it ended already.
    pub(crate) fn stop(&self, now_ms: i64) -> bool {
        self.stopped.store(true, Ordering::Release);
        let mut standing = self.standing.lock();
        if standing.state == State::NotStarted {
            standing.state = State::Stopped;
            standing.ended_ms = Some(now_ms);
        }
        !standing.state.has_ended() || standing.state == State::Stopped
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
