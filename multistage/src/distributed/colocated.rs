//! Joins where the rows lie: of tables that are partitioned alike by the key of a join, no row has to change its server.
//!
//! DataFusion takes every hash partitioning for its own, so that leaves do not declare theirs: the exchanges are taken out of
//! a finished plan. Must not know: routing. Invariant: wherever an operator counts on equal keys being in one partition, they
//! are, with or without the exchange that was there.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    Distribution, ExecutionPlan, ExecutionPlanProperties, Partitioning,
};

use super::laid::{Laid, laid, over_inputs};
use super::layout::dealt;
use super::share::SpreadExec;

/// Plans with another planner, then takes exchanges out.
#[derive(Debug)]
pub(super) struct Planner<P> {
    pub(super) inner: P,
    /// Instance ids.
    pub(super) places: Vec<String>,
    /// Lanes of a task, at most.
    pub(super) lanes: usize,
}

#[async_trait]
impl<P: QueryPlanner + Send + Sync> QueryPlanner for Planner<P> {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.inner.create_physical_plan(plan, session).await?;
        self.searched(plan, Above::default())
    }
}

/// What operators above, up to the next exchange, count on.
#[derive(Debug, Clone, Copy, Default)]
struct Above {
    /// Equal keys are in one partition.
    keyed: bool,
    /// Partitions match those of another input, or there is one.
    matched: bool,
}

impl<P> Planner<P> {
    /// The plan with the largest subtrees that can do without exchanges.
    fn searched(
        &self,
        node: Arc<dyn ExecutionPlan>,
        above: Above,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !above.matched {
            let mut found = laid(&node)?;
            found.retain(|laid| {
                laid.joins > 0 && (!above.keyed || keeps(laid, node.output_partitioning()))
            });
            found.sort_by_key(|laid| std::cmp::Reverse(laid.joins));
            for laid in found {
                if let Some(plan) = self.placed(laid)? {
                    return Ok(plan);
                }
            }
        }
        let before: Vec<_> = node.children().into_iter().map(Arc::clone).collect();
        let mut changed = false;
        let mut children = Vec::with_capacity(before.len());
        for (at, child) in before.into_iter().enumerate() {
            let searched = self.searched(Arc::clone(&child), below(&node, at, above))?;
            changed |= !Arc::ptr_eq(&searched, &child);
            children.push(searched);
        }
        if changed {
            over_inputs(&node, children)
        } else {
            Ok(node)
        }
    }

    /// The subtree over leaves whose partitions are dealt out; none where no place has some partition of all tables.
    fn placed(&self, laid: Laid) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let tables: Vec<_> = laid.leaves.iter().map(|leaf| &leaf.key.rows).collect();
        let Some(dealt) = dealt(&tables, &self.places, self.lanes) else {
            return Ok(None);
        };
        let mut made = Vec::with_capacity(laid.leaves.len());
        for leaf in &laid.leaves {
            let spread = leaf.plan.downcast_ref::<SpreadExec>();
            let found = spread.and_then(|s| s.in_lanes(&leaf.key.name, &self.places, &dealt));
            match found {
                Some(found) => made.push(Arc::new(found) as Arc<dyn ExecutionPlan>),
                None => return Ok(None),
            }
        }
        let plan = laid.plan.transform_down(|node| {
            let of = laid.leaves.iter().zip(&made);
            let mut of = of.filter(|(leaf, _)| Arc::ptr_eq(&leaf.plan, &node));
            Ok(match of.next() {
                Some((_, made)) => Transformed::yes(Arc::clone(made)),
                None => Transformed::no(node),
            })
        });
        plan.data().map(Some)
    }
}

/// True where rows that are equal by the partitioning that was there have equal keys.
fn keeps(laid: &Laid, was: &Partitioning) -> bool {
    matches!(was, Partitioning::Hash(exprs, _) if laid.holds(exprs))
}

/// What a child's rows have to keep to.
fn below(node: &Arc<dyn ExecutionPlan>, child: usize, above: Above) -> Above {
    if node.is::<RepartitionExec>()
        || node.is::<CoalescePartitionsExec>()
        || node.is::<SortPreservingMergeExec>()
    {
        return Above::default();
    }
    let alone = node.children().len() == 1;
    let wanted = node.input_distribution_requirements().into_per_child();
    let mut here = above;
    match wanted.get(child) {
        Some(Distribution::UnspecifiedDistribution) | None => {}
        Some(Distribution::SinglePartition) => here.matched = true,
        Some(_) => {
            here.keyed = true;
            here.matched |= !alone;
        }
    }
    // Joins of one side that is gathered ask nothing of the other; whatever else has several inputs may.
    let gathers = node
        .downcast_ref::<HashJoinExec>()
        .is_some_and(|join| *join.partition_mode() == PartitionMode::CollectLeft);
    here.matched |= !alone && !gathers && !ANY_ROWS.contains(&node.name());
    here
}

/// Operators of several inputs that take any rows in any partition of one of them.
const ANY_ROWS: [&str; 3] = ["UnionExec", "NestedLoopJoinExec", "CrossJoinExec"];
