//! The thread of a consuming segment: open, take rows to the end, agree with the others, seal.
//!
//! Must not know: protocols' details (see `commit`), messages (see `rows`). Invariant: it ends only when the segment is sealed, given up to the
//! loader, or not wanted here any more; failures are waited out.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::table_config::StreamConfig;
use ingest::roll_up::RolledUp;
use ingest::stream::settings::StreamSettings;
use ingest::{Pipeline, RowBatch};
use proto::controller_service::{ReplicaState, SegmentRecord, TableView};
use segment::SegmentWriter;
use segment::build::Built;

use super::commit::Step;
use super::{Consuming, PARTITIONS_PER_TOPIC, Parked, Phase};
use crate::error::ServerError;
use crate::metrics::PartitionMetrics;
use crate::shared::Shared;
use crate::tables::{Connector, Table};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// So many failures in a row are enough of one client of the stream.
const FAILURES_OF_A_CLIENT: u32 = 3;
const LEAST_TIME_MS: i64 = 600_000;

/// Why the thread does not go on.
pub(super) enum Halt {
    /// Nobody wants it to.
    Stopped,
    /// Something failed; worth another try.
    Failed(ServerError),
}

impl<E: Into<ServerError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A consuming segment and everything it takes to fill it.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) table: Arc<Table>,
    /// The table as it was when the segment began: its columns do not change any more.
    pub(super) view: Arc<TableView>,
    pub(super) state: Arc<Consuming>,
    pub(super) record: SegmentRecord,
    pub(super) settings: StreamSettings,
    pub(super) pipeline: Pipeline,
    pub(super) batch: RowBatch,
    pub(super) writer: SegmentWriter,
    pub(super) source: Option<Parked>,
    /// The stream that is read.
    pub(super) stream: StreamConfig,
    /// The table as it was when the stream was last compared.
    pub(super) seen: Arc<TableView>,
    /// An earlier reading of the segment answers until this one has reached the end.
    pub(super) silent: bool,
    /// Another replica answers with more rows: this one is told of once it has read as far as the stream went when it began.
    pub(super) behind: bool,
    /// Since when the stream gave nothing.
    pub(super) idle: Option<Instant>,
    pub(super) metrics: Arc<PartitionMetrics>,
    pub(super) row_limit: u64,
    pub(super) ends_ms: i64,
    /// The segment cannot take another row.
    pub(super) full: bool,
    /// Rows by their dimensions, where the table aggregates while it consumes.
    pub(super) rollup: Option<RolledUp>,
    /// The sealed file is there; only what follows is tried again.
    pub(super) built: Option<Built>,
}

impl Worker {
    pub(super) fn new(
        shared: &Arc<Shared>,
        table: &Arc<Table>,
        record: &SegmentRecord,
    ) -> Result<Self, ServerError> {
        let view = table.view();
        let partition = record.partition.ok_or_else(|| {
            ServerError::Impossible(format!("segment `{}` has no stream partition", record.name))
        })?;
        let stream = stream_of(&view, partition)?;
        let settings = StreamSettings::parse(&stream)?;
        let connector = connector(table, partition, &stream)?;
        let decoder = settings.decoder()?;
        let clock = Arc::clone(&shared.clock);
        let pipeline = Pipeline::new(&view.schema, &view.config, decoder, clock)?;
        let (writer, _) =
            segment::MutableSegment::create(&record.name, &view.schema, &view.config)?;
        let start: i64 = start_of(record)?;
        let state = Consuming::new(record, partition, Arc::clone(&connector.1));
        state.position.store(start, Ordering::Release);
        if let Some(end) = record.end_offset.as_ref().and_then(|end| end.parse().ok()) {
            state.fix_end(end);
        }
        if view.paused || view.force_commit.contains(&record.name) {
            state.force();
        }
        let row_limit = record
            .flush_rows
            .or_else(|| settings.segment_rows(1))
            .unwrap_or(u64::MAX);
        Ok(Self {
            row_limit: row_limit.max(1),
            ends_ms: end_of_time(record, settings.flush_time_ms, shared.now_ms()),
            batch: pipeline.new_batch(),
            metrics: table.metrics.partition(&settings.topic, partition),
            shared: Arc::clone(shared),
            table: Arc::clone(table),
            state: Arc::new(state),
            record: record.clone(),
            source: None,
            seen: Arc::clone(&view),
            stream,
            silent: false,
            behind: false,
            idle: None,
            full: false,
            rollup: RolledUp::while_consuming(&view.schema, &view.config)?,
            built: None,
            settings,
            pipeline,
            writer,
            view,
        })
    }

    pub(super) fn state(&self) -> Arc<Consuming> {
        Arc::clone(&self.state)
    }

