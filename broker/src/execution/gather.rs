//! Scatter and gather: every chosen server is asked at once, answers are decoded as they come, then merged and reduced.
//!
//! Must not know: SQL texts, HTTP. Invariant: no wait goes beyond the query's time; a server that cannot be reached is
//! replaced by other replicas once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Block, ErrorCode, QueryException, TableType};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use proto::{QueryAnswer, QueryRequest};
use query::execute::Executed;
use query::{Plan, QueryError, QueryStats, ResultTable};
use sql::Statement;

use super::compile::{Compiled, Side};
use super::{Core, Job, Stop, of_nothing};
use crate::response::{BrokerResponse, Failure};
use crate::routing::{Choice, Server};

/// Answers of this size and more are decoded and reduced away from the threads that wait for the network.
const LARGE_ANSWER_BYTES: usize = 128 << 10;
/// Names that an exception lists at most.
const LISTED: usize = 10;

/// One server's share of one side.
struct Ask {
    side: Side,
    server: Arc<Server>,
    segments: Vec<String>,
}

/// An ask whose segments other replicas may have.
struct Lost {
    ask: Ask,
    /// What the server answered over those that it has.
    kept: Option<Box<Executed>>,
}

/// What became of an ask.
enum Outcome {
    Answered(Box<Executed>),
    Refused(QueryException),
    /// Could not be reached; another replica may be.
    Unreachable,
    /// The time is over.
    Late,
}

/// A query's servers and what they answered.
pub(super) struct Gather<'a> {
    core: &'a Core,
    job: &'a Job,
    statement: &'a Statement,
    asks: Vec<Ask>,
    parts: Vec<Executed>,
    bytes: usize,
    failures: Vec<Failure>,
    silent: Vec<String>,
    unavailable: Vec<String>,
    stats: QueryStats,
    cpu_time_ns: (u64, u64),
    pruned: u64,
    queried: u32,
    responded: u32,
}

impl<'a> Gather<'a> {
    pub(super) fn new(core: &'a Core, job: &'a Job, statement: &'a Statement) -> Self {
        Self {
            core,
            job,
            statement,
            asks: Vec::new(),
            parts: Vec::new(),
            bytes: 0,
            failures: Vec::new(),
            silent: Vec::new(),
            unavailable: Vec::new(),
            stats: QueryStats::default(),
            cpu_time_ns: (0, 0),
            pruned: 0,
            queried: 0,
            responded: 0,
        }
    }

    /// Takes a side's servers up.
    pub(super) fn add(&mut self, side: &Side, choice: Choice) {
        self.pruned += choice.pruned;
        self.unavailable.extend(choice.unavailable);
        self.asks
            .extend(choice.shares.into_iter().map(|(server, segments)| Ask {
                side: side.clone(),
                server,
                segments,
            }));
    }

    /// Asks, and asks other replicas of what could not be reached or was not there any more.
    pub(super) async fn run(&mut self) {
        let asks = std::mem::take(&mut self.asks);
        let lost = self.round(asks).await;
        if lost.is_empty() {
            return;
        }
        let routing = self.core.routing.load_full();
        let avoided: Vec<String> = lost
            .iter()
            .map(|l| l.ask.server.instance.id.clone())
            .collect();
        let mut again = Vec::new();
        for Lost { mut ask, kept } in lost {
            if let Some(table) = routing.table(&ask.side.table.view.name) {
                ask.side.table = table;
            }
            let wanted: HashSet<&str> = ask.segments.iter().map(String::as_str).collect();
            let only = |name: &str| wanted.contains(name);
            let choice = self
                .core
                .choose(self.job, self.statement, &ask.side, &avoided, only);
            if choice.unavailable.is_empty() && !choice.shares.is_empty() {
                again.extend(choice.shares.into_iter().map(|(server, segments)| Ask {
                    side: ask.side.clone(),
                    server,
                    segments,
                }));
            } else {
                self.give_up(Lost { ask, kept });
            }
        }
        for lost in self.round(again).await {
            self.give_up(lost);
        }
    }

    /// Takes what there is.
    fn give_up(&mut self, lost: Lost) {
        match lost.kept {
            Some(executed) => self.take(&lost.ask, *executed),
            None => {
                self.queried += 1;
                if lost.ask.server.serves() {
                    self.silent.push(short_name(&lost.ask));
                } else {
                    self.unavailable.extend(lost.ask.segments);
                }
            }
        }
    }

    fn take(&mut self, ask: &Ask, mut executed: Executed) {
        self.queried += 1;
        self.responded += 1;
        for exception in std::mem::take(&mut executed.stats.exceptions) {
            self.fail(Failure::plain(exception));
        }
        self.count(ask, &executed.stats);
        self.parts.push(executed);
    }

