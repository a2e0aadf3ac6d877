//! What is wrong with a query's text.
//!
//! Must not know: responses. Invariant: the code is the one Pinot answers for the same mistake.

use common::{ErrorCode, QueryException};
use functions::FunctionError;

/// A refused query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The text is not SQL, or not what one table can answer.
    #[error("{0}")]
    Parse(String),
    /// The text parses, but means nothing.
    #[error("{0}")]
    Validation(String),
    /// A column that the table does not have.
    #[error("Unknown columnName '{0}' found in the query")]
    UnknownColumn(String),
    /// A literal call that fails while it is folded.
    #[error(
        "Caught exception while invoking method: {name} with arguments: [{arguments}]: {source}"
    )]
    Fold {
        /// Function.
        name: String,
        /// Its arguments.
        arguments: String,
        /// What it said.
        source: FunctionError,
    },
}

impl SqlError {
    /// Pinot's code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Parse(_) | Self::Fold { .. } => ErrorCode::SqlParsing,
            Self::Validation(_) => ErrorCode::QueryValidation,
            Self::UnknownColumn(_) => ErrorCode::UnknownColumn,
        }
    }
}

impl From<SqlError> for QueryException {
    fn from(error: SqlError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
