//! What can go wrong with a segment.
//!
//! Must not know: HTTP, queries. Invariant: corrupt input names the file and where in it.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The operating system refused.
    #[error("{doing} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("segment file `{}` is corrupt at offset {offset}: {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found and what was expected.
        problem: String,
    },
    /// The file was written by another version.
    #[error("segment file `{}` has format version `{found}`, expected `{expected}`: build the segment again, or fetch it from where this version built it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// Rows do not fit the columns they are for.
    #[error("rows do not fit the segment: {0}")]
    Rows(String),
    /// The table config or schema asks for what a column cannot have.
    #[error("{0}")]
    Config(String),
    /// A segment holds at most 2^31 - 1 rows, and a column as many values.
    #[error("segment `{segment}` is full: {limit}")]
    Full {
        /// Segment.
        segment: String,
        /// The limit that was met.
        limit: String,
    },
}

impl SegmentError {
    /// An I/O error with its file.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// Result of this crate.
pub type Result<T, E = SegmentError> = std::result::Result<T, E>;
