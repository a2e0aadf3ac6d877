//! A stream in memory, for tests, simulation and embedding: topics by name, appended to by [`MemoryTopic::append`].
//!
//! Must not know: Kafka. Invariant: a topic behaves like a Kafka topic without retention, until [`MemoryTopic::trim`] drops its head.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use common::table_config::StreamConfig;
use parking_lot::{Condvar, Mutex};

use super::{FetchLimit, Offset, OffsetCriteria, PartitionConsumer, StreamConnector, StreamError};
use crate::error::ConfigError;
use crate::message::{Message, MessageBatch};

#[derive(Debug, Clone)]
struct Stored {
    payload: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    timestamp_ms: i64,
}

#[derive(Debug, Default)]
struct Partition {
    first: i64,
    messages: Vec<Stored>,
}

#[derive(Debug, Default)]
struct Shared {
    partitions: Mutex<Vec<Partition>>,
    arrived: Condvar,
}

/// A topic in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryTopic(Arc<Shared>);

impl MemoryTopic {
    /// A topic that no name leads to.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        let topic = Self::default();
        topic.grow(partitions);
        topic
    }

    /// The topic of a name in this process, made with one partition where there is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        static TOPICS: OnceLock<Mutex<HashMap<String, MemoryTopic>>> = OnceLock::new();
        let mut topics = TOPICS.get_or_init(Mutex::default).lock();
        topics
            .entry(name.to_owned())
            .or_insert_with(|| Self::new(1))
            .clone()
    }

    /// Grows to a number of partitions.
    pub fn grow(&self, partitions: usize) {
        let mut all = self.0.partitions.lock();
        while all.len() < partitions {
            all.push(Partition::default());
        }
    }

    /// Appends a message and answers its offset; a partition that does not exist is made.
    pub fn append(
        &self,
        partition: usize,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        timestamp_ms: i64,
    ) -> Offset {
        self.grow(partition + 1);
        let mut all = self.0.partitions.lock();
        let stored = &mut all[partition];
        stored.messages.push(Stored {
            payload: payload.map(<[u8]>::to_vec),
            key: key.map(<[u8]>::to_vec),
            timestamp_ms,
        });
        self.0.arrived.notify_all();
        Offset(stored.first + stored.messages.len() as i64 - 1)
    }

    /// Drops everything before an offset.
    pub fn trim(&self, partition: usize, before: Offset) {
        let mut all = self.0.partitions.lock();
        if let Some(stored) = all.get_mut(partition) {
            let drop = (before.0 - stored.first).clamp(0, stored.messages.len() as i64);
            stored.messages.drain(..drop as usize);
            stored.first += drop;
        }
    }
}

pub(super) fn make(config: &StreamConfig) -> Result<Box<dyn StreamConnector>, ConfigError> {
    let name = config.get("stream.memory.topic.name").ok_or_else(|| {
        ConfigError::Invalid("Stream topic name stream.memory.topic.name cannot be null".to_owned())
    })?;
    Ok(Box::new(MemoryTopic::named(name)))
}

fn missing(partition: i32) -> StreamError {
    StreamError::NotFound(format!("no partition {partition}"))
}

impl StreamConnector for MemoryTopic {
    fn partitions(&self) -> Result<Vec<i32>, StreamError> {
        Ok((0..self.0.partitions.lock().len() as i32).collect())
    }

    fn range(&self, partition: i32) -> Result<(Offset, Offset), StreamError> {
        let all = self.0.partitions.lock();
        let stored = all
            .get(partition as usize)
            .ok_or_else(|| missing(partition))?;
        Ok((
            Offset(stored.first),
            Offset(stored.first + stored.messages.len() as i64),
        ))
    }

    fn resolve(
        &self,
        partition: i32,
        criteria: &OffsetCriteria,
        now_ms: i64,
    ) -> Result<Offset, StreamError> {
        let (low, high) = self.range(partition)?;
        let from = match criteria {
            OffsetCriteria::Smallest => return Ok(low),
            OffsetCriteria::Largest => return Ok(high),
            OffsetCriteria::Period(millis) => now_ms - millis,
            OffsetCriteria::Timestamp(millis) => *millis,
        };
        let all = self.0.partitions.lock();
        let stored = all
            .get(partition as usize)
            .ok_or_else(|| missing(partition))?;
        let found = stored.messages.iter().position(|m| m.timestamp_ms >= from);
        Ok(found.map_or(high, |at| Offset(stored.first + at as i64)))
    }

    fn consumer(
        &self,
        partition: i32,
        start: Offset,
    ) -> Result<Box<dyn PartitionConsumer>, StreamError> {
        Ok(Box::new(MemoryConsumer {
            topic: self.clone(),
            partition,
            next: start,
        }))
    }
}

struct MemoryConsumer {
    topic: MemoryTopic,
    partition: i32,
    next: Offset,
}

impl PartitionConsumer for MemoryConsumer {
    fn fetch(&mut self, batch: &mut MessageBatch, limit: FetchLimit) -> Result<(), StreamError> {
        batch.clear();
        batch.set_partition(self.partition);
        let (low, high) = self.topic.range(self.partition)?;
        if self.next < low || self.next > high {
            return Err(StreamError::OutOfRange {
                partition: self.partition,
                wanted: self.next,
                low,
                high,
            });
        }
        let mut all = self.topic.0.partitions.lock();
        if self.next == high {
            self.topic.0.arrived.wait_for(&mut all, limit.wait);
        }
        let stored = all
            .get(self.partition as usize)
            .ok_or_else(|| missing(self.partition))?;
        let skip = usize::try_from(self.next.0 - stored.first).unwrap_or(0);
        for message in stored.messages.iter().skip(skip).take(limit.messages) {
            batch.push(&Message {
                payload: message.payload.as_deref(),
                key: message.key.as_deref(),
                headers: &[],
                offset: self.next.0,
                partition: self.partition,
                timestamp_ms: Some(message.timestamp_ms),
            });
            self.next.0 += 1;
            if batch.bytes() >= limit.bytes {
                break;
            }
        }
        Ok(())
    }

    fn seek(&mut self, offset: Offset) -> Result<(), StreamError> {
        self.next = offset;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_from_any_offset() -> Result<(), StreamError> {
        let topic = MemoryTopic::new(2);
        for i in 0..10_i64 {
            topic.append(1, None, Some(i.to_string().as_bytes()), 1000 + i);
        }
        assert_eq!(
            topic.resolve(1, &OffsetCriteria::Timestamp(1004), 0)?,
            Offset(4)
        );
        assert_eq!(
            topic.resolve(1, &OffsetCriteria::Period(2), 1010)?,
            Offset(8)
        );
        let mut consumer = topic.consumer(1, Offset(4))?;
        let mut batch = MessageBatch::default();
        let limit = FetchLimit {
            messages: 3,
            ..FetchLimit::default()
        };
        consumer.fetch(&mut batch, limit)?;
        assert_eq!(batch.len(), 3);
        assert_eq!(batch.get(0).and_then(|m| m.payload), Some(b"4".as_slice()));
        assert_eq!(batch.next_offset(), Some(7));
        topic.trim(1, Offset(9));
        assert!(matches!(
            consumer.fetch(&mut batch, limit),
            Err(StreamError::OutOfRange { .. })
        ));
        Ok(())
    }
}
