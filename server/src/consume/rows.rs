//! Messages into rows, until an end criterion is met.
//!
//! Must not know: segment completion. Invariant: the position moves only past messages whose rows are published or which were counted as
//! refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::Schema;
use ingest::IngestOutcome;
use ingest::RowBatch;
use ingest::stream::{FetchLimit, StreamError};
use proto::controller_service::ReplicaState;
use segment::{SegmentError, SegmentWriter};

use super::worker::{Halt, Worker, start_of};
use super::{Consuming, PARTITIONS_PER_TOPIC, Parked, Phase};
use crate::error::ServerError;
use crate::tables::Table;
use crate::upsert::{self, Mode, Taken, Target};

/// Messages that are made visible together.
const CHUNK: usize = 4096;
/// How long a stream may give nothing until it is asked how far it goes.
const LOOK_WHEN_IDLE: Duration = Duration::from_secs(5);
const FETCH_WAIT: Duration = Duration::from_millis(50);
/// An empty segment at its time limit is given so much more.
const EXTENSION_MS: i64 = 3_600_000;

pub(super) const ROW_LIMIT: &str = "rowLimit";
pub(super) const TIME_LIMIT: &str = "timeLimit";
pub(super) const FORCED: &str = "forceCommitMessageReceived";
pub(super) const CAPACITY: &str = "indexCapacityThresholdBreached";
pub(super) const AGREED: &str = "endOffsetAgreed";

/// Rows that their key kept out are no rows of the segment.
fn note(outcome: &mut IngestOutcome, taken: &Taken) {
    outcome.rows = taken.rows;
    outcome.malformed += taken.refused;
    if taken.refused > 0 {
        let why = "rows without exactly one of the comparison columns";
        outcome.errors.push(format!("{} {why}", taken.refused));
    }
}

/// Adds a batch to its segment and shows it to queries.
fn add(
    table: &Table,
    schema: &Schema,
    state: &Consuming,
    writer: &mut SegmentWriter,
    batch: &mut RowBatch,
    now_ms: i64,
) -> Result<Option<Taken>, SegmentError> {
    let Some(keys) = &table.keys else {
        writer.append(batch)?;
        writer.publish(now_ms);
        return Ok(None);
    };
    let plan = keys.plan();
    let target = Target {
        plan: &plan,
        schema,
        writer,
        now_ms,
    };
    keys.partition(state.partition)
        .take(target, batch)
        .map(Some)
}

