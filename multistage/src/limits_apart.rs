//! A LIMIT beside its ORDER BY, until it is known where rows are sorted and met.
//!
//! The optimiser hands the LIMIT of a sort down with the sort, also past windows, filters and groups, where other rows are counted; and
//! it leaves out sorts below a LIMIT where nothing above asks for their order. So a LIMIT above other sorts is told apart and asks for
//! the order; the rule that hands LIMITs down by themselves knows what they may pass. Must not know: leaves. Invariant: the same
//! rows in the same order; a sort above none is as it was, and keeps its best rows alone.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::{Distribution, OrderingRequirements};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

/// Comes before all rules that move sorts.
#[derive(Debug)]
pub(crate) struct LimitsApart;

impl PhysicalOptimizerRule for LimitsApart {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match apart(node.as_ref()) {
                Some(limit) => Transformed::yes(limit),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "LimitsApart"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A sort of all rows with the LIMIT above it, where the sort has one. The optimiser takes the requirement away when sorts stand.
fn apart(node: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let sort = node.downcast_ref::<SortExec>()?;
    let fetch = sort.fetch().filter(|_| is_above_sorts(sort))?;
    let order = sort.expr().clone();
    let all = Arc::new(SortExec::new(order.clone(), Arc::clone(sort.input())));
    let ordered = OutputRequirementExec::new(
        all,
        Some(OrderingRequirements::from(order.clone())),
        Distribution::SinglePartition,
        None,
    );
    let mut limit = GlobalLimitExec::new(Arc::new(ordered), 0, Some(fetch));
    limit.set_required_ordering(Some(order));
    Some(Arc::new(limit))
}

/// True where rows below may come in an order that the sort finds made; windows will be sorted for.
fn is_above_sorts(sort: &SortExec) -> bool {
    let sorts = |node: &Arc<dyn ExecutionPlan>| {
        Ok(node.is::<SortExec>()
            || node.is::<GlobalLimitExec>()
            || node.is::<WindowAggExec>()
            || node.is::<BoundedWindowAggExec>())
    };
    sort.input().exists(sorts).unwrap_or(true)
}
