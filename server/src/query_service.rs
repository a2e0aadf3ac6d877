//! Queries of brokers: pin the segments asked for, plan, execute, and encode what leaves the process.
//!
//! Must not know: how segments came here. Invariant: all segments of a query are pinned from one version of the table's set.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use common::{ErrorCode, QueryException, Schema, Value};
use proto::{QueryAnswer, QueryRequest, QueryService, ScanStream};
use query::execute::Executed;
use query::{Limits, Plan};
use sql::filter::{Filter, Test};
use sql::statement::{Options, Statement};
use sql::{Expr, parse};

use crate::dimension::HeldTables;
use crate::query_pool::{QueryPool, Ticket};
use crate::scan;
use crate::segments::Pinned;
use crate::shared::Shared;
use crate::tables::Table;

/// Serves queries over the segments of this server.
pub(crate) struct Queries {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Arc<QueryPool>,
}

#[async_trait]
impl QueryService for Queries {
    async fn submit(&self, request: QueryRequest) -> Result<QueryAnswer, QueryException> {
        let began = Instant::now();
        let table = self.table(&request)?;
        let ticket = Ticket {
            request_id: request.request_id,
            timeout_ms: request.timeout_ms,
        };
        let plan = planned(&self.shared, &request, &table)?;
        table.metrics.planning.record(began.elapsed());
        let pinned = table.pin(&request.segments, plan.skip_upsert);
        let short = query::is_short(&plan, &pinned.segments);
        let (shared, of) = (Arc::clone(&self.shared), Arc::clone(&table));
        let waited = |wait| self.shared.metrics.scheduler_wait.record(wait);
        let whole = request.plan.is_some();
        let work = move |limits: &Limits| {
            let executed = executed(&shared, &of, &plan, pinned, limits)?;
            Ok(if whole {
                QueryAnswer::Whole(Box::new(executed))
            } else {
                encoded(&of, &executed)
            })
        };
        let answer = self.pool.run(ticket, short, waited, work).await;
        self.shared.metrics.query_time.record(began.elapsed());
        table.metrics.query_time.record(began.elapsed());
        table.metrics.queries.fetch_add(1, Ordering::Relaxed);
        if let Err(exception) = &answer {
            table.metrics.query_failures.fetch_add(1, Ordering::Relaxed);
            if exception.code == ErrorCode::ServerOutOfCapacity {
                self.shared.metrics.rejected.fetch_add(1, Ordering::Relaxed);
            }
        }
        answer
    }

    async fn scan(
        &self,
        request: QueryRequest,
        lanes: NonZeroUsize,
    ) -> Result<Vec<ScanStream>, QueryException> {
        let table = self.table(&request)?;
        table.metrics.queries.fetch_add(1, Ordering::Relaxed);
        scan::open(&self.shared, &self.pool, table, request, lanes).await
    }

    fn lanes(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.pool.threads()).unwrap_or(NonZeroUsize::MIN)
    }

    async fn cancel(&self, request_id: u64) -> bool {
        self.pool.cancel(request_id)
    }
}

impl Queries {
    fn table(&self, request: &QueryRequest) -> Result<Arc<Table>, QueryException> {
        self.shared.tables.get(&request.table).ok_or_else(|| {
            QueryException::new(
                ErrorCode::ServerTableMissing,
                format!(
                    "Failed to find table: {} on server: {}",
                    request.table, self.shared.instance_id
                ),
            )
        })
    }
}

/// The plan of a request.
pub(crate) fn planned(
    shared: &Arc<Shared>,
    request: &QueryRequest,
    table: &Table,
) -> Result<Arc<Plan>, QueryException> {
    let plan = match &request.plan {
        Some(plan) => Arc::clone(plan).downcast::<Plan>().map_err(|_| {
            QueryException::new(ErrorCode::QueryPlanning, "the plan is of another kind")
        })?,
        None => Arc::new(plan_of(shared, request, &table.view().schema)?),
    };
    if plan.reads_dimensions {
        let tables = HeldTables(Arc::downgrade(shared));
        plan.context.dimensions.set(Arc::new(tables));
    }
    Ok(plan)
}

fn executed(
    shared: &Shared,
    table: &Table,
    plan: &Plan,
    pinned: Pinned,
    limits: &Limits,
) -> Result<Executed, QueryException> {
    let metrics = &table.metrics;
    let began = Instant::now();
    let mut executed = query::execute(plan, &pinned.segments, limits, &shared.host)?;
    note_missing(&mut executed, pinned, table, &shared.instance_id);
    metrics.executing.record(began.elapsed());
    let stats = &executed.stats;
    metrics
        .docs_scanned
        .fetch_add(stats.num_docs_scanned, Ordering::Relaxed);
    metrics
        .segments_processed
        .fetch_add(stats.num_segments_processed, Ordering::Relaxed);
    limits.check()?;
    Ok(executed)
}

fn encoded(table: &Table, executed: &Executed) -> QueryAnswer {
    let began = Instant::now();
    let encoded = query::wire::encode(executed);
    table.metrics.writing.record(began.elapsed());
    QueryAnswer::Encoded(encoded)
}

/// What is missing is said beside the answer over what is there. A segment that the cluster deleted meanwhile is not missed.
fn note_missing(executed: &mut Executed, pinned: Pinned, table: &Table, instance_id: &str) {
    let view = table.view();
    let mut missing = pinned.missing;
    missing.retain(|name| view.segments.contains_key(name));
    if missing.is_empty() {
        return;
    }
    executed.stats.exceptions.push(QueryException::new(
        ErrorCode::ServerSegmentMissing,
        format!(
            "{} segments [{}] missing on server: {instance_id}",
            missing.len(),
            missing.join(", "),
        ),
    ));
}

/// The plan of a request that brings only text.
fn plan_of(
    shared: &Shared,
    request: &QueryRequest,
    schema: &Schema,
) -> Result<Plan, QueryException> {
    let mut options = Options::default();
    for (key, value) in &request.options {
        options.set(key, value);
    }
    let statement = Statement::split(&request.sql, &options)?;
    let mut query = parse::query(&statement, request.now_ms)?;
    if let Some(text) = statement.options.get("rlsfilters") {
        let added = Filter::from_expr(&parse::condition(text)?)?;
        query.filter = Some(match query.filter.take() {
            Some(filter) => Filter::and(vec![filter, added]),
            None => added,
        });
    }
    if let Some((column, value, is_offline)) = &request.time_boundary {
        let bound = (Value::String(value.clone()), *is_offline);
        let (lower, upper) = if *is_offline {
            (None, Some(bound))
        } else {
            (Some(bound), None)
        };
        let boundary =
            Filter::Predicate(Expr::Column(column.clone()), Test::Range { lower, upper });
        query.filter = Some(match query.filter.take() {
            Some(filter) => Filter::and(vec![filter, boundary]),
            None => boundary,
        });
    }
    let query = query::dimension::resolve(query, &|name| {
        let table = shared.tables.get(&format!("{name}_OFFLINE"))?;
        let view = table.view();
        view.config
            .is_dim_table
            .then(|| Arc::new(view.schema.clone()))
    })?;
    Ok(Plan::new(query, schema, request.now_ms)?)
}
