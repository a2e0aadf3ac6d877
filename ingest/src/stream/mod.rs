//! Streams: where messages come from, by partition and offset.
//!
//! A stream is one file and one row of [`CONNECTORS`]. Must not know: decoders, segments.
//! Invariant: offsets of a partition only grow; nothing is committed to the stream, the caller keeps its place.

pub mod kafka;
pub mod memory;
pub mod publish;
pub mod settings;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use common::table_config::StreamConfig;

use crate::error::ConfigError;
use crate::message::MessageBatch;
pub use settings::{FlushRule, StreamSettings};

/// A place in a partition. Ordered and printable; only the stream gives it a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Offset {
    type Err = StreamError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self).map_err(|_| {
            StreamError::Other(format!("`{text}` is no stream offset, expected an integer"))
        })
    }
}

/// Where to begin in a partition that was never consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetCriteria {
    /// At the oldest message.
    Smallest,
    /// At the next message to come.
    Largest,
    /// At the first message of the last so many milliseconds.
    Period(i64),
    /// At the first message from that time on, milliseconds since the epoch.
    Timestamp(i64),
}

/// What can go wrong with a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The offset is gone (retention) or not there yet. The caller decides where to go on.
    #[error(
        "offset {wanted} of partition {partition} is out of range, the stream holds {low} to {high}"
    )]
    OutOfRange {
        /// Partition.
        partition: i32,
        /// What was asked for.
        wanted: Offset,
        /// Oldest offset.
        low: Offset,
        /// The offset after the newest message.
        high: Offset,
    },
    /// The stream cannot be reached at the moment; worth another try.
    #[error("stream unavailable: {0}")]
    Unavailable(String),
    /// No such topic or partition.
    #[error("{0}")]
    NotFound(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// How much one fetch may bring.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimit {
    /// Most messages.
    pub messages: usize,
    /// Bytes after which no further message is taken.
    pub bytes: usize,
    /// How long to wait for the first message.
    pub wait: Duration,
}

impl Default for FetchLimit {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 8 << 20,
            wait: Duration::from_millis(100),
        }
    }
}

/// Reads one partition. Blocking: it lives on its own thread.
pub trait PartitionConsumer: Send {
    /// Clears the batch and fills it with the next messages: whatever is there, or the first that come within the wait.
    /// An empty batch is no error.
    ///
    /// # Errors
    /// Where the stream refuses; the consumer stays usable, and a caller may [`PartitionConsumer::seek`].
    fn fetch(&mut self, batch: &mut MessageBatch, limit: FetchLimit) -> Result<(), StreamError>;

    /// Goes on at another offset.
    ///
    /// # Errors
    /// Where the stream refuses.
    fn seek(&mut self, offset: Offset) -> Result<(), StreamError>;
}

/// A topic of a stream. Blocking: call it from a thread that may wait.
pub trait StreamConnector: Send + Sync {
    /// Partitions of the topic.
    ///
    /// # Errors
    /// Where the stream cannot be asked.
    fn partitions(&self) -> Result<Vec<i32>, StreamError>;

    /// Oldest offset, and the offset after the newest message.
    ///
    /// # Errors
    /// Where the stream cannot be asked.
    fn range(&self, partition: i32) -> Result<(Offset, Offset), StreamError>;

    /// The offset of a criterion at that time.
    ///
    /// # Errors
    /// Where the stream cannot be asked.
    fn resolve(
        &self,
        partition: i32,
        criteria: &OffsetCriteria,
        now_ms: i64,
    ) -> Result<Offset, StreamError>;

    /// A consumer of one partition from an offset on.
    ///
    /// # Errors
    /// Where it cannot be made.
    fn consumer(
        &self,
        partition: i32,
        start: Offset,
    ) -> Result<Box<dyn PartitionConsumer>, StreamError>;
}

/// Makes a connector from a stream config.
pub type MakeConnector = fn(&StreamConfig) -> Result<Box<dyn StreamConnector>, ConfigError>;

/// Every stream type.
pub static CONNECTORS: &[(&str, MakeConnector)] =
    &[("kafka", kafka::make), ("memory", memory::make)];

/// The connector of a stream config.
///
/// # Errors
/// Where the type is unknown or its settings are wrong.
pub fn connect(config: &StreamConfig) -> Result<Box<dyn StreamConnector>, ConfigError> {
    let stream_type = config.get("streamType").map_or("", String::as_str);
    let (_, make) = CONNECTORS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(stream_type))
        .ok_or_else(|| {
            ConfigError::Invalid(format!(
                "unknown stream type `{stream_type}`, expected kafka"
            ))
        })?;
    make(config)
}
