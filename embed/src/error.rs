//! The one error of the library.
//!
//! Must not know: the roles' own errors beyond their text. Invariant: the kind says what the caller can do.

use std::error::Error;
use std::fmt;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Choose other settings: a port is taken, a folder cannot be made.
    Settings,
    /// Try again: another role cannot be reached.
    Unreachable,
    /// Correct the request.
    Refused,
    /// Report it.
    Internal,
}

/// An error of the library.
#[derive(Debug)]
pub struct TourigaError {
    /// What the caller can do.
    pub kind: ErrorKind,
    /// What was being done.
    pub message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TourigaError {
    pub(crate) fn new(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            source: Some(Box::new(source)),
        }
    }

    /// An error that another role told.
    pub(crate) fn told(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }
}

impl fmt::Display for TourigaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for TourigaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
