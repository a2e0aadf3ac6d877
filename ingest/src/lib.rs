//! Streams, decoders, transforms and batch readers: everything between bytes and rows in columns.
//!
//! Must not know: sealed segments, queries, cluster state. Invariant: no payload panics; a message gives all its
//! rows or none.

pub mod aggregation;
pub mod batch;
pub mod convert;
pub mod decoder;
pub mod error;
pub mod message;
pub mod pipeline;
pub mod record;
pub mod roll_up;
pub mod row_maker;
pub mod stream;
pub mod transform;

pub use decoder::Decoder;
pub use error::{ConfigError, ConvertError, DecodeError, RowError};
pub use message::{Message, MessageBatch};
pub use pipeline::{IngestOutcome, Pipeline};
pub use record::{Field, Record};
pub use row_maker::RowMaker;
pub use segment::RowBatch;
