//! From a request to a response.
//!
//! Must not know: HTTP. Invariant: exactly one response, whatever fails.

mod compile;
mod cursor;
mod explain;
mod gather;
mod layout;
mod quota;
mod rights;
mod running;
mod scan;
mod subquery;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use cluster::Access;
use common::clock::Clock;
use common::{ErrorCode, QueryException};
use parking_lot::Mutex;
use query::plan::BoundFilter;
use query::{Partial, Plan, QueryError};
use sql::{Options, Statement};

use crate::metrics::Metrics;
use crate::multistage;
use crate::request::QueryInput;
use crate::response::{BrokerResponse, Failure};
use crate::routing::{Choice, Chooser, Pruner, Routing};
use crate::system;

use compile::{Compiled, PlanCache, Side};
pub(crate) use compile::{Outcome, boundary_of};
pub(crate) use running::Running;
pub(crate) use scan::Counted;

/// Characters of a slow query that are logged.
const LOGGED_CHARACTERS: usize = 4096;
/// Pause of a query that came before the first view of the cluster.
const FIRST_VIEW: Duration = Duration::from_millis(5);

/// What every query of a broker shares.
pub(crate) struct Core {
    /// Instance id.
    pub(crate) id: String,
    /// Host that clients reach.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// For the controller.
    pub(crate) http: reqwest::Client,
    /// Its scheme.
    pub(crate) scheme: &'static str,
    /// Whether this broker shall end soon.
    pub(crate) leaving: std::sync::atomic::AtomicBool,
    /// Routing.
    pub(crate) routing: ArcSwap<Routing>,
    /// Time of day.
    pub(crate) clock: Arc<dyn Clock>,
    /// Milliseconds of a query that says nothing else.
    pub(crate) default_timeout_ms: u64,
    /// LIMIT cap, where there is one.
    pub(crate) max_limit: Option<usize>,
    /// Queries that run.
    pub(crate) running: Running,
    /// Queries that may run at once.
    pub(crate) in_flight_limit: usize,
    /// Counters.
    pub(crate) metrics: Metrics,
    /// Itself, for what outlives a call.
    pub(crate) me: Weak<Core>,
    /// Plans of repeated queries.
    pub(crate) plans: PlanCache,
    /// Kept results.
    pub(crate) cursors: cursor::Cursors,
    /// Who may do what.
    pub(crate) access: Arc<Access>,
    /// Queries of the last second, by table.
    pub(crate) quotas: quota::Quotas,
    /// Time from which on a query is logged.
    pub(crate) slow_query: std::time::Duration,
    /// What queries of the multi-stage engine may take.
    pub(crate) multi_stage_memory: Arc<::multistage::Memory>,
    /// Whether they run in stages on the servers where they do not say.
    pub(crate) distributed: bool,
    /// Figures of tables for the multi-stage engine.
    pub(crate) table_statistics: Arc<::multistage::Statistics>,
    /// The way to stages on the servers, where there is one.
    pub(crate) stages: Option<::multistage::Channels>,
    /// Next request id.
    pub(crate) next_id: AtomicU64,
}

/// One query on its way.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) request_id: u64,
    pub(crate) started: Instant,
    pub(crate) timeout_ms: u64,
    pub(crate) now_ms: i64,
    pub(crate) input: QueryInput,
    /// Wants the rows of a selection as columns.
    pub(crate) columnar: bool,
    /// For leaves: the tables whose quota the query has paid.
    pub(crate) paid: Option<Arc<Mutex<HashSet<String>>>>,
}

impl Job {
    /// Milliseconds left; 0 where the time is over.
    pub(crate) fn left_ms(&self) -> u64 {
        let used = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.timeout_ms.saturating_sub(used)
    }
}

/// A query before any server is asked.
enum Prepared {
    /// Nobody needs to be asked.
    Answered(Box<BrokerResponse>),
    /// With its rewritten statement and its time.
    Planned(Job, Statement, Box<Compiled>),
}

/// What ends a query early: a failure, with or without the ids in its response.
pub(crate) enum Stop {
    /// The text is no statement: Pinot gives such a request no id.
    Unread(Failure),
    /// Anything later.
    Failed(Failure),
}

impl From<QueryException> for Stop {
    fn from(exception: QueryException) -> Self {
        Self::Failed(Failure::named(exception))
    }
}

/// A failure of planning: Pinot's servers find it, so that only unknown columns carry the code's name.
pub(crate) fn planning(error: QueryError) -> Stop {
    let exception = QueryException::from(error);
    Stop::Failed(if exception.code == ErrorCode::UnknownColumn {
        Failure::named(exception)
    } else {
        Failure::plain(exception)
    })
}

