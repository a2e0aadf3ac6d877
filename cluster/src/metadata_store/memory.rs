//! The metadata store in memory, for tests and for clusters that need not outlive their process.
//!
//! Must not know: files. Invariant: as the traits'; who lets the seat's time pass has lost it, even if nobody else took it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::shared::{Followed, SEAT, SharedStore, Step, Term};
use super::{MetadataStore, Revisions, StoreError, Versioned, Write, conflict};

/// How long a holder who says nothing keeps the seat.
const SEAT_TIME: Duration = Duration::from_millis(600);
/// Steps that a slow follower may be behind before it must look anew.
const BEHIND: usize = 1024;

/// A store that forgets at the end of its process.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
    revision: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    revision: u64,
    entries: BTreeMap<String, Versioned>,
    /// Term of the seat's holder, and until when it is kept.
    seat: Option<(Term, Instant)>,
    followers: Vec<mpsc::Sender<(u64, Step)>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            revision: watch::channel(0).0,
        }
    }
}

impl Inner {
    fn write(&mut self, batch: Vec<Write>) -> Result<u64, StoreError> {
        for write in &batch {
            let there = self.entries.get(&write.key).map(|v| v.version);
            if let Some(conflict) = conflict(write, there) {
                return Err(conflict);
            }
        }
        let version = self.revision.saturating_add(1);
        self.revision = version;
        let mut step = Step::new();
        for write in batch {
            step.push((write.key.clone(), write.value.clone()));
            match write.value {
                Some(value) => self.entries.insert(write.key, Versioned { version, value }),
                None => self.entries.remove(&write.key),
            };
        }
        self.followers
            .retain(|follower| follower.try_send((version, step.clone())).is_ok());
        Ok(version)
    }

    /// Empties the seat of somebody whose time has passed.
    fn expire(&mut self) -> Result<(), StoreError> {
        if self.seat.is_some_and(|(_, until)| until <= Instant::now()) {
            self.seat = None;
            self.write(vec![Write::delete(SEAT.to_owned())])?;
        }
        Ok(())
    }

    fn holds(&self, term: &Term) -> bool {
        self.seat.is_some_and(|(held, _)| held == *term)
    }
}

impl MemoryStore {
    fn change<T>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut inner = self.inner.lock();
        inner.expire()?;
        let done = work(&mut inner);
        self.revision.send_replace(inner.revision);
        done
    }
}

#[async_trait]
impl MetadataStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.inner.lock().entries.get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        let inner = self.inner.lock();
        Ok(inner
            .entries
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.change(|inner| inner.write(batch))
    }

    fn watch(&self, _prefix: &str) -> Revisions {
        self.revision.subscribe()
    }
}

#[async_trait]
impl SharedStore for MemoryStore {
    async fn take_seat(&self, holder: &str) -> Result<Option<Term>, StoreError> {
        self.change(|inner| {
            if inner.seat.is_some() {
                return Ok(None);
            }
            let taken = Write::put(SEAT.to_owned(), holder.as_bytes().to_vec());
            let number = inner.write(vec![taken])?;
            let term = Term { number, lease: 0 };
            inner.seat = Some((term, Instant::now() + SEAT_TIME));
            Ok(Some(term))
        })
    }

    async fn keep_seat(&self, term: &Term) -> Result<bool, StoreError> {
        self.change(|inner| {
            let holds = inner.holds(term);
            if holds {
                inner.seat = Some((*term, Instant::now() + SEAT_TIME));
            }
            Ok(holds)
        })
    }

    async fn leave_seat(&self, term: &Term) -> Result<(), StoreError> {
        self.change(|inner| {
            if inner.holds(term) {
                inner.seat = None;
                inner.write(vec![Write::delete(SEAT.to_owned())])?;
            }
            Ok(())
        })
    }

    async fn write_in(&self, term: &Term, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.change(|inner| {
            if inner.holds(term) {
                inner.write(batch)
            } else {
                Err(StoreError::Deposed)
            }
        })
    }

    async fn follow(&self) -> Result<Followed, StoreError> {
        self.change(|inner| {
            let (sender, steps) = mpsc::channel(BEHIND);
            inner.followers.push(sender);
            let entries = inner.entries.iter();
            Ok(Followed {
                revision: inner.revision,
                entries: entries.map(|(k, v)| (k.clone(), v.clone())).collect(),
                steps,
            })
        })
    }

    fn seat_ms(&self) -> u64 {
        SEAT_TIME.as_millis() as u64
    }
}
