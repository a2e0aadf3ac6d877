//! Operators of a plan, run within a query's memory.
//!
//! Must not know: syntax, leaves. Invariant: no row is answered before the plan that made it ran to its end, so that a plan
//! whose hash table does not fit is run again with joins that spill.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::ColumnType;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use uuid::Uuid;

use crate::constant_conditions::ConstantConditions;
use crate::constant_keys::{ConstantKeys, STANDS_FOR};
use crate::distributed::{self, Asked, Channels, Place};
use crate::error::{MultiStageError, Phase, of};
use crate::leaf::{self, Leaves};
use crate::limits_apart::LimitsApart;
use crate::outer_sides::OuterSides;
use crate::shared_bounds::{self, SharedBounds};
use crate::small_batches;
use crate::stages::{self, Stages};
use crate::strict_joins::{self, StrictJoins};
use crate::types::column_type;
use crate::window_order;
use crate::yielding::Yielding;

/// Rules of the optimiser that change nothing but speed are all kept, except those that would take work from the leaves.
const LEFT_OUT: [&str; 4] = [
    "single_distinct_aggregation_to_group_by",
    "common_sub_expression_eliminate",
    "extract_leaf_expressions",
    "push_down_leaf_projections",
];

/// So many texts, and bytes of them, of one side of a join are told to the leaves of the other.
const TOLD_VALUES: usize = 1024;
const TOLD_BYTES: usize = 1 << 20;

/// Batches that a merge of spilled sorts wants to hold at least, as a share of the budget.
const MERGE_SHARE: usize = 64;

/// How long the figures of stages are waited for.
const FIGURES: Duration = Duration::from_millis(300);

/// Bytes that a partition of a query that spills should have.
const PARTITION_BYTES: usize = 64 << 20;
/// Rows of a batch where memory is short.
const SMALL_BATCH: usize = 1024;
/// So many bytes of a budget allow a batch one row, but a batch has some.
const BATCHES_OF_A_BUDGET: usize = 32 << 10;
const LEAST_BATCH: usize = 128;

/// What every query shares: rules and operators know nothing of a single one.
pub(crate) fn session() -> &'static SessionState {
    static SESSION: OnceLock<SessionState> = OnceLock::new();
    SESSION.get_or_init(|| state(|config| config))
}

/// For a query that does not fit: joins sort both sides, and so spill; what operators hold at least is small.
fn spilling_session(budget: usize) -> SessionState {
    state(|mut config| {
        config.options_mut().optimizer.prefer_hash_join = false;
        // With one partition every join of equal keys would be a hash join.
        let partitions = (budget / PARTITION_BYTES).min(config.target_partitions());
        config
            .with_target_partitions(partitions.max(2))
            .with_batch_size(SMALL_BATCH.min((budget / BATCHES_OF_A_BUDGET).max(LEAST_BATCH)))
    })
}

fn state(changed: impl Fn(SessionConfig) -> SessionConfig) -> SessionState {
    builder(changed).build()
}

fn builder(changed: impl Fn(SessionConfig) -> SessionConfig) -> SessionStateBuilder {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut config = changed(SessionConfig::new().with_target_partitions(cores));
    let optimizer = &mut config.options_mut().optimizer;
    // Its table of keys cannot find a NaN again.
    optimizer.enable_topk_aggregation = false;
    optimizer.hash_join_inlist_pushdown_max_distinct_values = TOLD_VALUES;
    optimizer.hash_join_inlist_pushdown_max_size = TOLD_BYTES;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = Optimizer::new()
        .rules
        .into_iter()
        .filter(|rule| !LEFT_OUT.contains(&rule.name()))
        .flat_map(|rule| match rule.name() {
            STANDS_FOR => vec![Arc::new(ConstantKeys) as _],
            strict_joins::BEHIND => {
                vec![rule, Arc::new(StrictJoins), Arc::new(ConstantConditions)]
            }
            _ => vec![rule],
        })
        .collect();
    let mut physical: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> =
        vec![Arc::new(OuterSides), Arc::new(LimitsApart)];
    for rule in PhysicalOptimizer::new().rules {
        let sorts = rule.name() == shared_bounds::BEHIND;
        physical.push(rule);
        if sorts {
            physical.push(Arc::new(SharedBounds));
        }
    }
    physical.push(Arc::new(Yielding));
    SessionStateBuilder::new()
        .with_config(config)
        .with_optimizer_rules(rules)
        .with_physical_optimizer_rules(physical)
}

/// A plan without the columns that nothing above them reads.
pub(crate) fn pruned(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    static PRUNING: OnceLock<Optimizer> = OnceLock::new();
    let pruning =
        PRUNING.get_or_init(|| Optimizer::with_rules(vec![Arc::new(OptimizeProjections::new())]));
    pruning.optimize(plan, session(), |_, _| {})
}

/// A plan's answer.
pub(crate) struct Answered {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) types: Vec<ColumnType>,
    /// What ran; `None` where figures of servers did not come.
    pub(crate) stages: Option<Stages>,
    /// The batches' bytes, which are free once this is dropped.
    _held: MemoryReservation,
}

