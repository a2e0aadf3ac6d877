//! What the controller asks of streams: how many partitions, and where they begin.
//!
//! Must not know: any stream's protocol. Invariant: a topic that is not there is an ordinary answer, not a failure of the cluster.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::clock::Clock;
use common::table_config::StreamConfig;
use ingest::stream::settings::StreamSettings;
use ingest::stream::{OffsetCriteria, StreamConnector};

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

/// Where consumption of a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// As the stream map says.
    Configured,
    /// At the oldest message.
    Smallest,
    /// At the next message to come.
    Largest,
}

/// Answers about a stream's partitions.
#[async_trait]
pub trait StreamMetadata: Send + Sync {
    /// Partitions of the topic, in order.
    async fn partitions(&self, stream: &StreamConfig) -> Result<Vec<u32>, StreamError>;
    /// The offset that a place means in a partition now.
    async fn resolve_offset(
        &self,
        stream: &StreamConfig,
        partition: u32,
        from: &StartAt,
    ) -> Result<String, StreamError>;
}

/// Streams through the connectors of `ingest`. Their calls block, so each runs on a thread that may wait.
#[derive(Clone)]
pub struct Connectors {
    clock: Arc<dyn Clock>,
}

impl Connectors {
    /// Connectors that tell periods by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

/// How long a stream may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

async fn blocking<T: Send + 'static>(
    stream: &StreamConfig,
    ask: impl FnOnce(&dyn StreamConnector) -> Result<T, ingest::stream::StreamError> + Send + 'static,
) -> Result<T, StreamError> {
    let name = topic(stream);
    let unreachable = name.clone();
    let stream = stream.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let connector =
            ingest::stream::connect(&stream).map_err(|e| StreamError::BadConfig(e.to_string()))?;
        ask(connector.as_ref()).map_err(|error| match error {
            ingest::stream::StreamError::NotFound(_) => StreamError::NoTopic(name),
            other => StreamError::Unreachable(other.to_string()),
        })
    });
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(StreamError::Unreachable(error.to_string())),
        Err(_) => Err(StreamError::Unreachable(format!(
            "topic `{unreachable}` did not answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

#[async_trait]
impl StreamMetadata for Connectors {
    async fn partitions(&self, stream: &StreamConfig) -> Result<Vec<u32>, StreamError> {
        let settings =
            StreamSettings::parse(stream).map_err(|e| StreamError::BadConfig(e.to_string()))?;
        let all = blocking(stream, |connector| connector.partitions()).await?;
        Ok(all
            .into_iter()
            .filter(|p| settings.partitions.as_ref().is_none_or(|only| only.contains(p)))
            .filter_map(|p| u32::try_from(p).ok())
            .collect())
    }

    async fn resolve_offset(
        &self,
        stream: &StreamConfig,
        partition: u32,
        from: &StartAt,
    ) -> Result<String, StreamError> {
        let criteria = match from {
            StartAt::Smallest => OffsetCriteria::Smallest,
            StartAt::Largest => OffsetCriteria::Largest,
            StartAt::Configured => {
                StreamSettings::parse(stream)
                    .map_err(|e| StreamError::BadConfig(e.to_string()))?
                    .offset
            }
        };
        let now_ms = self.clock.now_ms();
        let partition = i32::try_from(partition)
            .map_err(|_| StreamError::BadConfig(format!("partition {partition} is too large")))?;
        let offset = blocking(stream, move |connector| {
            connector.resolve(partition, &criteria, now_ms)
        });
        Ok(offset.await?.to_string())
    }
}

/// The topic's name.
#[must_use]
pub fn topic(stream: &StreamConfig) -> String {
    let stream_type = stream.get("streamType").map_or("kafka", String::as_str);
    let key = format!("stream.{stream_type}.topic.name");
    stream.get(&key).cloned().unwrap_or_default()
}