impl Core {
    /// Answers a query.
    pub(crate) async fn answer(&self, input: QueryInput) -> BrokerResponse {
        let started = Instant::now();
        let sql = input.sql.clone();
        let request_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.metrics.queries.add(1);
        let mut response = match self.run(input, request_id, started).await {
            Ok(response) => response,
            Err(Stop::Failed(failure)) => BrokerResponse::failed(failure),
            Err(Stop::Unread(failure)) => {
                self.metrics.failed(failure.code);
                return BrokerResponse::failed(failure);
            }
        };
        let elapsed = started.elapsed();
        response.request_id = Some(request_id);
        response.broker_id = Some(self.id.clone());
        if response.num_servers_queried > 0 || response.table.is_some() {
            response.time_used_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        }
        self.metrics.answered(&response, elapsed);
        if elapsed >= self.slow_query {
            self.log_slow(&sql, &response, elapsed);
        }
        response
    }

    fn log_slow(&self, sql: &str, response: &BrokerResponse, elapsed: Duration) {
        let shown: String = sql.chars().take(LOGGED_CHARACTERS).collect();
        tracing::warn!(
            request_id = response.request_id,
            ms = elapsed.as_millis() as u64,
            tables = ?response.tables_queried,
            docs_scanned = response.stats.num_docs_scanned,
            servers = response.num_servers_responded,
            failed = !response.failures.is_empty(),
            sql = shown,
            "slow query"
        );
    }

    async fn run(
        &self,
        input: QueryInput,
        request_id: u64,
        started: Instant,
    ) -> Result<BrokerResponse, Stop> {
        let statement = Statement::split(&input.sql, &input.options).map_err(unread)?;
        let Some(_permit) = self.running.enter(
            request_id,
            &input.sql,
            statement.options.get("clientqueryid"),
            self.in_flight_limit,
        ) else {
            return Err(QueryException::new(
                ErrorCode::TooManyRequests,
                format!(
                    "{} queries are running, which is the limit of this broker",
                    self.in_flight_limit
                ),
            )
            .into());
        };
        let client_id = statement.options.get("clientqueryid").map(str::to_owned);
        let job = Job {
            request_id,
            started,
            timeout_ms: timeout_of(&statement.options).unwrap_or(self.default_timeout_ms),
            now_ms: self.clock.now_ms(),
            input,
            columnar: false,
            paid: None,
        };
        self.informed(&job).await?;
        let mut response = if let Some(answered) = system::answer(self, &job, &statement).await {
            answered?
        } else if job.input.multi_stage || statement.options.is_true("usemultistageengine") {
            self.multi_stage(job, statement).await?
        } else {
            self.single_stage(job, statement).await?
        };
        response.client_request_id = client_id;
        Ok(response)
    }

    /// A broker that has just started knows no table yet: its first queries wait for the controller's word.
    async fn informed(&self, job: &Job) -> Result<(), Stop> {
        while !self.routing.load().loaded {
            if job.left_ms() == 0 {
                let message = "the broker has not heard from a controller since it started";
                return Err(QueryException::new(ErrorCode::BrokerResourceMissing, message).into());
            }
            tokio::time::sleep(FIRST_VIEW).await;
        }
        Ok(())
    }

    async fn multi_stage(&self, job: Job, statement: Statement) -> Result<BrokerResponse, Stop> {
        let core = self.me.upgrade().ok_or_else(|| {
            QueryException::new(ErrorCode::ServerShuttingDown, "the broker is shutting down")
        })?;
        let database = database(&job, &statement.options);
        self.check_relations(&job, &statement, database.as_deref())?;
        Box::pin(multistage::answer(core, job, statement, database)).await
    }

    pub(crate) async fn single_stage(
        &self,
        job: Job,
        statement: Statement,
    ) -> Result<BrokerResponse, Stop> {
        let (job, statement, compiled) = match self.prepared(job, statement).await? {
            Prepared::Planned(job, statement, compiled) => (job, statement, compiled),
            Prepared::Answered(response) => return Ok(*response),
        };
        let drop_rows = statement.options.is_true("dropresults");
        let mut response = if statement.explain {
            explain::answer(&compiled)
        } else {
            self.execute(&job, &statement, &compiled).await?
        };
        response.tables_queried.push(compiled.table.clone());
        if drop_rows {
            response.table = None;
        }
        Ok(response)
    }

