//! What the controller asks of streams: how many partitions, and where they begin.
//!
//! Must not know: any stream's protocol. Invariant: a topic that is not there is an ordinary answer, not a failure of the cluster.

use async_trait::async_trait;
use common::table_config::StreamConfig;

/// Partitions of one table are numbered `topic index * this + partition`.
pub const PARTITIONS_PER_TOPIC: u32 = 10_000;

/// Why a stream did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The topic is not there, or not yet.
    #[error("topic `{0}` does not exist")]
    NoTopic(String),
    /// The stream cannot be reached now.
    #[error("cannot reach the stream: {0}")]
    Unreachable(String),
    /// The config cannot be right.
    #[error("{0}")]
    BadConfig(String),
}

/// Answers about a stream's partitions.
#[async_trait]
pub trait StreamMetadata: Send + Sync {
    /// Partitions of the topic, in order.
    async fn partitions(&self, stream: &StreamConfig) -> Result<Vec<u32>, StreamError>;
    /// The offset that a criterion (`smallest`, `largest`, a period, a timestamp) means in a partition now.
    async fn resolve_offset(
        &self,
        stream: &StreamConfig,
        partition: u32,
        criterion: &str,
    ) -> Result<String, StreamError>;
}

/// Streams of a controller that has none: every topic is absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStreams;

#[async_trait]
impl StreamMetadata for NoStreams {
    async fn partitions(&self, stream: &StreamConfig) -> Result<Vec<u32>, StreamError> {
        Err(StreamError::NoTopic(topic(stream)))
    }

    async fn resolve_offset(
        &self,
        stream: &StreamConfig,
        _partition: u32,
        _criterion: &str,
    ) -> Result<String, StreamError> {
        Err(StreamError::NoTopic(topic(stream)))
    }
}

/// The value of a key that carries the stream's type, `stream.kafka.topic.name` for `topic.name`.
#[must_use]
pub fn property<'a>(stream: &'a StreamConfig, key: &str) -> Option<&'a str> {
    let stream_type = stream.get("streamType").map_or("kafka", String::as_str);
    stream
        .get(&format!("stream.{stream_type}.{key}"))
        .map(String::as_str)
}

/// The topic's name.
#[must_use]
pub fn topic(stream: &StreamConfig) -> String {
    property(stream, "topic.name")
        .unwrap_or_default()
        .to_owned()
}

/// Where consumption begins: `auto.offset.reset`, `largest` where absent.
#[must_use]
pub fn offset_reset(stream: &StreamConfig) -> &str {
    property(stream, "consumer.prop.auto.offset.reset").unwrap_or("largest")
}
