//! What can go wrong in a function.
//!
//! Must not know: responses. Invariant: a message names the function's trouble and the offending value, not the caller.

use common::{CastError, ErrorCode, QueryException};

/// An error of binding or evaluating a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// No function of that name.
    #[error("Unsupported function: {0}")]
    UnknownName(String),
    /// The name exists, but not for these arguments.
    #[error("Unsupported function: {name} with arguments of type: [{arguments}]")]
    NoOverload {
        /// The name as written.
        name: String,
        /// The argument types, comma separated.
        arguments: String,
    },
    /// An argument that binding refuses (a percentile of 101, a pattern that is none).
    #[error("{0}")]
    Argument(String),
    /// A value that evaluation refuses.
    #[error("{0}")]
    Evaluation(String),
    /// A value that has no form in the parameter's type.
    #[error(transparent)]
    Cast(#[from] CastError),
}

impl FunctionError {
    /// The code a query response carries for it: validation where binding failed, execution where a value did.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownName(_) | Self::NoOverload { .. } | Self::Argument(_) => {
                ErrorCode::QueryValidation
            }
            Self::Evaluation(_) | Self::Cast(_) => ErrorCode::QueryExecution,
        }
    }
}

impl From<FunctionError> for QueryException {
    fn from(error: FunctionError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
