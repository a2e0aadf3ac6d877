//! Consumption: one thread a consuming segment, from its first offset to its seal.
//!
//! Must not know: how the cluster decides. Invariant: rows of a segment are exactly those between its start and its end offset; what is in
//! memory is lost with the process and read again from the start offset.

mod commit;
mod rows;
mod source;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use ingest::stream::StreamConnector;
use parking_lot::Mutex;
use proto::controller_service::{ReplicaState, SegmentRecord};
use tokio::sync::watch;

use crate::shared::Shared;
use crate::tables::Table;
use worker::Worker;

pub(crate) use source::Parked;

/// Partitions of one table are numbered `topic index * this + partition`.
pub(crate) const PARTITIONS_PER_TOPIC: u32 = 10_000;

/// How long a segment rests whose consumer met a defect.
const AFTER_DEFECT: Duration = Duration::from_secs(5);

/// What a consuming segment is doing, as REST names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Taking rows, or waiting for them.
    Consuming,
    /// Full; waiting for the other replicas or for an earlier segment.
    Holding,
    /// Being sealed and uploaded.
    Committing,
    /// It cannot go on at the moment, and is tried again.
    Failing,
}

/// A consuming segment as others see it.
pub(crate) struct Consuming {
    pub(crate) segment: String,
    pub(crate) partition: u32,
    pub(crate) sequence: u32,
    connector: Mutex<Arc<dyn StreamConnector>>,
    /// The next offset to read.
    position: AtomicI64,
    /// The end of the stream when consumption began; `i64::MAX` while unknown.
    goal: AtomicI64,
    /// The offset at which the segment ends, once it is agreed; `i64::MAX` until then.
    end: AtomicI64,
    pub(crate) last_consumed_ms: AtomicI64,
    pub(crate) last_message_ms: AtomicI64,
    forced: AtomicBool,
    phase: Mutex<(Phase, Option<String>)>,
    stop: watch::Sender<bool>,
}

impl Consuming {
    fn new(record: &SegmentRecord, partition: u32, connector: Arc<dyn StreamConnector>) -> Self {
        Self {
            segment: record.name.clone(),
            partition,
            sequence: record.sequence.unwrap_or(0),
            connector: Mutex::new(connector),
            position: AtomicI64::new(0),
            goal: AtomicI64::new(i64::MAX),
            end: AtomicI64::new(i64::MAX),
            last_consumed_ms: AtomicI64::new(0),
            last_message_ms: AtomicI64::new(0),
            forced: AtomicBool::new(false),
            phase: Mutex::new((Phase::Consuming, None)),
            stop: watch::channel(false).0,
        }
    }

    /// What reaches the stream now.
    pub(crate) fn connector(&self) -> Arc<dyn StreamConnector> {
        Arc::clone(&self.connector.lock())
    }

    /// The stream is reached another way from now on.
    fn reconnect(&self, connector: Arc<dyn StreamConnector>) {
        *self.connector.lock() = connector;
    }

    /// The partition's number within its topic.
    pub(crate) fn stream_partition(&self) -> i32 {
        (self.partition % PARTITIONS_PER_TOPIC) as i32
    }

    pub(crate) fn position(&self) -> i64 {
        self.position.load(Ordering::Acquire)
    }

    /// True once everything that the stream held at the start is in the segment.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.position() >= self.goal.load(Ordering::Acquire) || self.phase().0 != Phase::Consuming
    }

    pub(crate) fn phase(&self) -> (Phase, Option<String>) {
        self.phase.lock().clone()
    }

    fn set_phase(&self, phase: Phase, why: Option<String>) {
        *self.phase.lock() = (phase, why);
    }

    /// The segment ends at this offset, whatever its size.
    pub(crate) fn fix_end(&self, end: i64) {
        self.end.store(end, Ordering::Release);
    }

    fn has_end(&self) -> bool {
        self.end.load(Ordering::Acquire) != i64::MAX
    }

    /// True where rows were taken that belong to the next segment.
    fn is_beyond_end(&self) -> bool {
        self.position() > self.end.load(Ordering::Acquire)
    }

    /// The segment is to be committed as it is.
    pub(crate) fn force(&self) {
        self.forced.store(true, Ordering::Release);
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        let _ = stop.wait_for(|stopped| *stopped).await;
    }
}

/// Starts to consume a segment.
pub(crate) fn start(shared: &Arc<Shared>, table: &Arc<Table>, record: &SegmentRecord) {
    let mut worker = match Worker::new(shared, table, record) {
        Ok(worker) => worker,
        Err(error) => {
            tracing::error!(table = table.name, segment = record.name, %error, "segment cannot be consumed");
            let state = ReplicaState::Error;
            let why = Some(error.to_string());
            shared.reports.set(&table.name, &record.name, state, why);
            return;
        }
    };
    let state = worker.state();
    table
        .consumers
        .lock()
        .insert(record.name.clone(), Arc::clone(&state));
    worker.publish();
    let thread = std::thread::Builder::new().name(format!("consume-{}", record.name));
    let (of, at) = (Arc::clone(shared), Arc::clone(table));
    let run = move || {
        if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
            give_up(&of, &at, &state);
        }
        finish(&of, &at, &state);
    };
    match thread.spawn(run) {
        Ok(thread) => shared.keep_thread(thread),
        Err(error) => {
            tracing::error!(segment = record.name, %error, "no thread for a consumer");
            table.consumers.lock().remove(&record.name);
        }
    }
}

/// A defect ended the thread: the segment is consumed again from its start, after a while.
fn give_up(shared: &Shared, table: &Table, state: &Consuming) {
    let stopped = || state.is_stopped() || shared.is_stopping();
    if stopped() {
        return;
    }
    tracing::error!(
        table = table.name,
        segment = state.segment,
        "a consumer met a defect"
    );
    let why = "internal error while consuming".to_owned();
    shared
        .reports
        .set(&table.name, &state.segment, ReplicaState::Error, Some(why));
    table.parked.lock().remove(&state.partition);
    worker::nap(AFTER_DEFECT, stopped);
}

/// Takes a consumer off the list, unless another one took its place, and sees what is to be done about its segment now.
fn finish(shared: &Arc<Shared>, table: &Arc<Table>, state: &Arc<Consuming>) {
    let stopped = state.is_stopped() || shared.is_stopping();
    {
        let mut consumers = table.consumers.lock();
        let mine = consumers
            .get(&state.segment)
            .is_some_and(|c| Arc::ptr_eq(c, state));
        if mine {
            consumers.remove(&state.segment);
        }
    }
    if !stopped {
        // On a thread of the runtime: what follows may start tasks.
        let (of, at) = (Arc::clone(shared), Arc::clone(table));
        shared
            .runtime
            .spawn(async move { crate::reconcile::settle(&of, &at) });
    }
}
