//! The small stream of the quickstart as a process of its own: for trying a pipeline where no Kafka runs.
//!
//! Must not know: tables, roles. Invariant: the address on standard output is one that clients can use.

use std::io::Write;

use anyhow::{Context, Result};

use crate::arguments::StreamOptions;
use crate::roles;

/// Runs it until a signal. Prints `bootstrap.servers=HOST:PORT` once it listens.
pub(crate) async fn run(options: &StreamOptions) -> Result<()> {
    let stream = stream::Stream::builder()
        .listen(options.listen)
        .data_dir(options.data_dir.clone())
        .default_partitions(options.partitions)
        .retention_bytes(options.retention_bytes)
        .start()
        .await
        .context("cannot start the stream")?;
    let mut out = std::io::stdout();
    writeln!(out, "bootstrap.servers={}", stream.addr())?;
    out.flush()?;
    roles::signal().await;
    stream.shutdown().await;
    Ok(())
}