    /// Rows of the segment, as far as they count.
    pub(super) fn rows(&self) -> u64 {
        let rows = u64::from(self.writer.rows());
        self.rollup.as_ref().map_or(rows, RolledUp::len)
    }

    /// Lets queries see the segment.
    pub(super) fn publish(&mut self) {
        let overshot = self.table.overshot.lock().contains(&self.record.name);
        self.silent = overshot && self.state.has_end() && self.table.keys.is_none();
        if !self.silent {
            self.show();
        }
        if self.state.has_end() {
            // The rows that are still to be read were visible elsewhere: it answers when it has them.
            return;
        }
        self.behind = self.others_answer();
        if !self.behind {
            self.report(ReplicaState::Consuming, None);
        }
    }

    /// True where another replica of the segment answers.
    fn others_answer(&self) -> bool {
        let view = self.table.view();
        let replicas = view.external.get(&self.record.name).into_iter().flatten();
        replicas
            .filter(|(id, _)| **id != self.shared.instance_id)
            .any(|(_, state)| *state == ReplicaState::Consuming)
    }

    /// Tells of a segment that has caught up, or that nobody else answers for any more.
    pub(super) fn tell_once_caught_up(&mut self) {
        let caught_up = self.state.position() >= self.state.goal.load(Ordering::Acquire);
        if self.behind && (caught_up || !self.others_answer()) {
            self.behind = false;
            self.report(ReplicaState::Consuming, None);
        }
    }

    /// Puts the segment in the place of what answered under its name.
    fn show(&self) {
        self.table.begin(self.writer.segment());
        self.table.overshot.lock().remove(&self.record.name);
    }

    pub(super) fn report(&self, state: ReplicaState, error: Option<String>) {
        self.shared
            .reports
            .set(&self.table.name, &self.record.name, state, error);
    }

    /// True where the thread is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.state.is_stopped() || self.shared.is_stopping()
    }

    /// Waits for work or time; an error where the thread is to end.
    pub(super) fn wait_for<T>(
        &self,
        work: impl std::future::Future<Output = T>,
    ) -> Result<T, Halt> {
        self.shared.runtime.block_on(async {
            tokio::select! {
                done = work => Ok(done),
                () = self.state.stopped() => Err(Halt::Stopped),
                () = self.shared.stopped() => Err(Halt::Stopped),
            }
        })
    }

    /// Waits; an error where the thread is to end.
    pub(super) fn pause(&self, duration: Duration) -> Result<(), Halt> {
        nap(duration, || self.is_stopped());
        if self.is_stopped() {
            return Err(Halt::Stopped);
        }
        Ok(())
    }

    /// Runs to the segment's end.
    pub(super) fn run(mut self) {
        let (mut wait, mut failures) = (FIRST_WAIT, 0);
        loop {
            let before = self.state.position();
            match self.advance() {
                Ok(()) | Err(Halt::Stopped) => break,
                Err(Halt::Failed(error)) => {
                    tracing::warn!(table = self.table.name, segment = self.record.name, %error, "consumption is interrupted");
                    self.metrics.failures.fetch_add(1, Ordering::Relaxed);
                    self.state
                        .set_phase(Phase::Failing, Some(error.to_string()));
                }
            }
            failures += 1;
            if self.state.position() != before {
                (wait, failures) = (FIRST_WAIT, 0);
            }
            if failures > 0 && failures % FAILURES_OF_A_CLIENT == 0 {
                // A client may hold on to what it knows of brokers that were replaced; a new one asks afresh.
                self.source = None;
            }
            if self.pause(wait).is_err() {
                break;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            self.state.set_phase(Phase::Consuming, None);
        }
    }

    /// One way from consuming to sealed.
    fn advance(&mut self) -> Result<(), Halt> {
        loop {
            let reason = self.take_rows()?;
            self.park();
            if self.state.is_beyond_end() {
                return self.begin_again();
            }
            if std::mem::take(&mut self.silent) {
                self.show();
            }
            if std::mem::take(&mut self.behind) || reason == super::rows::AGREED {
                self.report(ReplicaState::Consuming, None);
            }
            self.state.set_phase(Phase::Holding, None);
            self.wait_for_turn()?;
            match self.agree(reason)? {
                Step::CatchUp(end) => {
                    self.state.fix_end(end);
                    self.state.set_phase(Phase::Consuming, None);
                }
                Step::Commit => {
                    self.state.set_phase(Phase::Committing, None);
                    self.commit()?;
                    return Ok(());
                }
                Step::Keep => {
                    self.state.set_phase(Phase::Committing, None);
                    self.keep()?;
                    return Ok(());
                }
                Step::Discard => {
                    self.table.finished.lock().insert(self.record.name.clone());
                    return Ok(());
                }
            }
        }
    }

    /// Rows beyond the agreed end are in the next segment too. This replica answers no more until it has read the segment again,
    /// up to its end.
    fn begin_again(&self) -> Result<(), Halt> {
        tracing::warn!(
            table = self.table.name,
            segment = self.record.name,
            "more was consumed than was agreed; the segment is read again"
        );
        let name = self.record.name.clone();
        self.table.overshot.lock().insert(name);
        self.report(ReplicaState::Offline, None);
        Ok(())
    }

    /// Rows that an earlier segment holds beyond its end are this one's: it begins once that one was read again.
    pub(super) fn wait_for_earlier(&self) -> Result<(), Halt> {
        loop {
            let earlier = |partition: u32, sequence: u32| {
                partition == self.state.partition && sequence < self.state.sequence
            };
            let beyond = self
                .table
                .consumers
                .lock()
                .values()
                .any(|other| earlier(other.partition, other.sequence) && other.is_beyond_end());
            let overshot = self.table.overshot.lock().iter().any(|name| {
                let (partition, sequence) = crate::upsert::place_of(name);
                earlier(partition, sequence)
            });
            if !beyond && !overshot {
                return Ok(());
            }
            self.pause(Duration::from_millis(10))?;
        }
    }

    /// Follows a stream map that changed while the segment is consumed.
    pub(super) fn follow_stream(&mut self) -> Result<(), Halt> {
        let view = self.table.view();
        if Arc::ptr_eq(&view, &self.seen) {
            return Ok(());
        }
        let stream = stream_of(&view, self.state.partition)?;
        if stream != self.stream {
            let settings = StreamSettings::parse(&stream)?;
            let (_, connector) = connector(&self.table, self.state.partition, &stream)?;
            tracing::info!(
                table = self.table.name,
                segment = self.record.name,
                "the stream is reached another way"
            );
            self.state.reconnect(connector);
            self.settings = settings;
            self.stream = stream;
            self.source = None;
            self.table.parked.lock().clear();
        }
        self.seen = view;
        Ok(())
    }

    /// Leaves the reader to the next segment.
    fn park(&mut self) {
        if let Some(source) = self.source.take() {
            self.table
                .parked
                .lock()
                .insert(self.state.partition, source);
        }
    }

    /// Segments of a partition are committed in order; at most one waits behind the one that is being sealed.
    fn wait_for_turn(&self) -> Result<(), Halt> {
        loop {
            let earlier = self.table.consumers.lock().values().any(|other| {
                other.partition == self.state.partition && other.sequence < self.state.sequence
            });
            if !earlier {
                return Ok(());
            }
            self.pause(Duration::from_millis(10))?;
        }
    }
}

