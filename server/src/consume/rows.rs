//! Messages into rows, until an end criterion is met.
//!
//! Must not know: segment completion. Invariant: the position moves only past messages whose rows are published or which were counted as
//! refused.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ingest::stream::{FetchLimit, StreamError};
use segment::SegmentError;

use super::worker::{Halt, Worker, start_of};
use super::{Parked, Phase};

/// Messages that are made visible together.
const CHUNK: usize = 4096;
const FETCH_WAIT: Duration = Duration::from_millis(50);
/// An empty segment at its time limit is given so much more.
const EXTENSION_MS: i64 = 3_600_000;

pub(super) const ROW_LIMIT: &str = "rowLimit";
pub(super) const TIME_LIMIT: &str = "timeLimit";
pub(super) const FORCED: &str = "forceCommitMessageReceived";
pub(super) const CAPACITY: &str = "indexCapacityThresholdBreached";
pub(super) const AGREED: &str = "endOffsetAgreed";

impl Worker {
    /// Takes rows until the segment is to end, and says why.
    pub(super) fn take_rows(&mut self) -> Result<&'static str, Halt> {
        if let Some(reason) = self.end_reached() {
            return Ok(reason);
        }
        self.open_source()?;
        loop {
            if self.is_stopped() {
                return Err(Halt::Stopped);
            }
            if let Some(reason) = self.end_reached() {
                return Ok(reason);
            }
            self.take_chunk()?;
        }
    }

    fn open_source(&mut self) -> Result<(), Halt> {
        let position = self.state.position();
        let partition = self.state.stream_partition();
        if self.source.is_none() {
            let parked = self.table.parked.lock().remove(&self.state.partition);
            self.source = Some(match parked {
                Some(source) => source,
                None => Parked::open(self.state.connector.as_ref(), partition, position)?,
            });
        }
        if let Some(source) = &mut self.source {
            source.go_to(position)?;
        }
        if self.state.goal.load(Ordering::Acquire) == i64::MAX {
            let (_, high) = self.state.connector.range(partition)?;
            self.state.goal.store(high.0, Ordering::Release);
        }
        Ok(())
    }

    fn end_reached(&mut self) -> Option<&'static str> {
        let rows = u64::from(self.writer.rows());
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
        let left = self.row_limit.saturating_sub(u64::from(self.writer.rows()));
        let most = usize::try_from(left).unwrap_or(CHUNK).clamp(1, CHUNK);
        let end = self.state.end.load(Ordering::Acquire);
        let count = source.available(most, end);
        if count == 0 {
            // A gap at the end of what was fetched, or the agreed end lies within a gap.
            let next = if source.is_drained() {
                source.next()
            } else {
                end
            };
            self.state.position.fetch_max(next, Ordering::AcqRel);
            return Ok(());
        }
        self.batch.clear();
        let mut newest = None;
        let messages = source
            .peek(count)
            .inspect(|m| newest = m.timestamp_ms.or(newest));
        let outcome = self.pipeline.decode_into(messages, &mut self.batch);
        let now = self.shared.now_ms();
        if self.batch.rows() > 0 {
            match self.writer.append(&self.batch) {
                Ok(()) => self.writer.publish(now),
                Err(SegmentError::Full { .. }) if self.writer.rows() > 0 => {
                    self.full = true;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        source.advance(count);
        self.state.position.store(source.next(), Ordering::Release);
        self.state.last_consumed_ms.store(now, Ordering::Relaxed);
        if let Some(newest) = newest {
            self.state.last_message_ms.store(newest, Ordering::Relaxed);
            self.table
                .metrics
                .freshness
                .record_ms(now.saturating_sub(newest));
        }
        self.metrics.count(&outcome, source.next());
        self.table.errors.count(&self.record.name, &outcome, now);
        self.keep_rate(count)
    }

    /// Waits as long as the configured rate asks for.
    fn keep_rate(&self, count: usize) -> Result<(), Halt> {
        let Some(rate) = self.settings.partition_rate_limit else {
            return Ok(());
        };
        let pause = Duration::try_from_secs_f64(count as f64 / rate).unwrap_or_default();
        self.pause(pause)
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