/// Runs a plan; once more with operators that spill, where it does not fit.
pub(crate) async fn answered(
    plan: &LogicalPlan,
    environment: &Arc<RuntimeEnv>,
    budget: usize,
    leaves: &dyn Leaves,
    stages: Option<(&Wish, &Channels)>,
) -> Result<Answered, MultiStageError> {
    let mut operators = self::operators(plan, session()).await?;
    if let Some((wish, channels)) = stages.filter(|(wish, _)| wish.distributed) {
        let places = distributed::places(&operators);
        if !places.is_empty() {
            leaves.asked_again();
            let asked = wish.asked(budget, channels);
            match on_servers(plan, places, &asked, environment, leaves).await {
                Ok(Some(answered)) => return Ok(answered),
                Ok(None) => tracing::debug!("the plan has no stages"),
                // Whatever it was: the plan in the broker says it in its own words, or answers.
                Err(error) => tracing::warn!(%error, "stages failed, once more in the broker"),
            }
            leaves.asked_again();
            operators = self::operators(plan, session()).await?;
        }
    }
    let error = match collected(&operators, session(), environment, budget).await {
        Ok(answered) => {
            let stages = Some(stages::of(&operators));
            return Ok(Answered { stages, ..answered });
        }
        Err(error) => error,
    };
    if !is_exhausted(&error) {
        return Err(of(&error, Phase::Execution));
    }
    tracing::debug!(%error, "once more with what spills");
    drop(operators);
    leaves.asked_again();
    let spilling = spilling_session(budget);
    let operators = self::operators(plan, &spilling).await?;
    let operators = small_batches::cut(operators).map_err(|error| of(&error, Phase::Planning))?;
    let answered = collected(&operators, &spilling, environment, budget)
        .await
        .map_err(|error| of(&error, Phase::Execution))?;
    let stages = Some(stages::of(&operators));
    Ok(Answered { stages, ..answered })
}

/// What a query says of stages on servers.
pub(crate) struct Wish {
    /// The option `distributed`.
    pub(crate) distributed: bool,
    /// The query's time.
    pub(crate) now_ms: i64,
}

impl Wish {
    fn asked<'a>(&self, budget: usize, channels: &'a Channels) -> Asked<'a> {
        Asked {
            now_ms: self.now_ms,
            budget,
            channels,
            query: Uuid::new_v4().to_string(),
        }
    }
}

/// Runs a plan in stages on servers; `None` where it has none.
async fn on_servers(
    plan: &LogicalPlan,
    places: Vec<Place>,
    asked: &Asked<'_>,
    environment: &Arc<RuntimeEnv>,
    leaves: &dyn Leaves,
) -> Result<Option<Answered>, DataFusionError> {
    let session = distributed::session(builder(|config| config), plan, places, asked, false)?;
    let planner = session.query_planner();
    let operators = planner.create_physical_plan(plan, &session).await?;
    if !distributed::has_stages(&operators) {
        return Ok(None);
    }
    let mut answered = collected(&operators, &session, environment, asked.budget).await?;
    match tokio::time::timeout(FIGURES, distributed::figures(&operators, leaves)).await {
        Ok(Ok(operators)) => answered.stages = Some(stages::of(&operators)),
        Ok(Err(error)) => tracing::debug!(%error, "figures of stages"),
        Err(_) => tracing::debug!("the figures of some stages did not come"),
    }
    Ok(Some(answered))
}

/// The stages of a plan as text; `None` where it stays in the broker.
pub(crate) async fn shown_stages(
    plan: &LogicalPlan,
    wish: &Wish,
    channels: &Channels,
) -> Result<Option<String>, MultiStageError> {
    if !wish.distributed {
        return Ok(None);
    }
    let operators = operators(plan, session()).await?;
    let places = distributed::places(&operators);
    if places.is_empty() {
        return Ok(None);
    }
    let asked = wish.asked(0, channels);
    let session = distributed::session(builder(|config| config), plan, places, &asked, true);
    let Ok(session) = session else {
        return Ok(None);
    };
    let planned = session
        .query_planner()
        .create_physical_plan(plan, &session)
        .await;
    let operators = planned.map_err(|error| of(&error, Phase::Planning))?;
    Ok(distributed::has_stages(&operators).then(|| distributed::shown(&operators)))
}

/// The operators of a plan.
pub(crate) async fn operators(
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>, MultiStageError> {
    let planned = state
        .query_planner()
        .create_physical_plan(plan, state)
        .await;
    planned
        .and_then(window_order::kept)
        .and_then(leaf::told)
        .map_err(|error| of(&error, Phase::Planning))
}

async fn collected(
    operators: &Arc<dyn ExecutionPlan>,
    state: &SessionState,
    environment: &Arc<RuntimeEnv>,
    budget: usize,
) -> Result<Answered, DataFusionError> {
    let held = MemoryConsumer::new("Result").register(&environment.memory_pool);
    let config = state.config().clone();
    let merge = config.options().execution.sort_spill_reservation_bytes;
    let merge = merge.min(budget / MERGE_SHARE);
    let context = TaskContext::from(state)
        .with_session_config(config.with_sort_spill_reservation_bytes(merge))
        .with_runtime(Arc::clone(environment));
    let mut rows = execute_stream(Arc::clone(operators), Arc::new(context))?;
    let types = rows
        .schema()
        .fields()
        .iter()
        .map(|field| column_type(field.data_type()))
        .collect();
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        held.try_grow(bytes_of(&batch)).map_err(|error| {
            // No other plan answers fewer rows.
            DataFusionError::from(of(&error, Phase::Execution))
        })?;
        batches.push(batch);
    }
    Ok(Answered {
        batches,
        types,
        stages: None,
        _held: held,
    })
}

/// Bytes of a batch's rows; of a slice, its own alone.
pub(crate) fn bytes_of(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| {
            let data = column.to_data();
            data.get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum()
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(
        crate::error::root(error),
        DataFusionError::ResourcesExhausted(_)
    )
}