impl Worker {
    /// Takes rows until the segment is to end, and says why.
    pub(super) fn take_rows(&mut self) -> Result<&'static str, Halt> {
        if let Some(reason) = self.end_reached() {
            return Ok(reason);
        }
        self.wait_for_earlier_rows()?;
        self.wait_for_earlier()?;
        self.follow_stream()?;
        self.open_source()?;
        loop {
            if self.is_stopped() {
                return Err(Halt::Stopped);
            }
            self.follow_stream()?;
            if self.source.is_none() {
                self.open_source()?;
            }
            if let Some(reason) = self.end_reached() {
                return Ok(reason);
            }
            self.take_chunk()?;
            self.tell_once_caught_up();
        }
    }

    fn open_source(&mut self) -> Result<(), Halt> {
        let position = self.state.position();
        let partition = self.state.stream_partition();
        if self.source.is_none() {
            let parked = self.table.parked.lock().remove(&self.state.partition);
            self.source = Some(match parked {
                Some(source) => source,
                None => Parked::open(self.state.connector().as_ref(), partition, position)?,
            });
        }
        if let Some(source) = &mut self.source {
            source.go_to(position)?;
        }
        if self.state.goal.load(Ordering::Acquire) == i64::MAX {
            let (_, high) = self.state.connector().range(partition)?;
            self.state.goal.store(high.0, Ordering::Release);
        }
        Ok(())
    }

    fn end_reached(&mut self) -> Option<&'static str> {
        let rows = self.rows();
        let end = self.state.end.load(Ordering::Acquire);
        if end != i64::MAX {
            return (self.state.position() >= end).then_some(AGREED);
        }
        if rows >= self.row_limit {
            return Some(ROW_LIMIT);
        }
        if self.full {
            return Some(CAPACITY);
        }
        if self.state.forced.load(Ordering::Acquire) {
            return Some(FORCED);
        }
        let now = self.shared.now_ms();
        if now >= self.ends_ms {
            if rows > 0 {
                return Some(TIME_LIMIT);
            }
            self.ends_ms = now.saturating_add(EXTENSION_MS);
        }
        None
    }

    fn take_chunk(&mut self) -> Result<(), Halt> {
        let left = self.row_limit.saturating_sub(self.rows());
        let Some(source) = &mut self.source else {
            return Ok(());
        };
        if source.is_drained() {
            let limit = FetchLimit {
                wait: FETCH_WAIT,
                ..FetchLimit::default()
            };
            if let Err(error) = source.fetch(limit) {
                return self.recover(error);
            }
        }
        let most = usize::try_from(left).unwrap_or(CHUNK).clamp(1, CHUNK);
        let end = self.state.end.load(Ordering::Acquire);
        let count = source.available(most, end);
        if count == 0 {
            self.look_for_end()?;
            let Some(source) = &self.source else {
                return Ok(());
            };
            // A gap at the end of what was fetched, or the agreed end lies within a gap.
            let next = if source.is_drained() {
                source.next()
            } else {
                end
            };
            self.state.position.fetch_max(next, Ordering::AcqRel);
            return Ok(());
        }
        self.idle = None;
        self.batch.clear();
        let mut newest = None;
        let messages = source
            .peek(count)
            .inspect(|m| newest = m.timestamp_ms.or(newest));
        let mut outcome = self.pipeline.decode_into(messages, &mut self.batch);
        let now = self.shared.now_ms();
        if self.batch.rows() > 0 {
            let added = match &mut self.rollup {
                Some(rollup) => rollup
                    .add(&mut self.writer, &mut self.batch, now)
                    .map(|()| None),
                None => add(
                    &self.table,
                    &self.view.schema,
                    &self.state,
                    &mut self.writer,
                    &mut self.batch,
                    now,
                ),
            };
            match added {
                Ok(Some(taken)) => note(&mut outcome, &taken),
                Ok(None) => {}
                Err(SegmentError::Full { .. }) if self.writer.rows() > 0 => {
                    self.full = true;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        source.advance(count);
        let next = source.next();
        self.count(next, newest, &outcome, now);
        self.pack(now)?;
        self.keep_rate(count)
    }

    /// A stream that gives nothing for a while may have become another one, shorter than what was read.
    fn look_for_end(&mut self) -> Result<(), Halt> {
        let since = *self.idle.get_or_insert_with(Instant::now);
        if since.elapsed() < LOOK_WHEN_IDLE {
            return Ok(());
        }
        self.idle = Some(Instant::now());
        let partition = self.state.stream_partition();
        let wanted = self.state.position();
        let (low, high) = self.state.connector().range(partition)?;
        if high.0 >= wanted {
            return Ok(());
        }
        self.source = None;
        Err(ServerError::Impossible(format!(
            "partition {partition} of the stream ends at offset {}, before offset {wanted} that comes next: the topic was made anew or cut; POST \
             /tables/{}/resumeConsumption?consumeFrom=smallest after a pause begins at offset {}",
            high.0, self.table.name, low.0
        ))
        .into())
    }

    /// Moves the position on and says what became of the messages before it.
    fn count(&self, next: i64, newest: Option<i64>, outcome: &IngestOutcome, now: i64) {
        self.state.position.store(next, Ordering::Release);
        self.state.last_consumed_ms.store(now, Ordering::Relaxed);
        if let Some(newest) = newest {
            self.state.last_message_ms.store(newest, Ordering::Relaxed);
            let age = now.saturating_sub(newest);
            self.table.metrics.freshness.record_ms(age);
        }
        self.metrics.count(outcome, next);
        self.table.errors.count(&self.record.name, outcome, now);
    }

    /// Drops rows that were taken in by others, once they are too many.
    fn pack(&mut self, now_ms: i64) -> Result<(), Halt> {
        let Some(rollup) = &mut self.rollup else {
            return Ok(());
        };
        if rollup.is_loose(self.writer.rows()) {
            let view = &self.view;
            self.writer = rollup.pack(&self.writer, &view.schema, &view.config, now_ms)?;
            self.table.begin(self.writer.segment());
        }
        Ok(())
    }

    /// Rows of earlier segments decide about rows of one key: all of the partition are here first.
    fn wait_for_earlier_rows(&self) -> Result<(), Halt> {
        let Some(keys) = &self.table.keys else {
            return Ok(());
        };
        let may_lack = keys.plan().mode == Mode::Full;
        loop {
            let view = self.table.view();
            let missing = view.ideal.iter().any(|(name, replicas)| {
                let (partition, sequence) = upsert::place_of(name);
                let wanted = replicas.get(&self.shared.instance_id);
                partition == self.state.partition
                    && sequence < self.state.sequence
                    && matches!(wanted, Some(ReplicaState::Online | ReplicaState::Consuming))
                    && !self.is_whole(name)
                    && !(may_lack && self.failed(name))
            });
            if !missing {
                return Ok(());
            }
            self.pause(Duration::from_millis(20))?;
        }
    }

    /// True where every row of a segment is here.
    fn is_whole(&self, segment: &str) -> bool {
        let sealed = self.table.segments.get(segment);
        sealed.is_some_and(|held| held.sealed().is_some())
            || self
                .table
                .consumers
                .lock()
                .get(segment)
                .is_some_and(|consumer| consumer.has_all_rows())
    }

    fn failed(&self, segment: &str) -> bool {
        let state = self.shared.reports.get(&self.table.name, segment);
        state.is_some_and(|(state, _)| state == ReplicaState::Error)
    }

    /// Waits as long as the configured rate asks for.
    fn keep_rate(&self, count: usize) -> Result<(), Halt> {
        let of_topic = || {
            let rate = self.settings.topic_rate_limit?;
            Some(rate / self.partitions_of_topic() as f64)
        };
        let Some(rate) = self.settings.partition_rate_limit.or_else(of_topic) else {
            return Ok(());
        };
        let pause = Duration::try_from_secs_f64(count as f64 / rate).unwrap_or_default();
        self.pause(pause)
    }

    /// Partitions of the topic that the table consumes, on any server.
    fn partitions_of_topic(&self) -> usize {
        let topic = self.state.partition / PARTITIONS_PER_TOPIC;
        let view = self.table.view();
        let partitions = view.segments.values().filter_map(|record| record.partition);
        let distinct: BTreeSet<u32> = partitions
            .filter(|partition| partition / PARTITIONS_PER_TOPIC == topic)
            .collect();
        distinct.len().max(1)
    }

    /// What the stream no longer holds is skipped, with a loud word; everything else is tried again.
    fn recover(&mut self, error: StreamError) -> Result<(), Halt> {
        let StreamError::OutOfRange {
            wanted, low, high, ..
        } = &error
        else {
            return Err(error.into());
        };
        if wanted >= low || low.0 < 0 {
            return Err(error.into());
        }
        tracing::error!(
            table = self.table.name,
            segment = self.record.name,
            from = wanted.0,
            to = low.0,
            high = high.0,
            "the stream dropped messages before they were consumed"
        );
        self.metrics.lost.fetch_add(
            low.0.saturating_sub(wanted.0).unsigned_abs(),
            Ordering::Relaxed,
        );
        if let Some(source) = &mut self.source {
            source.go_to(low.0)?;
        }
        self.state.position.store(low.0, Ordering::Release);
        self.state.set_phase(Phase::Consuming, None);
        Ok(())
    }

    /// Offsets of the segment so far.
    pub(super) fn offsets(&self) -> Result<(i64, i64), Halt> {
        Ok((start_of(&self.record)?, self.state.position()))
    }

    /// What queries read of the segment, now complete.
    pub(super) fn frozen(&self) -> Arc<dyn segment::Segment> {
        self.writer.segment().snapshot()
    }
}
