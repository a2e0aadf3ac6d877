//! What stops a query.
//!
//! Must not know: responses. Invariant: every variant maps to one of Pinot's codes.

use common::{CastError, ErrorCode, QueryException};
use functions::FunctionError;

/// An error of planning or executing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A code and message as they are.
    #[error("{0}")]
    Exception(QueryException),
    /// A function refused.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// A value has no form in the wanted type.
    #[error(transparent)]
    Cast(#[from] CastError),
    /// The time is over.
    #[error("the query did not finish within {0} ms")]
    TimedOut(u64),
    /// Somebody cancelled it.
    #[error("the query was cancelled")]
    Cancelled,
    /// More memory than a query may use.
    #[error("the query needs more than {limit_bytes} bytes for {what}")]
    OutOfMemory {
        /// What grew.
        what: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
}

impl QueryError {
    /// A refusal at planning.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Exception(QueryException::new(ErrorCode::QueryValidation, message))
    }

    /// A failure at execution.
    pub fn execution(message: impl Into<String>) -> Self {
        Self::Exception(QueryException::new(ErrorCode::QueryExecution, message))
    }
}

impl From<QueryError> for QueryException {
    fn from(error: QueryError) -> Self {
        let message = error.to_string();
        match error {
            QueryError::Exception(exception) => exception,
            QueryError::Function(error) => error.into(),
            QueryError::Cast(_) => Self::new(ErrorCode::QueryExecution, message),
            QueryError::TimedOut(_) => Self::new(ErrorCode::ExecutionTimeout, message),
            QueryError::Cancelled => Self::new(ErrorCode::QueryCancellation, message),
            QueryError::OutOfMemory { .. } => {
                Self::new(ErrorCode::ServerResourceLimitExceeded, message)
            }
        }
    }
}

impl From<sql::SqlError> for QueryError {
    fn from(error: sql::SqlError) -> Self {
        Self::Exception(error.into())
    }
}