    /// Everything before a server is asked: inner queries, the plan, rights, quota, time.
    async fn prepared(&self, mut job: Job, mut statement: Statement) -> Result<Prepared, Stop> {
        let routing = self.routing.load_full();
        let database = database(&job, &statement.options);
        if let Some(rewritten) = self.with_subqueries(&job, &statement).await? {
            job.input.sql.clone_from(&rewritten.sql);
            statement = rewritten;
        }
        if let Some(gapfill) =
            sql::gapfill::split(&statement).map_err(|e| Stop::from(QueryException::from(e)))?
        {
            let response = self.gapfilled(&job, &statement, &gapfill).await?;
            return Ok(Prepared::Answered(Box::new(response)));
        }
        let began = Instant::now();
        let mut compiled = self.compile(&routing, &statement, database.as_deref(), job.now_ms)?;
        if let Outcome::Planned(found) = &compiled {
            self.metrics.compilation.record(began.elapsed());
            let began = Instant::now();
            self.check_table(&job, &found.table)?;
            self.metrics.authorization.record(began.elapsed());
            if let Some(filter) = rights::row_filter(&job, &found.table) {
                statement.options.set(compile::ROW_FILTERS, &filter);
                compiled = self.compile(&routing, &statement, database.as_deref(), job.now_ms)?;
            }
        }
        let compiled = match compiled {
            Outcome::Literals(table) => {
                return Ok(Prepared::Answered(Box::new(BrokerResponse {
                    table: Some(table),
                    ..BrokerResponse::default()
                })));
            }
            Outcome::Planned(compiled) => compiled,
        };
        self.check_quota(&job, &compiled)?;
        if timeout_of(&statement.options).is_none()
            && let Some(timeout_ms) = compiled.timeout_ms
        {
            job.timeout_ms = timeout_ms;
        }
        Ok(Prepared::Planned(job, statement, Box::new(compiled)))
    }

    /// Asks the inner query and completes its answer.
    async fn gapfilled(
        &self,
        job: &Job,
        statement: &Statement,
        gapfill: &sql::gapfill::Gapfill,
    ) -> Result<BrokerResponse, Stop> {
        let input = job.input.inner(&gapfill.inner, &statement.options);
        let mut response = Box::pin(self.answer(input)).await;
        if let Some(table) = response.table.take() {
            let context = functions::scalar::EvalContext::at(job.now_ms);
            let filled = query::gapfill::fill(gapfill, table, &context).map_err(planning)?;
            response.table = Some(filled);
        }
        Ok(response)
    }

    async fn execute(
        &self,
        job: &Job,
        statement: &Statement,
        compiled: &Compiled,
    ) -> Result<BrokerResponse, Stop> {
        let began = Instant::now();
        let mut gather = gather::Gather::new(self, job, statement);
        for side in &compiled.sides {
            if matches!(side.plan.filter, BoundFilter::Constant(false)) {
                continue;
            }
            gather.add(side, self.choose(job, statement, side, &[], |_| true));
        }
        self.metrics.routing.record(began.elapsed());
        let began = Instant::now();
        gather.run().await;
        self.metrics.gathering.record(began.elapsed());
        gather.reduce(compiled).await
    }

    /// Chooses servers for a side of a query.
    pub(crate) fn choose(
        &self,
        job: &Job,
        statement: &Statement,
        side: &Side,
        avoided: &[String],
        wanted: impl Fn(&str) -> bool,
    ) -> Choice {
        let chooser = Chooser {
            turn: job.request_id,
            now_ms: job.now_ms,
            avoided,
            fixed: statement.options.is_true("usefixedreplica"),
        };
        let pruner = Pruner::new(&side.plan, &side.table);
        chooser.choose(&side.table, &pruner, wanted)
    }
}

fn unread(error: sql::SqlError) -> Stop {
    Stop::Unread(Failure::named(error.into()))
}

/// The database of a request: the option wins over the header.
fn database(job: &Job, options: &Options) -> Option<String> {
    options
        .get("database")
        .map(str::to_owned)
        .or_else(|| job.input.database.clone())
}

fn timeout_of(options: &Options) -> Option<u64> {
    options
        .number("timeoutms")
        .and_then(|ms| u64::try_from(ms).ok())
        .filter(|ms| *ms > 0)
}

/// Refuses options that have a value they cannot have; answered with status 500, as Pinot does.
pub(crate) fn refused_option(input: &QueryInput) -> Option<String> {
    let options = Statement::split(&input.sql, &input.options).ok()?.options;
    let text = options.get("timeoutms")?;
    if text.trim().parse::<i64>().is_ok_and(|ms| ms > 0) {
        return None;
    }
    Some(format!(
        "timeoutMs must be a number between 1 and 2^63-1, got: {text}"
    ))
}

/// The result of no rows at all.
pub(crate) fn of_nothing(plan: &Plan) -> Result<query::ResultTable, Stop> {
    query::reduce(plan, Partial::empty(plan)).map_err(planning)
}
