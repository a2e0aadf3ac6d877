//! A small broker that real Kafka clients talk to, for one process: the quickstart and tests.
//! One node, bounded logs, in memory or in a directory that a later run continues.
//! Must not know: tables, segments, SQL. Invariant: no request can bring the process down.
//!
//! ```no_run
//! # async fn example() -> Result<(), stream::StreamError> {
//! let stream = stream::Stream::builder().listen(([127, 0, 0, 1], 9092).into()).start().await?;
//! println!("bootstrap.servers = {}", stream.addr());
//! stream.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod batch;
mod broker;
mod connection;
mod error;
mod groups;
mod handlers;
mod log;
mod segment;
mod server;
mod shape;
mod topics;

pub use error::StreamError;
pub use server::{Stream, StreamBuilder, StreamHandle};
