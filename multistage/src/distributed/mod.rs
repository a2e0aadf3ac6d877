//! Stages on the servers: which plans go there, and how their rows and figures come back.
//!
//! Must not know: how a server is reached, beyond its address. Invariant: the answer is that of the plan in the broker; what
//! cannot travel, or fails on its way, is answered there.

mod codec;
mod colocated;
mod functions;
mod laid;
mod layout;
mod places;
mod share;
mod worker;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExec, DistributedExt,
    DistributedLeafExec, DistributedMetricsFormat, RouteTasksEvent, RouteTasksEventResponse,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt, WorkerResolver,
    display_plan_ascii, rewrite_distributed_plan_with_metrics,
};
use http::{HeaderMap, HeaderValue};
use query::QueryStats;
use url::Url;

use crate::error::MultiStageError;
use crate::leaf::{LeafExec, Leaves};
use crate::window_order;

pub(crate) use laid::LeafKey;
pub use layout::{Layout, Partitioned, Slot};
pub use places::{Channels, Dialled, Place, Share, SharePart, ShareRows, Shares};
pub(crate) use share::{SpreadExec, TABLE};
pub use worker::StageWorker;

/// Route of the stages' service.
pub const WORKER_PATH: &str = "/worker.WorkerService/{*method}";

/// Bytes of a header with functions.
const MOST_HEADER: usize = 8 << 10;

/// Operators that run anywhere.
const TRAVEL: [&str; 21] = [
    "LeafExec",
    "HeldKeysExec",
    "AggregateExec",
    "ProjectionExec",
    "FilterExec",
    "SortExec",
    "GlobalLimitExec",
    "LocalLimitExec",
    "UnionExec",
    "WindowAggExec",
    "BoundedWindowAggExec",
    "UnnestExec",
    "HashJoinExec",
    "NestedLoopJoinExec",
    "CrossJoinExec",
    "CooperativeExec",
    "RepartitionExec",
    "CoalescePartitionsExec",
    "SortPreservingMergeExec",
    "PlaceholderRowExec",
    "EmptyExec",
];

/// What a distributed plan's leaves need to know while they are planned.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) places: Vec<Place>,
    /// Only shown: no leaf is asked.
    pub(crate) shown: bool,
}

