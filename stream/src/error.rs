//! What can go wrong in the broker itself. What a client asked wrongly is not an error here but an
//! error code of the protocol (`ResponseError`), which travels back in the answer.
//! Must not know: clients. Invariant: a message says what was being done and to which file or address.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A failure of the broker, not of a request.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The address cannot be listened on.
    #[error("stream: cannot listen on `{addr}`: {source}")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system answered.
        source: io::Error,
    },
    /// A file of the data directory cannot be read or written.
    #[error("stream: cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file of the data directory holds something that this broker did not write.
    #[error("stream: `{}` is not readable: {detail}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        detail: String,
    },
    /// A peer sent bytes that are no request this broker knows; its connection is closed.
    #[error("stream: bad request: {0}")]
    Malformed(String),
    /// The connection broke.
    #[error("stream: connection: {0}")]
    Connection(#[from] io::Error),
}

impl StreamError {
    /// A closure for `map_err` that names the file and what was attempted.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> StreamError {
        let path = path.into();
        move |source| StreamError::File {
            action,
            path,
            source,
        }
    }
}
