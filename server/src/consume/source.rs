//! A partition's reader with the messages that it has fetched and nobody took yet.
//!
//! Must not know: rows, segments. Invariant: messages are handed out once each, in order, and the place behind the last one is known.
//! It is parked between two segments, so that the next one starts without a new connection.

use ingest::stream::{FetchLimit, Offset, PartitionConsumer, StreamConnector, StreamError};
use ingest::{Message, MessageBatch};

/// A reader.
pub(crate) struct Parked {
    consumer: Box<dyn PartitionConsumer>,
    messages: MessageBatch,
    taken: usize,
    next: i64,
}

impl Parked {
    /// A reader from an offset on.
    pub(crate) fn open(
        connector: &dyn StreamConnector,
        partition: i32,
        start: i64,
    ) -> Result<Self, StreamError> {
        Ok(Self {
            consumer: connector.consumer(partition, Offset(start))?,
            messages: MessageBatch::default(),
            taken: 0,
            next: start,
        })
    }

    /// Goes on at an offset; a no-op where that is the place already.
    pub(crate) fn go_to(&mut self, offset: i64) -> Result<(), StreamError> {
        if offset != self.next {
            self.messages.clear();
            self.taken = 0;
            self.consumer.seek(Offset(offset))?;
            self.next = offset;
        }
        Ok(())
    }

    /// The offset of what comes next.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// True where a fetch is due.
    pub(crate) fn is_drained(&self) -> bool {
        self.taken >= self.messages.len()
    }

    /// Fetches; nothing may have come.
    pub(crate) fn fetch(&mut self, limit: FetchLimit) -> Result<(), StreamError> {
        self.taken = 0;
        self.consumer.fetch(&mut self.messages, limit)?;
        self.skip_gap();
        Ok(())
    }

    /// Records without a message (transaction markers) move the place on.
    fn skip_gap(&mut self) {
        if self.is_drained()
            && let Some(next) = self.messages.next_offset()
        {
            self.next = self.next.max(next);
        }
    }

    /// How many of the next messages there are, at most `most`, all of them before offset `end`.
    pub(crate) fn available(&self, most: usize, end: i64) -> usize {
        let left = self.messages.len().saturating_sub(self.taken).min(most);
        if end == i64::MAX {
            return left;
        }
        (0..left)
            .take_while(|at| {
                self.messages
                    .get(self.taken + at)
                    .is_some_and(|m| m.offset < end)
            })
            .count()
    }

    /// The next `count` messages.
    pub(crate) fn peek(&self, count: usize) -> impl Iterator<Item = Message<'_>> {
        (self.taken..self.taken + count).filter_map(|at| self.messages.get(at))
    }

    /// Says that `count` messages are taken care of.
    pub(crate) fn advance(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.taken += count;
        if let Some(last) = self.messages.get(self.taken - 1) {
            self.next = last.offset.saturating_add(1);
        }
        self.skip_gap();
    }
}