/// The places of a plan that can run on them; none where it stays in the broker.
pub(crate) fn places(plan: &Arc<dyn ExecutionPlan>) -> Vec<Place> {
    let (mut places, mut exchanges) = (Vec::<Place>::new(), false);
    let mut stays = None;
    let _ = plan.apply(|node| {
        if !TRAVEL.contains(&node.name()) {
            stays = Some(node.name().to_owned());
        }
        exchanges |= !matches!(
            node.name(),
            "LeafExec" | "ProjectionExec" | "CoalescePartitionsExec"
        );
        if let Some(leaf) = node.downcast_ref::<LeafExec>() {
            for place in leaf.places() {
                if !places.iter().any(|known| known.id == place.id) {
                    places.push(place);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if places.len() < 2 || !exchanges {
        return Vec::new();
    }
    if let Some(operator) = stays {
        tracing::debug!(
            operator,
            "the plan stays in the broker: this operator cannot travel"
        );
        return Vec::new();
    }
    places.sort_by(|a, b| a.id.cmp(&b.id));
    places
}

struct Urls(Vec<Url>);

impl WorkerResolver for Urls {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

/// Who asks.
pub(crate) struct Asked<'a> {
    pub(crate) now_ms: i64,
    pub(crate) budget: usize,
    pub(crate) channels: &'a Channels,
    pub(crate) query: String,
}

fn headers(plan: &LogicalPlan, asked: &Asked<'_>) -> Result<HeaderMap> {
    let functions = functions::Functions::of(plan, asked.now_ms)?;
    let refused = |error: &dyn std::fmt::Display| {
        DataFusionError::from(MultiStageError::new(
            common::ErrorCode::QueryPlanning,
            format!("the functions of a plan cannot travel: {error}"),
        ))
    };
    let functions = serde_json::to_vec(&functions).map_err(|error| refused(&error))?;
    let functions = STANDARD.encode(functions);
    if functions.len() > MOST_HEADER {
        return Err(refused(&"too many"));
    }
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, text: &str| {
        let value = HeaderValue::from_str(text).map_err(|error| refused(&error))?;
        headers.insert(name, value);
        Ok::<_, DataFusionError>(())
    };
    put(worker::FUNCTIONS, &functions)?;
    put(worker::MEMORY, &asked.budget.to_string())?;
    put(worker::QUERY, &asked.query)?;
    if let Some(token) = &asked.channels.token {
        put("authorization", token)?;
    }
    Ok(headers)
}

/// A session whose plans run on places.
pub(crate) fn session(
    builder: SessionStateBuilder,
    plan: &LogicalPlan,
    places: Vec<Place>,
    asked: &Asked<'_>,
    shown: bool,
) -> Result<SessionState> {
    let urls: Vec<Url> = places.iter().map(|place| place.url.clone()).collect();
    let (tasks, routes) = (places.len(), urls.clone());
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    let local = places.iter().find_map(|place| {
        let worker = place.here.as_ref()?.worker();
        Some(worker.to_local_worker_context(place.url.clone()))
    });
    let planner = colocated::Planner {
        inner: window_order::Planner,
        places: places.iter().map(|place| place.id.clone()).collect(),
        lanes,
    };
    let mut session = builder
        .with_query_planner(Arc::new(planner))
        .with_distributed_planner()
        .with_distributed_worker_resolver(Urls(urls))
        .with_distributed_channel_resolver(asked.channels.clone())
        .with_distributed_user_codec(codec::ShareCodec)
        .with_distributed_passthrough_headers(headers(plan, asked)?)?
        // A branch of a union in one task would have to read all servers.
        .with_distributed_children_isolator_unions(false)?
        .with_distributed_desired_task_count_handler(move |event: DesiredTaskCountEvent<'_>| {
            let leaf = event.plan.downcast_ref::<SpreadExec>();
            leaf.map(|_| Ok(DesiredTaskCountEventResponse::desired(tasks)))
        })
        .with_distributed_scale_up_leaf_node_handler(move |event: ScaleUpLeafNodeEvent<'_>| {
            let leaf = event.plan.downcast_ref::<SpreadExec>()?;
            let variants = leaf.tasks(event.task_count, lanes);
            let made = DistributedLeafExec::try_new(Arc::clone(event.plan), variants);
            Some(made.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
        })
        .with_distributed_route_tasks_handler(move |event: RouteTasksEvent<'_>| {
            let urls = routes.iter().cycle().take(event.task_count);
            Some(Ok(RouteTasksEventResponse::new(urls.cloned().collect())))
        });
    if let Some(local) = local {
        session = session.with_distributed_local_worker_context(local);
    }
    let mut session = session.build();
    let spread = Spread { places, shown };
    session.config_mut().set_extension(Arc::new(spread));
    Ok(session)
}

/// True where a plan has stages.
pub(crate) fn has_stages(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<DistributedExec>()
}

/// A plan as text, stage by stage.
pub(crate) fn shown(plan: &Arc<dyn ExecutionPlan>) -> String {
    display_plan_ascii(plan.as_ref(), false)
}

/// The plan with the counters of all its tasks, and those of its scans.
pub(crate) async fn figures(
    plan: &Arc<dyn ExecutionPlan>,
    leaves: &dyn Leaves,
) -> Result<Arc<dyn ExecutionPlan>> {
    let format = DistributedMetricsFormat::Aggregated;
    let plan = rewrite_distributed_plan_with_metrics(Arc::clone(plan), format).await?;
    let mut stats = QueryStats::default();
    plan.apply(|node| {
        if let Some(metrics) = node.metrics() {
            share::counted(&metrics, &mut stats);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    leaves.counted(&stats);
    Ok(plan)
}
