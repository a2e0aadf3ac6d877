//! The query service of a server: one request for one table's segments, one answer, in bytes or, in one process, as it is.
//!
//! Must not know: the plan or the intermediate result, both are opaque here.
//! Invariant: an answer is always given before the deadline plus a grace; errors are typed exceptions.

use std::any::Any;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use common::{ErrorCode, QueryException};
use futures::Stream;

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

/// What a server answers with.
pub enum QueryAnswer {
    /// An intermediate result of the `query` crate, encoded.
    Encoded(Vec<u8>),
    /// The intermediate result itself, to whoever brought the compiled plan.
    Whole(Box<dyn Any + Send>),
}

/// What a scan tells as it goes.
#[derive(Debug, Clone)]
pub enum ScanPart {
    /// Rows, one column an expression of the SELECT list, each in the Arrow type of its own type.
    Rows(RecordBatch),
    /// Counters since the last ones, encoded as the `query` crate's statistics in JSON.
    Counters(Vec<u8>),
    /// Segments asked for that are not there: others may have them.
    Missing(Vec<String>),
}

/// A scan on its way; whoever drops it stops it. Nothing is searched far ahead of what is taken.
pub type ScanStream = Pin<Box<dyn Stream<Item = Result<ScanPart, QueryException>> + Send>>;

/// Served by each server.
#[async_trait]
pub trait QueryService: Send + Sync {
    /// Executes; the answer carries per-segment errors and statistics. Encoded, unless the request has its plan with it.
    async fn submit(&self, request: QueryRequest) -> Result<QueryAnswer, QueryException>;
    /// Rows of a selection without order and limit, in at most `lanes` streams that share the work: whatever one does not
    /// take another does.
    async fn scan(
        &self,
        request: QueryRequest,
        lanes: NonZeroUsize,
    ) -> Result<Vec<ScanStream>, QueryException> {
        let _ = lanes;
        Err(QueryException::new(
            ErrorCode::QueryExecution,
            format!("rows of `{}` cannot be streamed here", request.table),
        ))
    }
    /// Streams that a scan may be cut into with profit; one where rows come over a network.
    fn lanes(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
    /// Stops a query, if it still runs; true where it did.
    async fn cancel(&self, request_id: u64) -> bool;
}
