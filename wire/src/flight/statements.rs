//! Prepared statements, kept until they are closed.
//!
//! Must not know: calls. Invariant: a statement is the caller's who prepared it, and their number is bounded.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;
use tonic::Status;

/// Statements that are kept; those that come after drive out the oldest.
const MOST: usize = 10_000;

/// A statement with the values that were bound.
#[derive(Clone)]
pub(super) struct Held {
    /// The caller's name.
    pub(super) caller: String,
    /// The text, with `?` for values.
    pub(super) sql: String,
    /// Literals of the values.
    pub(super) values: Vec<String>,
    since: Instant,
}

/// All of them, by handle.
#[derive(Default)]
pub(super) struct Statements(Mutex<HashMap<Vec<u8>, Held>>);

impl Statements {
    /// Keeps one; back comes its handle.
    pub(super) fn keep(&self, caller: &str, sql: &str) -> Vec<u8> {
        let handle: [u8; 16] = rand::random();
        let held = Held {
            caller: caller.to_owned(),
            sql: sql.to_owned(),
            values: Vec::new(),
            since: Instant::now(),
        };
        let mut all = self.0.lock();
        if all.len() >= MOST {
            let oldest = all
                .iter()
                .min_by_key(|(_, held)| held.since)
                .map(|(h, _)| h.clone());
            oldest.map(|oldest| all.remove(&oldest));
        }
        all.insert(handle.to_vec(), held);
        handle.to_vec()
    }

    /// One of a caller's.
    pub(super) fn get(&self, caller: &str, handle: &[u8]) -> Result<Held, Status> {
        let all = self.0.lock();
        let found = all.get(handle).filter(|held| held.caller == caller);
        found.cloned().ok_or_else(|| {
            Status::not_found("no such prepared statement: it was closed, or never prepared here")
        })
    }

    /// Binds values.
    pub(super) fn bind(
        &self,
        caller: &str,
        handle: &[u8],
        values: Vec<String>,
    ) -> Result<(), Status> {
        self.get(caller, handle)?;
        if let Some(held) = self.0.lock().get_mut(handle) {
            held.values = values;
        }
        Ok(())
    }

    /// Closes one.
    pub(super) fn close(&self, caller: &str, handle: &[u8]) {
        if self.get(caller, handle).is_ok() {
            self.0.lock().remove(handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Statements;

    #[test]
    fn a_statement_is_its_callers() -> Result<(), tonic::Status> {
        let all = Statements::default();
        let handle = all.keep("me", "SELECT ?");
        all.bind("me", &handle, vec!["1".to_owned()])?;
        assert_eq!(all.get("me", &handle)?.values, ["1"]);
        assert!(all.get("you", &handle).is_err());
        all.close("you", &handle);
        assert!(all.get("me", &handle).is_ok());
        all.close("me", &handle);
        assert!(all.get("me", &handle).is_err());
        Ok(())
    }
}