    /// Asks all at once; answers those that other replicas may do better.
    async fn round(&mut self, asks: Vec<Ask>) -> Vec<Lost> {
        self.core.running.works_on(
            self.job.request_id,
            asks.iter().map(|ask| Arc::clone(&ask.server)),
        );
        let mut waiting: FuturesUnordered<_> = asks
            .into_iter()
            .map(|ask| {
                let request = self.request(&ask);
                let left = self.job.left_ms();
                async move { send(ask, request, left).await }
            })
            .collect();
        let mut lost = Vec::new();
        while let Some((ask, outcome, bytes)) = waiting.next().await {
            self.bytes += bytes;
            match outcome {
                Outcome::Answered(executed) if lacks_segments(&executed) => lost.push(Lost {
                    ask,
                    kept: Some(executed),
                }),
                Outcome::Answered(executed) => self.take(&ask, *executed),
                Outcome::Refused(exception) => {
                    self.queried += 1;
                    self.responded += 1;
                    self.fail(Failure::plain(exception));
                }
                Outcome::Late => {
                    self.queried += 1;
                    self.silent.push(short_name(&ask));
                }
                Outcome::Unreachable => lost.push(Lost { ask, kept: None }),
            }
        }
        lost
    }

    fn request(&self, ask: &Ask) -> QueryRequest {
        let options = self.statement.options.iter();
        QueryRequest {
            request_id: self.job.request_id,
            broker_id: self.core.id.clone(),
            table: ask.side.table.view.name.clone(),
            segments: ask.segments.clone(),
            sql: self.job.input.sql.clone(),
            options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            time_boundary: ask.side.boundary.clone(),
            timeout_ms: self.job.left_ms(),
            now_ms: self.job.now_ms,
            plan: Some(Arc::clone(&ask.side.plan) as _),
        }
    }

