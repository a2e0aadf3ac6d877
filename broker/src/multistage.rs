//! The bridge to the multi-stage engine: its leaf queries are single-stage queries of this broker.
//!
//! Must not know: how that engine plans. Invariant: a leaf has the options, the database and the deadline of its query, and
//! its counters are in the query's response.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::{ErrorCode, QueryException, Schema};
use multistage::{Channels, LeafAnswer, LeafStreams, Leaves, Request, Stages};
use parking_lot::Mutex;
use query::QueryStats;
use sql::Statement;
use sql::statement::Options;

use crate::execution::{Core, Counted, Job, Stop};
use crate::response::{BrokerResponse, MultiStageParts};
use crate::routing::Routing;

/// Option: false makes the broker gather the rows of every leaf before they go on.
const STREAM_LEAVES: &str = "streamleaves";

/// Option: whether stages run on the servers.
const DISTRIBUTED: &str = "distributed";

/// Groups that a leaf keeps: exact, and bounded by memory alone.
const LEAF_GROUPS: &str = "100000000";

/// One query's leaves.
struct LeafQueries {
    core: Arc<Core>,
    routing: Arc<Routing>,
    job: Job,
    options: Options,
    database: Option<String>,
    counted: Counted,
    /// Of the parts of a query that do not run again.
    settled: Mutex<BrokerResponse>,
}

#[async_trait]
impl Leaves for LeafQueries {
    fn table(&self, name: &str) -> Option<(String, Arc<Schema>)> {
        let resolved = self.routing.resolve(name, self.database.as_deref());
        let table = resolved.offline.or(resolved.realtime)?;
        Some((name.to_owned(), Arc::clone(&table.schema)))
    }

    async fn answer(&self, sql: &str) -> Result<LeafAnswer, QueryException> {
        let (job, statement) = self.leaf(sql);
        let mut response = self.core.single_stage(job, statement).await?;
        if let Some(failure) = response.failures.drain(..).next() {
            return Err(failure.into());
        }
        let (table, columns) = (response.table.take(), response.columns.take());
        self.count(response);
        match (columns, table) {
            (Some(columns), _) => Ok(LeafAnswer::Columns(columns)),
            (None, Some(table)) => Ok(LeafAnswer::Rows(table)),
            (None, None) => Err(QueryException::new(
                ErrorCode::Internal,
                format!("`{sql}` answered no table"),
            )),
        }
    }

    async fn streams(&self, sql: &str) -> Result<LeafStreams, QueryException> {
        if self
            .options
            .get(STREAM_LEAVES)
            .is_some_and(|value| value.eq_ignore_ascii_case("false"))
        {
            return Ok(LeafStreams::default());
        }
        let (job, statement) = self.leaf(sql);
        Ok(self.core.streams(job, statement, &self.counted).await?)
    }

    fn counted(&self, stats: &QueryStats) {
        self.counted.lock().stats.add(stats);
    }

    fn channels(&self) -> Option<&Channels> {
        self.core.stages.as_ref()
    }

    fn settled(&self) {
        *self.settled.lock() = self.counted.lock().clone();
    }

    fn asked_again(&self) {
        *self.counted.lock() = self.settled.lock().clone();
    }

    fn ran(&self, stages: Stages) {
        self.counted.lock().multi_stage = Some(MultiStageParts {
            num_groups: stages.groups,
            join_rows: stages.join_rows,
            window_rows: stages.window_rows,
            operator_rows: stages.operator_rows,
            stage_stats: stages.tree.to_string(),
        });
    }
}

impl LeafQueries {
    fn leaf(&self, sql: &str) -> (Job, Statement) {
        let statement = Statement {
            sql: sql.to_owned(),
            options: self.options.clone(),
            explain: false,
        };
        let mut job = self.job.clone();
        job.columnar = true;
        sql.clone_into(&mut job.input.sql);
        (job, statement)
    }

    fn count(&self, leaf: BrokerResponse) {
        let mut all = self.counted.lock();
        all.stats.add(&leaf.stats);
        all.num_segments_pruned_by_broker += leaf.num_segments_pruned_by_broker;
        all.num_servers_queried = all.num_servers_queried.max(leaf.num_servers_queried);
        all.num_servers_responded = all.num_servers_responded.max(leaf.num_servers_responded);
        for table in leaf.tables_queried {
            if !all.tables_queried.contains(&table) {
                all.tables_queried.push(table);
            }
        }
    }
}

/// Answers a query of the multi-stage engine.
pub(crate) async fn answer(
    core: Arc<Core>,
    mut job: Job,
    mut statement: Statement,
    database: Option<String>,
) -> Result<BrokerResponse, Stop> {
    let mut options = statement.options.clone();
    options.set("multistageleaf", "true");
    options.set("usemultistageengine", "false");
    options.set("numgroupslimit", LEAF_GROUPS);
    if core.distributed && statement.options.get(DISTRIBUTED).is_none() {
        statement.options.set(DISTRIBUTED, "true");
    }
    let request = Request {
        statement,
        now_ms: job.now_ms,
        memory: Arc::clone(&core.multi_stage_memory),
        statistics: Arc::clone(&core.table_statistics),
    };
    job.paid = Some(Arc::default());
    let left = Duration::from_millis(job.left_ms());
    let cancelled = core.running.cancelled(job.request_id).unwrap_or_default();
    let leaves = Arc::new(LeafQueries {
        routing: core.routing.load_full(),
        core,
        job,
        options,
        database,
        counted: Counted::default(),
        settled: Mutex::default(),
    });
    let running = multistage::answer(&request, Arc::clone(&leaves) as Arc<dyn Leaves>);
    let table = tokio::select! {
        answered = running => answered.map_err(QueryException::from)?,
        () = cancelled.notified() => {
            return Err(QueryException::new(
                ErrorCode::QueryCancellation,
                "the query was cancelled",
            )
            .into());
        }
        () = tokio::time::sleep(left) => {
            return Err(QueryException::new(
                ErrorCode::ExecutionTimeout,
                format!("the query took longer than {} ms", left.as_millis()),
            )
            .into());
        }
    };
    let mut response = std::mem::take(&mut *leaves.counted.lock());
    response.table = Some(table);
    response.multi_stage.get_or_insert_with(|| MultiStageParts {
        stage_stats: "{}".to_owned(),
        ..MultiStageParts::default()
    });
    Ok(response)
}
