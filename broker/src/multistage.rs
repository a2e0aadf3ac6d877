//! The seam to the multi-stage engine.
//!
//! Must not know: how that engine plans. Invariant: without one, a query that asks for it is refused by name.

use async_trait::async_trait;
use common::{ErrorCode, QueryException};
use sql::Statement;

use crate::BrokerResponse;

/// A query for the multi-stage engine.
#[derive(Debug, Clone)]
pub struct MultiStageQuery {
    /// The text as it came.
    pub sql: String,
    /// The statement with its options.
    pub statement: Statement,
    /// Database of names without one.
    pub database: Option<String>,
    /// Id for cancelling.
    pub request_id: u64,
    /// Milliseconds it may take.
    pub timeout_ms: u64,
    /// The query's time.
    pub now_ms: i64,
}

/// Answers what one scan cannot: joins, windows, set operations, nested queries.
#[async_trait]
pub trait MultiStage: Send + Sync {
    /// Executes. Ids, time used and broker are filled in by the caller.
    async fn execute(&self, query: MultiStageQuery) -> Result<BrokerResponse, QueryException>;
}

/// What is answered without an engine.
pub(crate) fn unavailable() -> QueryException {
    QueryException::new(
        ErrorCode::QueryPlanning,
        "the multi-stage engine is not available in this build",
    )
}
