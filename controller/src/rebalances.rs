//! Rebalances that this process carries out: how far each is, and whether it is to end early.
//!
//! Must not know: HTTP, servers. Invariant: a rebalance that ended keeps its last word; at most a fixed number are remembered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Rebalances that are remembered.
const REMEMBERED: usize = 200;

/// One rebalance.
pub(crate) struct Rebalance {
    pub(crate) table: String,
    pub(crate) started_ms: i64,
    /// Replicas that are to be added.
    pub(crate) total: usize,
    /// Those that do not answer yet.
    pub(crate) remaining: AtomicUsize,
    cancelled: AtomicBool,
    outcome: Mutex<Option<(&'static str, String, i64)>>,
}

impl Rebalance {
    pub(crate) fn new(table: &str, started_ms: i64, total: usize) -> Self {
        Self {
            table: table.to_owned(),
            started_ms,
            total,
            remaining: AtomicUsize::new(total),
            cancelled: AtomicBool::new(false),
            outcome: Mutex::new(None),
        }
    }

    /// Asks it to end; false where it ended already.
    pub(crate) fn cancel(&self) -> bool {
        if self.outcome.lock().is_some() {
            return false;
        }
        self.cancelled.store(true, Ordering::Release);
        true
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Notes how it ended: `DONE`, `CANCELLED` or `FAILED`, a text, and when.
    pub(crate) fn end(&self, word: &'static str, text: String, now_ms: i64) {
        *self.outcome.lock() = Some((word, text, now_ms));
    }

    /// How it ended, where it did.
    pub(crate) fn outcome(&self) -> Option<(&'static str, String, i64)> {
        self.outcome.lock().clone()
    }
}

/// Rebalances by job id.
#[derive(Default)]
pub(crate) struct Rebalances(Mutex<BTreeMap<String, Arc<Rebalance>>>);

impl Rebalances {
    pub(crate) fn put(&self, id: &str, rebalance: Arc<Rebalance>) {
        let mut all = self.0.lock();
        while all.len() >= REMEMBERED {
            let oldest = all
                .iter()
                .min_by_key(|(_, r)| r.started_ms)
                .map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            all.remove(&oldest);
        }
        all.insert(id.to_owned(), rebalance);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Rebalance>> {
        self.0.lock().get(id).cloned()
    }

    /// Cancels those of a table that go on; their ids.
    pub(crate) fn cancel_of(&self, table: &str) -> Vec<String> {
        let all = self.0.lock();
        let cancelled = all.iter().filter(|(_, r)| r.table == table && r.cancel());
        cancelled.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Rebalance, Rebalances};

    #[test]
    fn only_what_goes_on_is_cancelled() {
        let all = Rebalances::default();
        for (id, table) in [("1", "a"), ("2", "a"), ("3", "b")] {
            all.put(id, Arc::new(Rebalance::new(table, 0, 1)));
        }
        if let Some(done) = all.get("1") {
            done.end("DONE", String::new(), 1);
        }
        assert_eq!(all.cancel_of("a"), ["2"]);
        assert!(all.get("3").is_some_and(|r| !r.is_cancelled()));
    }
}