    fn count(&mut self, ask: &Ask, stats: &QueryStats) {
        self.stats.add(stats);
        if ask.side.table.view.config.table_type == TableType::Offline {
            self.cpu_time_ns.0 += stats.thread_cpu_time_ns;
        } else {
            self.cpu_time_ns.1 += stats.thread_cpu_time_ns;
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// Merges what came and makes the response.
    pub(super) async fn reduce(mut self, compiled: &Compiled) -> Result<BrokerResponse, Stop> {
        if !self.silent.is_empty() {
            let message = format!(
                "{} servers [{}] not responded",
                self.silent.len(),
                self.silent.join(", ")
            );
            let exception = QueryException::new(ErrorCode::ServerNotResponding, message);
            self.fail(Failure::plain(exception));
        }
        if !self.unavailable.is_empty() {
            let listed: Vec<&str> = self
                .unavailable
                .iter()
                .take(LISTED)
                .map(String::as_str)
                .collect();
            let message = format!(
                "{} segments unavailable, sampling: [{}]",
                self.unavailable.len(),
                listed.join(", ")
            );
            let exception = QueryException::new(ErrorCode::BrokerSegmentUnavailable, message);
            self.fail(Failure::plain(exception));
        }
        let started = Instant::now();
        let (table, columns) = match self.table(compiled).await? {
            Some((table, columns)) => (Some(table), columns),
            None => (None, None),
        };
        Ok(BrokerResponse {
            table,
            columns,
            failures: self.failures,
            stats: self.stats,
            num_segments_pruned_by_broker: self.pruned,
            num_servers_queried: self.queried,
            num_servers_responded: self.responded,
            reduce_time_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            cpu_time_ns: self.cpu_time_ns,
            ..BrokerResponse::default()
        })
    }

    async fn table(&mut self, compiled: &Compiled) -> Result<Option<Reduced>, Stop> {
        let Some(plan) = compiled.sides.first().map(|side| Arc::clone(&side.plan)) else {
            return Ok(None);
        };
        let parts = std::mem::take(&mut self.parts);
        let types = plan.types_without_segments();
        if parts.is_empty() && !self.failures.is_empty() {
            return Ok(None);
        }
        if parts.is_empty() {
            let mut table = of_nothing(&plan)?;
            if table.rows.is_empty() {
                table.types = types;
            }
            return Ok(Some((table, None)));
        }
        let columnar = self.job.columnar;
        let reduced = if self.bytes < LARGE_ANSWER_BYTES {
            merged(&plan, parts, columnar)
        } else {
            tokio::task::spawn_blocking(move || merged(&plan, parts, columnar))
                .await
                .unwrap_or_else(|error| Err(QueryError::execution(error.to_string())))
        };
        match reduced {
            Ok((mut table, columns)) => {
                if table.rows.is_empty() && self.stats.num_segments_processed == 0 {
                    table.types = types;
                }
                Ok(Some((table, columns)))
            }
            Err(error) => {
                // An argument of a function over aggregations that has no form in its type.
                let conversion = matches!(
                    error,
                    QueryError::Cast(_) | QueryError::Function(functions::FunctionError::Cast(_))
                );
                let (code, what) = if conversion {
                    (ErrorCode::QueryExecution, "Invalid conversion")
                } else {
                    let what = "Caught exception while reducing data tables";
                    (ErrorCode::MergeResponse, what)
                };
                let message = QueryException::from(error).message;
                let exception = QueryException::new(code, format!("{what}: {message}"));
                self.fail(Failure::plain(exception));
                Ok(None)
            }
        }
    }
}

/// True where the server told of segments that it does not have.
fn lacks_segments(executed: &Executed) -> bool {
    executed
        .stats
        .exceptions
        .iter()
        .any(|e| e.code == ErrorCode::ServerSegmentMissing)
}

/// A result, and its rows as columns where they were asked for so.
type Reduced = (ResultTable, Option<Vec<Block>>);

fn merged(plan: &Plan, parts: Vec<Executed>, columnar: bool) -> Result<Reduced, QueryError> {
    let mut parts = parts.into_iter().map(|part| part.partial);
    let Some(mut whole) = parts.next() else {
        return Err(QueryError::execution("no server answered"));
    };
    for part in parts {
        whole.merge(part, plan)?;
    }
    if columnar {
        query::reduce_columns(plan, whole).map(|(table, columns)| (table, Some(columns)))
    } else {
        query::reduce(plan, whole).map(|table| (table, None))
    }
}

async fn send(ask: Ask, request: QueryRequest, left_ms: u64) -> (Ask, Outcome, usize) {
    if left_ms == 0 {
        return (ask, Outcome::Late, 0);
    }
    let request_id = request.request_id;
    let call = ask.server.service.submit(request);
    let answer = match tokio::time::timeout(Duration::from_millis(left_ms), call).await {
        Ok(answer) => answer,
        Err(_) => {
            // Nobody waits for it any more.
            let server = Arc::clone(&ask.server);
            tokio::spawn(async move { server.service.cancel(request_id).await });
            return (ask, Outcome::Late, 0);
        }
    };
    let outcome = match answer {
        Ok(answer) => {
            let mut size = 0;
            let outcome = match decoded(&ask.side.plan, answer).await {
                Ok((executed, bytes)) => {
                    size = bytes;
                    Outcome::Answered(Box::new(executed))
                }
                Err(error) => Outcome::Refused(QueryException::new(
                    ErrorCode::MergeResponse,
                    format!(
                        "the answer of `{}` cannot be read: {error}",
                        ask.server.instance.id
                    ),
                )),
            };
            return (ask, outcome, size);
        }
        Err(exception)
            if matches!(
                exception.code,
                ErrorCode::ServerNotResponding
                    | ErrorCode::ServerShuttingDown
                    | ErrorCode::ServerTableMissing
            ) =>
        {
            tracing::warn!(server = %ask.server.instance.id, error = %exception.message, "a server did not answer");
            Outcome::Unreachable
        }
        Err(exception) => Outcome::Refused(exception),
    };
    (ask, outcome, 0)
}

/// The intermediate result of an answer, and about how large it is.
async fn decoded(plan: &Arc<Plan>, answer: QueryAnswer) -> Result<(Executed, usize), QueryError> {
    let bytes = match answer {
        QueryAnswer::Whole(executed) => {
            let executed = executed
                .downcast::<Executed>()
                .map_err(|_| QueryError::execution("it is of another kind"))?;
            let size = executed.partial.bytes();
            return Ok((*executed, size));
        }
        QueryAnswer::Encoded(bytes) => bytes,
    };
    let size = bytes.len();
    if size < LARGE_ANSWER_BYTES {
        return Ok((query::wire::decode(plan, &bytes)?, size));
    }
    let plan = Arc::clone(plan);
    let decoded = tokio::task::spawn_blocking(move || query::wire::decode(&plan, &bytes))
        .await
        .unwrap_or_else(|error| Err(QueryError::execution(error.to_string())))?;
    Ok((decoded, size))
}

/// `host_O` or `host_R`, as Pinot names a server in a message.
fn short_name(ask: &Ask) -> String {
    let offline = ask.side.table.view.config.table_type == TableType::Offline;
    let kind = if offline { 'O' } else { 'R' };
    format!("{}_{kind}", ask.server.instance.host)
}
