//! What a query is answered with.
//!
//! Must not know: HTTP. Invariant: every counter is always there, also in failures.

mod json;

use std::collections::BTreeMap;

use common::{Block, ErrorCode, QueryException, Value};
use query::{QueryStats, ResultTable};

/// An exception of a response, with its final text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub code: ErrorCode,
    /// The whole text, with the code's name in front where Pinot puts it.
    pub message: String,
}

impl Failure {
    /// A failure as the broker itself tells it: the code's name, a colon, the message.
    #[must_use]
    pub fn named(exception: QueryException) -> Self {
        let message = if exception.message.is_empty() {
            exception.code.name().to_owned()
        } else {
            exception.to_string()
        };
        Self {
            code: exception.code,
            message,
        }
    }

    /// A failure as a server told it: the message alone.
    #[must_use]
    pub fn plain(exception: QueryException) -> Self {
        Self {
            code: exception.code,
            message: exception.message,
        }
    }
}

/// The page of a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorPage {
    /// First row of the page.
    pub offset: usize,
    /// Rows of the page.
    pub num_rows: usize,
    /// Rows of the whole result.
    pub total_rows: usize,
    /// When the query came, milliseconds.
    pub submitted_ms: i64,
    /// When the result is thrown away, milliseconds.
    pub expires_ms: i64,
    /// Broker that has it.
    pub broker_host: String,
    /// Its port.
    pub broker_port: u16,
    /// Bytes that are kept.
    pub bytes: usize,
}

/// A response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BrokerResponse {
    /// The result; absent where nothing could be answered.
    pub table: Option<ResultTable>,
    /// The rows as columns, where they were asked for so; the table has none then.
    pub columns: Option<Vec<Block>>,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// Counters.
    pub stats: QueryStats,
    /// Segments that the broker left out.
    pub num_segments_pruned_by_broker: u64,
    /// Servers asked.
    pub num_servers_queried: u32,
    /// Servers that answered.
    pub num_servers_responded: u32,
    /// Milliseconds of the whole.
    pub time_used_ms: u64,
    /// Milliseconds of merging and reducing.
    pub reduce_time_ms: u64,
    /// Id, where the query came so far.
    pub request_id: Option<u64>,
    /// The option `clientQueryId`.
    pub client_request_id: Option<String>,
    /// Broker, where the query came so far.
    pub broker_id: Option<String>,
    /// Raw names of the tables.
    pub tables_queried: Vec<String>,
    /// Server -> trace as JSON text.
    pub trace_info: BTreeMap<String, String>,
    /// CPU time of offline and realtime servers, nanoseconds.
    pub cpu_time_ns: (u64, u64),
    /// What the multi-stage engine adds after the group flags, as the inside of a JSON object, ends with a comma.
    pub multi_stage: Option<MultiStageParts>,
    /// Where the response is a page of a kept result.
    pub cursor: Option<CursorPage>,
}

/// Members that only the multi-stage engine answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MultiStageParts {
    /// `numGroups`.
    pub num_groups: u64,
    /// `maxRowsInJoin`.
    pub join_rows: u64,
    /// `maxRowsInWindow`.
    pub window_rows: u64,
    /// `maxRowsInOperator`.
    pub operator_rows: u64,
    /// `stageStats` as JSON text; `{}` where unknown.
    pub stage_stats: String,
}

impl BrokerResponse {
    /// A response that has nothing but a failure.
    #[must_use]
    pub fn failed(failure: Failure) -> Self {
        Self {
            failures: vec![failure],
            ..Self::default()
        }
    }

    /// True where rows may be missing.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.failures.is_empty() || self.stats.num_groups_limit_reached
    }

    /// Everything but the result.
    pub(crate) fn clone_without_rows(&self) -> Self {
        Self {
            table: None,
            columns: None,
            failures: self.failures.clone(),
            stats: self.stats.clone(),
            client_request_id: self.client_request_id.clone(),
            broker_id: self.broker_id.clone(),
            tables_queried: self.tables_queried.clone(),
            trace_info: self.trace_info.clone(),
            multi_stage: self.multi_stage.clone(),
            cursor: self.cursor.clone(),
            ..*self
        }
    }

    /// The response as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::response(self, true)
    }

    /// The response as JSON text, but for its table.
    #[must_use]
    pub fn about_json(&self) -> String {
        json::response(self, false)
    }

    /// A row of a table as the response has it.
    #[must_use]
    pub fn row_json(row: &[Value]) -> String {
        json::row(row)
    }
}
