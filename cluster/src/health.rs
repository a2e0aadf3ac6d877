//! Whether a process lives and is ready.
//!
//! Must not know: HTTP. Invariant: ready only while every named part is.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// Readiness by part; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<String, Result<(), String>>>>,
}

impl Health {
    /// Says that a part is ready.
    pub fn ready(&self, part: &str) {
        self.parts.write().insert(part.to_owned(), Ok(()));
    }

    /// Says that a part is not ready, and why.
    pub fn not_ready(&self, part: &str, why: impl Into<String>) {
        self.parts.write().insert(part.to_owned(), Err(why.into()));
    }

    /// Everything that is not ready, `part: why`; empty means ready.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let parts = self.parts.read();
        let complaint = |(part, state): (&String, &Result<(), String>)| match state {
            Ok(()) => None,
            Err(why) => Some(format!("{part}: {why}")),
        };
        parts.iter().filter_map(complaint).collect()
    }

    /// True where nothing complains.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.complaints().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn every_part_counts() {
        let health = Health::default();
        assert!(health.is_ready());
        health.not_ready("store", "opening");
        assert_eq!(health.clone().complaints(), ["store: opening"]);
        health.ready("store");
        assert!(health.is_ready());
    }
}
