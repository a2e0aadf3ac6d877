//! What may fail: the metadata store of one controller, the deep store, the stream.
//!
//! Must not know: servers. Invariants: a batch of the metadata store is written whole or not at all; an object of the deep store appears
//! whole or not at all; the stream gives the same rows for the same offsets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use cluster::metadata_store::Revisions;
use cluster::{MemoryStore, MetadataStore, StoreError, Versioned, Write};
use common::table_config::StreamConfig;
use controller::streams::{StartAt, StreamError, StreamMetadata};

/// A number that depends on nothing but the seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(Arc<AtomicU64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let start = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
        Self(Arc::new(AtomicU64::new(start | 1)))
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Relaxed);
        (x >> 11) % limit.max(1)
    }

    pub(crate) fn one_in(&self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// Whether things fail, for all of a story.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) random: Random,
    pub(crate) faulty: Arc<AtomicBool>,
}

impl Weather {
    pub(crate) fn fails(&self, one_in: u64) -> bool {
        self.faulty.load(Ordering::Relaxed) && self.random.one_in(one_in)
    }

    /// Lets others go first, some times.
    pub(crate) async fn pause(&self) {
        for _ in 0..self.random.below(3) {
            tokio::task::yield_now().await;
        }
    }
}

/// The metadata store as one run of the controller sees it; it is useless once that run is over.
pub(crate) struct OfOneRun {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) weather: Weather,
    pub(crate) over: Arc<AtomicBool>,
}

impl OfOneRun {
    async fn turn(&self) -> Result<(), StoreError> {
        self.weather.pause().await;
        let over = self.over.load(Ordering::Relaxed);
        if over || self.weather.fails(40) {
            return Err(StoreError::Internal {
                doing: "answer".to_owned(),
                source: "a fault of the story".into(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl MetadataStore for OfOneRun {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.turn().await?;
        self.store.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        self.turn().await?;
        self.store.list(prefix).await
    }

    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.turn().await?;
        let revision = self.store.write(batch).await?;
        // Written, and not answered yet: here a crash, or a caller that goes away, hurts most.
        self.weather.pause().await;
        Ok(revision)
    }

    fn watch(&self, prefix: &str) -> Revisions {
        self.store.watch(prefix)
    }
}

/// The deep store.
#[derive(Clone)]
pub(crate) struct Depot {
    objects: Rc<RefCell<BTreeMap<String, Vec<u64>>>>,
    weather: Weather,
}

impl Depot {
    pub(crate) fn new(weather: Weather) -> Self {
        Self {
            objects: Rc::default(),
            weather,
        }
    }

    pub(crate) async fn put(&self, uri: &str, rows: Vec<u64>) -> Result<(), String> {
        self.weather.pause().await;
        if self.weather.fails(5) {
            return Err("the upload failed".to_owned());
        }
        self.objects.borrow_mut().insert(uri.to_owned(), rows);
        self.weather.pause().await;
        if self.weather.fails(5) {
            return Err("the upload was not answered".to_owned());
        }
        Ok(())
    }

    /// The rows of an object.
    pub(crate) fn rows(&self, uri: &str) -> Option<Vec<u64>> {
        self.objects.borrow().get(uri).cloned()
    }

    pub(crate) async fn get(&self, uri: &str) -> Result<Vec<u64>, String> {
        self.weather.pause().await;
        if self.weather.fails(5) {
            return Err("the download failed".to_owned());
        }
        let found = self.objects.borrow().get(uri).cloned();
        found.ok_or_else(|| format!("`{uri}` is not in the deep store"))
    }
}

/// The topic: so many offsets by partition, one in seven of them without a row, as transactions leave them.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    ends: Arc<Vec<AtomicU64>>,
    weather: Weather,
}

impl Topic {
    pub(crate) fn new(partitions: usize, weather: Weather) -> Self {
        let ends = (0..partitions).map(|_| AtomicU64::new(0)).collect();
        Self {
            ends: Arc::new(ends),
            weather,
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn produce(&self, partition: usize, rows: u64) {
        self.ends[partition].fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, partition: usize) -> u64 {
        self.ends[partition].load(Ordering::Relaxed)
    }

    /// The row of an offset.
    pub(crate) fn row(partition: usize, offset: u64) -> Option<u64> {
        (offset % 7 != 3).then_some((partition as u64) << 32 | offset)
    }

    /// Every row between two offsets.
    pub(crate) fn rows(partition: usize, from: u64, to: u64) -> Vec<u64> {
        (from..to)
            .filter_map(|at| Self::row(partition, at))
            .collect()
    }

    /// Where the next fetch goes on, and whether it gave anything.
    pub(crate) async fn fetch(
        &self,
        partition: usize,
        from: u64,
        most: u64,
    ) -> Result<u64, String> {
        self.weather.pause().await;
        if self.weather.fails(10) {
            return Err("the stream did not answer".to_owned());
        }
        let end = self.end(partition);
        let most = 1 + self.weather.random.below(most);
        Ok(end.min(from + most).max(from))
    }
}

#[async_trait]
impl StreamMetadata for Topic {
    async fn partitions(&self, _: &StreamConfig) -> Result<Vec<u32>, StreamError> {
        self.weather.pause().await;
        if self.weather.fails(8) {
            return Err(StreamError::Unreachable("a fault of the story".to_owned()));
        }
        Ok((0..self.ends.len() as u32).collect())
    }

    async fn resolve_offset(
        &self,
        _: &StreamConfig,
        _: u32,
        _: &StartAt,
    ) -> Result<String, StreamError> {
        self.weather.pause().await;
        if self.weather.fails(8) {
            return Err(StreamError::Unreachable("a fault of the story".to_owned()));
        }
        Ok("0".to_owned())
    }
}
