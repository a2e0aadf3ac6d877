//! The best rows of several parts, in the whole order that they are merged in.
//!
//! The optimiser leaves what is constant in every part out of the parts' order, also where the parts differ in it
//! (`SELECT 'a', x .. UNION ALL SELECT 'b', y .. ORDER BY 1, 2 LIMIT 9`), and then they share one bound for their best rows: the rows
//! of one part would push out those of another that come before them. Must not know: leaves. Invariant: a merge is over parts in its
//! own order.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;

/// Comes behind all rules that sort or hand a LIMIT down, and before bounds are told to what is read.
#[derive(Debug)]
pub(crate) struct SharedBounds;

/// The rule that it comes behind.
pub(crate) const BEHIND: &str = "PushdownSort";

impl PhysicalOptimizerRule for SharedBounds {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match in_whole_order(node.as_ref()) {
                Some(merge) => Transformed::yes(merge),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "SharedBounds"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A merge over the best rows of its parts, where these have another order.
fn in_whole_order(node: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let merge = node.downcast_ref::<SortPreservingMergeExec>()?;
    let sort = merge.input().downcast_ref::<SortExec>()?;
    if sort.fetch().is_none() || sort.expr() == merge.expr() {
        return None;
    }
    let whole = SortExec::new(merge.expr().clone(), Arc::clone(sort.input()))
        .with_fetch(sort.fetch())
        .with_preserve_partitioning(sort.preserve_partitioning());
    let merge = SortPreservingMergeExec::new(merge.expr().clone(), Arc::new(whole))
        .with_fetch(merge.fetch());
    Some(Arc::new(merge))
}
