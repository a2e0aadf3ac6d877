//! What a query may use: time, memory, groups. Checked once per block.
//!
//! Must not know: the wall clock's date; time is a monotonic deadline.
//! Invariant: a check never blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::QueryError;

/// Limits of one query on one server; clones share the counters.
#[derive(Debug, Clone)]
pub struct Limits {
    deadline: Instant,
    timeout_ms: u64,
    cancelled: Arc<AtomicBool>,
    used_bytes: Arc<AtomicUsize>,
    /// Bytes that groups and rows of the query may hold.
    pub memory_bytes: usize,
}

impl Limits {
    /// Limits that start now.
    #[must_use]
    pub fn new(timeout_ms: u64, memory_bytes: usize) -> Self {
        Self {
            deadline: Instant::now() + Duration::from_millis(timeout_ms),
            timeout_ms,
            cancelled: Arc::default(),
            used_bytes: Arc::default(),
            memory_bytes,
        }
    }

    /// The switch that cancels the query.
    #[must_use]
    pub fn canceller(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// To be called between blocks.
    ///
    /// # Errors
    /// Where the query is cancelled or out of time.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(QueryError::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(QueryError::TimedOut(self.timeout_ms));
        }
        Ok(())
    }

    /// Accounts memory; `before` and `now` are what one holder had and has.
    ///
    /// # Errors
    /// Where all holders together exceed the limit.
    pub fn account(&self, what: &'static str, before: usize, now: usize) -> Result<(), QueryError> {
        let total = if now >= before {
            self.used_bytes.fetch_add(now - before, Ordering::Relaxed) + (now - before)
        } else {
            self.used_bytes.fetch_sub(before - now, Ordering::Relaxed);
            0
        };
        if total > self.memory_bytes {
            return Err(QueryError::OutOfMemory {
                what,
                limit_bytes: self.memory_bytes,
            });
        }
        Ok(())
    }
}
