//! What the parts of one server share.
//!
//! Must not know: what the parts do. Invariant: everything here outlives every task and thread of the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cluster::{Access, DeepStore, Dial, TaskGroup};
use common::clock::Clock;
use parking_lot::Mutex;
use proto::ControllerService;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::dimension::DimensionCache;
use crate::home::Home;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::reports::Reports;
use crate::tables::Tables;

/// Segments that are loaded at the same time.
const LOADS: usize = 4;

/// The common ground of a server.
pub(crate) struct Shared {
    pub(crate) instance_id: String,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) home: Home,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) controller: Arc<dyn ControllerService>,
    pub(crate) deep_store: DeepStore,
    pub(crate) access: Arc<Access>,
    /// How other servers are reached.
    pub(crate) dial: Dial,
    pub(crate) tables: Tables,
    pub(crate) dimensions: DimensionCache,
    pub(crate) reports: Reports,
    pub(crate) metrics: Metrics,
    pub(crate) peers: Peers,
    pub(crate) tasks: TaskGroup,
    /// The task that keeps this server registered.
    pub(crate) membership: TaskGroup,
    pub(crate) runtime: Handle,
    /// One permit a seal that may run: building is CPU work beside queries.
    pub(crate) seals: Semaphore,
    pub(crate) loads: Semaphore,
    pub(crate) started_ms: i64,
    /// Set once the cluster's state was seen.
    pub(crate) informed: AtomicBool,
    /// Set once everything was loaded and caught up.
    pub(crate) was_ready: AtomicBool,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What [`Shared::new`] takes over from the settings.
pub(crate) struct Parts {
    pub(crate) instance_id: String,
    pub(crate) host: String,
    pub(crate) tags: Vec<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) home: Home,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) controller: Arc<dyn ControllerService>,
    pub(crate) deep_store: DeepStore,
    pub(crate) access: Arc<Access>,
    pub(crate) dial: Dial,
}

impl Shared {
    pub(crate) fn new(parts: Parts, runtime: Handle) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            started_ms: parts.clock.now_ms(),
            instance_id: parts.instance_id,
            host: parts.host,
            tags: parts.tags,
            data_dir: parts.data_dir,
            home: parts.home,
            clock: parts.clock,
            controller: parts.controller,
            deep_store: parts.deep_store,
            access: parts.access,
            dial: parts.dial,
            tables: Tables::default(),
            dimensions: DimensionCache::default(),
            reports: Reports::default(),
            metrics: Metrics::default(),
            peers: Peers::default(),
            tasks: TaskGroup::new(),
            membership: TaskGroup::new(),
            runtime,
            seals: Semaphore::new((cores / 2).max(1)),
            loads: Semaphore::new(LOADS),
            informed: AtomicBool::new(false),
            was_ready: AtomicBool::new(false),
            stop: watch::channel(false).0,
            threads: Mutex::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ends when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Sleeps; false where the server stopped meanwhile.
    pub(crate) async fn sleep(&self, duration: Duration) -> bool {
        tokio::time::timeout(duration, self.stopped())
            .await
            .is_err()
    }

    /// Keeps a thread to wait for at shutdown.
    pub(crate) fn keep_thread(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads.lock();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// Tells every task and thread to end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends everything that runs for this server.
    pub(crate) async fn shutdown(&self) {
        self.stop();
        self.membership.shutdown().await;
        self.tasks.shutdown().await;
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a consumer ended abnormally");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("consumers could not be waited for");
        }
    }

    /// Nothing is missing: the first ask after everything was loaded and caught up makes the server ready for good.
    pub(crate) fn complaints(&self) -> Vec<String> {
        if self.was_ready.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut out = Vec::new();
        if !self.informed.load(Ordering::Relaxed) {
            out.push("the cluster's state is not known yet".to_owned());
        }
        for table in self.tables.all() {
            table.complaints(&self.instance_id, &mut out);
        }
        if out.is_empty() {
            self.was_ready.store(true, Ordering::Relaxed);
        }
        out
    }
}