/// The stream of a partition.
fn stream_of(view: &TableView, partition: u32) -> Result<StreamConfig, ServerError> {
    let topic = (partition / PARTITIONS_PER_TOPIC) as usize;
    let streams = view.config.streams();
    let stream = streams.get(topic).map(|stream| (*stream).clone());
    stream.ok_or_else(|| {
        ServerError::Impossible(format!(
            "table `{}` has no stream number {topic}",
            view.name
        ))
    })
}

/// What reaches a stream, shared by the partitions of its topic, with the map that it was made of.
fn connector(
    table: &Table,
    partition: u32,
    stream: &StreamConfig,
) -> Result<Connector, ServerError> {
    let topic = (partition / PARTITIONS_PER_TOPIC) as usize;
    let mut connectors = table.connectors.lock();
    if let Some(known) = connectors.get(&topic)
        && known.0 == *stream
    {
        return Ok(known.clone());
    }
    let made: Connector = (stream.clone(), Arc::from(ingest::stream::connect(stream)?));
    connectors.insert(topic, made.clone());
    Ok(made)
}

/// When a segment is sealed by its age. One that is old already when its consumption begins again is given some minutes first.
fn end_of_time(record: &SegmentRecord, flush_time_ms: i64, now_ms: i64) -> i64 {
    let least = now_ms.saturating_add(flush_time_ms.min(LEAST_TIME_MS));
    record.created_ms.saturating_add(flush_time_ms).max(least)
}

pub(super) fn start_of(record: &SegmentRecord) -> Result<i64, ServerError> {
    let text = record.start_offset.as_deref().unwrap_or_default();
    text.parse().map_err(|_| {
        ServerError::Impossible(format!(
            "segment `{}` starts at offset `{text}`, expected an integer",
            record.name
        ))
    })
}

/// Sleeps on a thread of its own, in small pieces: it ends early where `done` says so.
pub(super) fn nap(duration: Duration, done: impl Fn() -> bool) {
    const PIECE: Duration = Duration::from_millis(20);
    let mut left = duration;
    while !left.is_zero() && !done() {
        std::thread::sleep(left.min(PIECE));
        left = left.saturating_sub(PIECE);
    }
}
