//! What can go wrong on a server outside of queries.
//!
//! Must not know: REST codes. Invariant: the text names what was being done and to what.

use cluster::DeepStoreError;
use ingest::ConfigError;
use ingest::stream::StreamError;
use segment::SegmentError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operating system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, and with what.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A segment cannot be read or written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The table cannot be consumed as it is configured.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The deep store failed.
    #[error(transparent)]
    DeepStore(#[from] DeepStoreError),
    /// The cluster's state asks for something that cannot be done.
    #[error("{0}")]
    Impossible(String),
}

impl ServerError {
    /// An I/O error with what was tried.
    pub(crate) fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            doing: doing.into(),
            source,
        }
    }
}
