//! What this server tells the controller about its replicas.
//!
//! Must not know: how states are reached. Invariant: the controller hears the last state of every replica, however often a call fails;
//! a state that it knows is not sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use proto::controller_service::{ReplicaReport, ReplicaState};
use proto::{ControllerService, ServiceError};
use tokio::sync::Notify;

type Key = (String, String);

#[derive(Default)]
struct Book {
    states: BTreeMap<Key, (ReplicaState, Option<String>)>,
    unsent: BTreeSet<Key>,
}

/// States of the replicas, and which of them are still to be sent.
#[derive(Default)]
pub(crate) struct Reports {
    book: Mutex<Book>,
    changed: Notify,
}

impl Reports {
    /// Notes a state.
    pub(crate) fn set(
        &self,
        table: &str,
        segment: &str,
        state: ReplicaState,
        error: Option<String>,
    ) {
        let key = (table.to_owned(), segment.to_owned());
        let mut book = self.book.lock();
        let new = (state, error);
        if book.states.get(&key) == Some(&new) {
            return;
        }
        book.states.insert(key.clone(), new);
        book.unsent.insert(key);
        drop(book);
        self.changed.notify_one();
    }

    /// The state that was noted last.
    #[must_use]
    pub(crate) fn get(&self, table: &str, segment: &str) -> Option<(ReplicaState, Option<String>)> {
        let key = (table.to_owned(), segment.to_owned());
        self.book.lock().states.get(&key).cloned()
    }

    /// Everything is to be sent again: the controller has forgotten this server.
    pub(crate) fn resend(&self) {
        let mut book = self.book.lock();
        book.unsent = book.states.keys().cloned().collect();
        drop(book);
        self.changed.notify_one();
    }

    /// Forgets a table that is gone.
    pub(crate) fn forget(&self, table: &str) {
        let mut book = self.book.lock();
        book.states.retain(|(of, _), _| of != table);
        book.unsent.retain(|(of, _)| of != table);
    }

    fn take(&self) -> Vec<ReplicaReport> {
        let mut book = self.book.lock();
        let unsent = std::mem::take(&mut book.unsent);
        let mut reports = Vec::with_capacity(unsent.len());
        for key in unsent {
            let Some((state, error)) = book.states.get(&key).cloned() else {
                continue;
            };
            if state == ReplicaState::Dropped {
                book.states.remove(&key);
            }
            reports.push(ReplicaReport {
                table: key.0,
                segment: key.1,
                state,
                error,
            });
        }
        reports
    }

    fn give_back(&self, reports: Vec<ReplicaReport>) {
        let mut book = self.book.lock();
        for report in reports {
            let key = (report.table, report.segment);
            book.states
                .entry(key.clone())
                .or_insert((report.state, report.error));
            book.unsent.insert(key);
        }
    }

    /// Sends what changes, forever.
    pub(crate) async fn run(&self, controller: &dyn ControllerService, instance_id: &str) {
        let mut wait = Duration::from_millis(50);
        loop {
            let reports = self.take();
            if reports.is_empty() {
                self.changed.notified().await;
                continue;
            }
            match controller.report(instance_id, reports.clone()).await {
                Ok(()) => wait = Duration::from_millis(50),
                Err(error) => {
                    if let ServiceError::Refused(why) = &error {
                        tracing::warn!(why, "the controller refused the replica states");
                    }
                    self.give_back(reports);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(2));
                }
            }
        }
    }
}
