//! The query service of a server: one request for one table's segments, one answer in bytes.
//!
//! Must not know: the plan or the intermediate result, both are opaque here.
//! Invariant: an answer is always given before the deadline plus a grace; errors are typed exceptions.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use common::QueryException;

/// What a broker asks of a server.
#[derive(Clone)]
pub struct QueryRequest {
    /// Unique for the broker; used to cancel.
    pub request_id: u64,
    /// Id of the broker.
    pub broker_id: String,
    /// Table with type.
    pub table: String,
    /// Segments to search.
    pub segments: Vec<String>,
    /// The SQL text, with its SET statements.
    pub sql: String,
    /// Query options beyond the text.
    pub options: Vec<(String, String)>,
    /// For hybrid tables: `(column, value, true)` for `column <= value` (offline side), false for `column > value`.
    pub time_boundary: Option<(String, String, bool)>,
    /// Milliseconds left.
    pub timeout_ms: u64,
    /// The query's time, the same on every server.
    pub now_ms: i64,
    /// In one process: the compiled plan, so that nobody parses twice.
    pub plan: Option<Arc<dyn Any + Send + Sync>>,
}

/// Served by each server.
#[async_trait]
pub trait QueryService: Send + Sync {
    /// Executes; the answer is an encoded intermediate result of the `query` crate (which carries per-segment errors and statistics).
    async fn submit(&self, request: QueryRequest) -> Result<Vec<u8>, QueryException>;
    /// Stops a query, if it still runs; true where it did.
    async fn cancel(&self, request_id: u64) -> bool;
}
