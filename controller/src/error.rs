//! Why the controller refuses or fails.
//!
//! Must not know: HTTP libraries. Invariant: every error has the HTTP status that Pinot gives it.

use cluster::{DeepStoreError, StoreError};

/// An error of the controller.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// It is not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// What it names is not there.
    #[error("{0}")]
    NotFound(String),
    /// It does not fit to what is there.
    #[error("{0}")]
    Conflict(String),
    /// Pinot does not do it either.
    #[error("{0}")]
    Unsupported(String),
    /// Another controller decides, or none does now.
    #[error("this controller does not lead ({0}); ask again in a few seconds")]
    NotLeading(String),
    /// The metadata store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The deep store failed.
    #[error(transparent)]
    DeepStore(#[from] DeepStoreError),
    /// Something else failed.
    #[error("cannot {doing}: {source}")]
    Internal {
        /// What it was doing.
        doing: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ControllerError {
    /// Wraps a failure.
    pub fn internal(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            doing: doing.into(),
            source: source.into(),
        }
    }

    /// Of a controller that does not lead, and why.
    pub fn not_leading(why: impl std::fmt::Display) -> Self {
        Self::NotLeading(why.to_string())
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Unsupported(_) => 501,
            Self::NotLeading(_) => 503,
            Self::Store(_) | Self::DeepStore(_) | Self::Internal { .. } => 500,
        }
    }
}

impl From<serde_json::Error> for ControllerError {
    fn from(error: serde_json::Error) -> Self {
        Self::internal("write a record", error)
    }
}
