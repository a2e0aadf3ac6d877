//! Queries that another connection may cancel.
//!
//! Must not know: how a query is cancelled. Invariant: only who has the key of a session cancels its query.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;

/// The sessions that run, by number: key, and id of the query that runs.
#[derive(Default)]
pub(crate) struct Cancels {
    sessions: Mutex<HashMap<i32, (i32, Option<String>)>>,
    next: AtomicI32,
}

/// A session's place; gives it back when it goes.
pub(crate) struct Place {
    all: Arc<Cancels>,
    /// Number of the session.
    pub(crate) pid: i32,
    /// Its key.
    pub(crate) key: i32,
}

impl Cancels {
    /// A place for a new session.
    pub(crate) fn enter(self: &Arc<Self>) -> Place {
        let key = rand::random();
        let mut sessions = self.sessions.lock();
        // Numbers of sessions that still run are not given again.
        let pid = loop {
            let pid = self.next.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if pid > 0 && !sessions.contains_key(&pid) {
                break pid;
            }
        };
        sessions.insert(pid, (key, None));
        drop(sessions);
        Place {
            all: Arc::clone(self),
            pid,
            key,
        }
    }

    /// The query that is to be cancelled, where one runs and the key is right.
    pub(crate) fn query(&self, pid: i32, key: &[u8]) -> Option<String> {
        let sessions = self.sessions.lock();
        let (own, query) = sessions.get(&pid)?;
        if own.to_be_bytes() == key {
            query.clone()
        } else {
            None
        }
    }
}

impl Place {
    /// Notes the query that runs.
    pub(crate) fn runs(&self, query: Option<String>) {
        if let Some(session) = self.all.sessions.lock().get_mut(&self.pid) {
            session.1 = query;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.sessions.lock().remove(&self.pid);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Cancels;

    #[test]
    fn a_wrong_key_cancels_nothing() {
        let all = Arc::new(Cancels::default());
        let place = all.enter();
        assert_eq!(all.query(place.pid, &place.key.to_be_bytes()), None);
        place.runs(Some("q".to_owned()));
        assert_eq!(
            all.query(place.pid, &place.key.to_be_bytes()).as_deref(),
            Some("q")
        );
        assert_eq!(
            all.query(place.pid, &place.key.wrapping_add(1).to_be_bytes()),
            None
        );
        let (pid, key) = (place.pid, place.key);
        drop(place);
        assert_eq!(all.query(pid, &key.to_be_bytes()), None);
    }
}
