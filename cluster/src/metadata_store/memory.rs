//! The metadata store in memory, for tests and for clusters that need not outlive their process.
//!
//! Must not know: files. Invariant: as the trait's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{MetadataStore, Revisions, StoreError, Versioned, Write, conflict};

/// A store that forgets at the end of its process.
#[derive(Debug)]
pub struct MemoryStore {
    entries: Mutex<(u64, BTreeMap<String, Versioned>)>,
    revision: watch::Sender<u64>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            revision: watch::channel(0).0,
        }
    }
}

#[async_trait]
impl MetadataStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.entries.lock().1.get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        let entries = self.entries.lock();
        Ok(entries
            .1
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError> {
        let mut entries = self.entries.lock();
        for write in &batch {
            let there = entries.1.get(&write.key).map(|v| v.version);
            if let Some(conflict) = conflict(write, there) {
                return Err(conflict);
            }
        }
        let version = entries.0.saturating_add(1);
        entries.0 = version;
        for write in batch {
            match write.value {
                Some(value) => entries.1.insert(write.key, Versioned { version, value }),
                None => entries.1.remove(&write.key),
            };
        }
        self.revision.send_replace(version);
        Ok(version)
    }

    fn watch(&self, _prefix: &str) -> Revisions {
        self.revision.subscribe()
    }
}
