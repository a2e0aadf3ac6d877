//! What can go wrong, on its way through the engine, and the code it ends with.
//!
//! Must not know: responses. Invariant: a refusal of ours keeps its code however deep it was found.

use common::{ErrorCode, QueryException};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use functions::FunctionError;

/// A failure with its code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct MultiStageError {
    /// Pinot's code.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

impl MultiStageError {
    /// A failure.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A query that breaks a rule.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::QueryValidation, message)
    }
}

impl From<MultiStageError> for DataFusionError {
    fn from(error: MultiStageError) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<MultiStageError> for QueryException {
    fn from(error: MultiStageError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<QueryException> for MultiStageError {
    /// The failure of a leaf. Its text is the planner's own, so that a literal in it that does not fit is a mistake in the plan.
    fn from(exception: QueryException) -> Self {
        let code = match exception.code {
            ErrorCode::SqlParsing => ErrorCode::QueryPlanning,
            other => other,
        };
        Self::new(code, exception.message)
    }
}

impl From<sql::SqlError> for MultiStageError {
    fn from(error: sql::SqlError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// The failure of a function.
pub(crate) fn function(error: FunctionError) -> DataFusionError {
    MultiStageError::new(error.code(), error.to_string()).into()
}

/// Where a failure happened, for those that say nothing themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Names and types.
    Validation,
    /// Rewriting and choosing operators.
    Planning,
    /// Rows.
    Execution,
}

/// In the message of a subquery that stands for one value.
const SEVERAL_ROWS: &str = "more than one row";

/// What a failure means to the user.
pub(crate) fn of(error: &DataFusionError, phase: Phase) -> MultiStageError {
    let root = root(error);
    if let DataFusionError::External(inner) = root
        && let Some(own) = inner.downcast_ref::<MultiStageError>()
    {
        return own.clone();
    }
    let code = match (root, phase) {
        (DataFusionError::SchemaError(inner, _), _) if is_bare(inner) => ErrorCode::UnknownColumn,
        (DataFusionError::ResourcesExhausted(_), _) => ErrorCode::ServerResourceLimitExceeded,
        // Pinot's planner refuses a subquery that may have several rows.
        (DataFusionError::Execution(message), _) if message.contains(SEVERAL_ROWS) => {
            ErrorCode::QueryPlanning
        }
        (_, Phase::Validation) => ErrorCode::QueryValidation,
        (_, Phase::Planning) => ErrorCode::QueryPlanning,
        (_, Phase::Execution) => ErrorCode::QueryExecution,
    };
    let message = match root {
        DataFusionError::ResourcesExhausted(message) => message.clone(),
        other => other.strip_backtrace(),
    };
    MultiStageError::new(code, message)
}

/// True for a name without a table in front.
fn is_bare(error: &SchemaError) -> bool {
    matches!(error, SchemaError::FieldNotFound { field, .. } if field.relation.is_none())
}

/// The column that was not found.
pub(crate) fn missing_column(error: &DataFusionError) -> Option<&str> {
    match root(error) {
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(&field.name),
            _ => None,
        },
        _ => None,
    }
}

/// The failure inside all its contexts.
pub(crate) fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, root),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            datafusion::arrow::error::ArrowError::ExternalError(inner) => {
                inner.downcast_ref::<DataFusionError>().map_or(error, root)
            }
            _ => error,
        },
        other => other,
    }
}
