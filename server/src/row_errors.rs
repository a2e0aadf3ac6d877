//! What became of a table's messages: counts, and the last things that went wrong.
//!
//! Must not know: HTTP. Invariant: memory is bounded whatever arrives, and a flood of bad rows gives few log lines.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use ingest::IngestOutcome;
use parking_lot::Mutex;

const KEPT: usize = 20;
const LOG_EVERY_MS: i64 = 10_000;

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowError {
    /// When, milliseconds since the epoch.
    pub(crate) at_ms: i64,
    /// In which segment.
    pub(crate) segment: String,
    /// What.
    pub(crate) message: String,
}

#[derive(Default)]
struct Recent {
    errors: VecDeque<RowError>,
    logged_ms: Option<i64>,
    unlogged: u64,
}

/// Counts of one table since the process began.
#[derive(Default)]
pub(crate) struct RowErrors {
    /// Rows that were added.
    pub(crate) rows: AtomicU64,
    /// Rows that the filter dropped.
    pub(crate) filtered: AtomicU64,
    /// Messages or rows that could not be read or converted.
    pub(crate) malformed: AtomicU64,
    /// Messages without payload.
    pub(crate) tombstones: AtomicU64,
    /// Rows with a column left null because it failed.
    pub(crate) incomplete: AtomicU64,
    recent: Mutex<Recent>,
}

impl RowErrors {
    /// Counts an outcome and keeps its messages.
    pub(crate) fn count(&self, segment: &str, outcome: &IngestOutcome, now_ms: i64) {
        let add = |counter: &AtomicU64, by: usize| {
            counter.fetch_add(by as u64, Ordering::Relaxed);
        };
        add(&self.rows, outcome.rows);
        add(&self.filtered, outcome.filtered);
        add(&self.malformed, outcome.malformed);
        add(&self.tombstones, outcome.tombstones);
        add(&self.incomplete, outcome.incomplete);
        if outcome.malformed == 0 && outcome.errors.is_empty() {
            return;
        }
        let mut recent = self.recent.lock();
        for message in &outcome.errors {
            if recent.errors.len() == KEPT {
                recent.errors.pop_front();
            }
            recent.errors.push_back(RowError {
                at_ms: now_ms,
                segment: segment.to_owned(),
                message: message.clone(),
            });
        }
        recent.unlogged += outcome.malformed as u64;
        let due = recent
            .logged_ms
            .is_none_or(|at| now_ms.saturating_sub(at) >= LOG_EVERY_MS);
        if due {
            let example = outcome.errors.first().map_or("", String::as_str);
            tracing::warn!(
                segment,
                count = recent.unlogged,
                example,
                "messages were skipped"
            );
            recent.logged_ms = Some(now_ms);
            recent.unlogged = 0;
        }
    }

    /// The last errors, oldest first.
    #[must_use]
    pub(crate) fn recent(&self) -> Vec<RowError> {
        self.recent.lock().errors.iter().cloned().collect()
    }
}
