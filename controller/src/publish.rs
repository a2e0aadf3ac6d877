//! Messages that clients publish through the controller, and a look at the newest messages of a topic.
//!
//! Must not know: HTTP, tables' rows. Invariant: what is answered lies in the stream; a producer is made once a cluster of brokers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::table_config::StreamConfig;
use ingest::MessageBatch;
use ingest::stream::publish::{Outgoing, Published, Publisher};
use ingest::stream::{FetchLimit, Offset, StreamError};
use parking_lot::Mutex;

use crate::core::Core;
use crate::error::ControllerError;

/// How long brokers may take to acknowledge.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a look at a topic may take.
const LOOK: Duration = Duration::from_secs(5);

/// Producers by what they were made of.
#[derive(Default)]
pub(crate) struct Publishers(Mutex<HashMap<StreamConfig, Arc<Publisher>>>);

impl Publishers {
    fn of(&self, stream: &StreamConfig) -> Result<Arc<Publisher>, ControllerError> {
        let mut key = stream.clone();
        // Topics and decoders make no other producer.
        key.retain(|name, _| !name.contains("topic.") && !name.contains("decoder"));
        let mut all = self.0.lock();
        if let Some(known) = all.get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Publisher::new(stream, PATIENCE)
            .map_err(|error| ControllerError::Invalid(error.to_string()))?;
        let made = Arc::new(made);
        all.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

fn failed(error: StreamError) -> ControllerError {
    match error {
        StreamError::NotFound(why) => ControllerError::NotFound(why),
        other => ControllerError::internal("use the stream", other.to_string()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControllerError> + Send + 'static,
) -> Result<T, ControllerError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ControllerError::internal("use the stream", error))?
}

/// Publishes messages and answers where they lie.
pub(crate) async fn publish(
    core: &Core,
    stream: &StreamConfig,
    topic: &str,
    messages: Vec<Outgoing>,
) -> Result<Vec<Published>, ControllerError> {
    let publisher = core.publishers.of(stream)?;
    let topic = topic.to_owned();
    blocking(move || {
        publisher
            .publish(&topic, &messages, PATIENCE)
            .map_err(failed)
    })
    .await
}

/// Names of the topics.
pub(crate) async fn topics(
    core: &Core,
    stream: &StreamConfig,
) -> Result<Vec<String>, ControllerError> {
    let publisher = core.publishers.of(stream)?;
    blocking(move || publisher.topics(LOOK).map_err(failed)).await
}

/// The stream map that reaches a topic of the cluster's Kafka: the one that the controller was started with, else that of the first table
/// that consumes one.
pub(crate) fn stream_of(core: &Core, topic: &str) -> Result<StreamConfig, ControllerError> {
    let of_tables = || {
        core.read(|state| {
            let tables = state.tables.values();
            let mut streams = tables.flat_map(|t| {
                let streams = t.record.config.streams();
                streams.into_iter().cloned().collect::<Vec<_>>()
            });
            streams.find(|stream| stream.contains_key("stream.kafka.broker.list"))
        })
    };
    let mut stream = match &core.kafka {
        Some(brokers) => {
            let brokers = ("stream.kafka.broker.list".to_owned(), brokers.clone());
            StreamConfig::from([brokers])
        }
        None => of_tables().ok_or_else(|| {
            ControllerError::NotFound(
                "no Kafka is known: start with --kafka, or make a table that consumes one"
                    .to_owned(),
            )
        })?,
    };
    stream.insert("streamType".to_owned(), "kafka".to_owned());
    stream.insert("stream.kafka.topic.name".to_owned(), topic.to_owned());
    stream.insert(
        "stream.kafka.metadata.populate".to_owned(),
        "true".to_owned(),
    );
    Ok(stream)
}

/// A message as it is shown.
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
}

/// Which messages are looked at.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) limit: usize,
    pub(crate) partition: Option<i32>,
    /// From this offset on; the newest where `None`.
    pub(crate) from: Option<i64>,
}

/// Messages of a topic, in the order of their times.
pub(crate) async fn look(
    stream: StreamConfig,
    wanted: Wanted,
) -> Result<Vec<Seen>, ControllerError> {
    blocking(move || {
        let connector = ingest::stream::connect(&stream)
            .map_err(|error| ControllerError::Invalid(error.to_string()))?;
        let until = Instant::now() + LOOK;
        let mut seen = Vec::new();
        let partitions = connector.partitions().map_err(failed)?;
        let chosen = |partition: &i32| wanted.partition.is_none_or(|only| only == *partition);
        for partition in partitions.into_iter().filter(chosen) {
            let (low, high) = connector.range(partition).map_err(failed)?;
            let newest = high.0.saturating_sub(wanted.limit as i64);
            let start = wanted.from.unwrap_or(newest).clamp(low.0, high.0);
            let end = start.saturating_add(wanted.limit as i64).min(high.0);
            let mut consumer = connector
                .consumer(partition, Offset(start))
                .map_err(failed)?;
            let (mut batch, mut next) = (MessageBatch::default(), start);
            while next < end && Instant::now() < until {
                consumer
                    .fetch(&mut batch, FetchLimit::default())
                    .map_err(failed)?;
                next = batch.next_offset().unwrap_or(next);
                let messages = batch.iter().filter(|m| m.offset < end);
                seen.extend(messages.map(|m| Seen {
                    partition,
                    offset: m.offset,
                    timestamp_ms: m.timestamp_ms,
                    key: m.key.map(<[u8]>::to_vec),
                    payload: m.payload.map(<[u8]>::to_vec),
                }));
            }
        }
        seen.sort_by_key(|m| (m.timestamp_ms, m.partition, m.offset));
        if wanted.from.is_none() {
            let spare = seen.len().saturating_sub(wanted.limit);
            seen.drain(..spare);
        }
        seen.truncate(wanted.limit);
        Ok(seen)
    })
    .await
}
