//! Rows of a window come in the window's order, as Pinot gives them, where nothing above asks for another.
//!
//! Must not know: what a window computes. Invariant: the same rows; only their way through partitions changes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

/// Plans as ever, and so.
#[derive(Debug)]
pub(crate) struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::default();
        kept(planner.create_physical_plan(plan, session).await?)
    }
}

/// A plan in which the rows of a window of one partition are not dealt out to several for the sake of a projection.
pub(crate) fn kept(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        Ok(match dealt(&node) {
            Some(window) => Transformed::yes(window),
            None => Transformed::no(node),
        })
    })
    .data()
}

/// The window whose rows an operator deals out in turn.
fn dealt(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let repartition = node.downcast_ref::<RepartitionExec>()?;
    let input = repartition.input();
    let window = input.is::<BoundedWindowAggExec>() || input.is::<WindowAggExec>();
    let in_turn = matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_));
    let one = input.output_partitioning().partition_count() == 1;
    (window && in_turn && one).then(|| Arc::clone(input))
}
