//! What is taken for constant where it is not: sides of outer joins that nulls may stand for, and windows over all rows.
//!
//! The optimiser carries constants of both sides across every join, and the one value of a window over all rows for as long as
//! they are read in one part; then it leaves them out of what it sorts, groups and partitions by. Must not know: leaves. Invariant: the same rows in the same order; only what is known of them is less.

use std::fmt;
use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions,
};
use datafusion::physical_plan::joins::{
    HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    Statistics,
};

/// Comes before all rules that look at what is constant.
#[derive(Debug)]
pub(crate) struct OuterSides;

impl PhysicalOptimizerRule for OuterSides {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if let Some(columns) = columns_below(node.as_ref()) {
                let less = OuterSideExec::knowing(node, columns);
                return Ok(Transformed::yes(Arc::new(less)));
            }
            let Some(join) = join_type(node.as_ref()) else {
                return Ok(Transformed::no(node));
            };
            let missing = [
                matches!(join, JoinType::Right | JoinType::Full),
                matches!(join, JoinType::Left | JoinType::Full),
            ];
            let children = node.children();
            let sides: Vec<_> = children
                .into_iter()
                .zip(missing)
                .map(|(side, missing)| match missing && has_constants(side) {
                    true => Arc::new(OuterSideExec::new(Arc::clone(side))) as _,
                    false => Arc::clone(side),
                })
                .collect();
            if sides.iter().any(|side| side.is::<OuterSideExec>()) {
                let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
                return Ok(Transformed::yes(node.replace_children(sides, options)?));
            }
            Ok(Transformed::no(node))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "OuterSides"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn join_type(node: &dyn ExecutionPlan) -> Option<JoinType> {
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        return Some(*join.join_type());
    }
    if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
        return Some(join.join_type());
    }
    if let Some(join) = node.downcast_ref::<PiecewiseMergeJoinExec>() {
        return Some(join.join_type());
    }
    let join = node.downcast_ref::<NestedLoopJoinExec>()?;
    Some(*join.join_type())
}

/// The number of columns below a window over all rows, none where the node is no such window.
fn columns_below(node: &dyn ExecutionPlan) -> Option<usize> {
    let exprs = match node.downcast_ref::<WindowAggExec>() {
        Some(window) => window.window_expr(),
        None => node.downcast_ref::<BoundedWindowAggExec>()?.window_expr(),
    };
    let all = |window: &Arc<dyn WindowExpr>| {
        window.partition_by().is_empty() && window.order_by().is_empty()
    };
    let below = node.schema().fields().len().checked_sub(exprs.len());
    below.filter(|_| exprs.iter().all(all))
}

fn has_constants(side: &Arc<dyn ExecutionPlan>) -> bool {
    !side.equivalence_properties().constants().is_empty()
}

/// Passes rows on, of which nothing is known to be constant.
#[derive(Debug)]
pub(crate) struct OuterSideExec {
    input: Arc<dyn ExecutionPlan>,
    /// The first columns: no order is known of those behind them.
    ordered: usize,
    properties: Arc<PlanProperties>,
}

impl OuterSideExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let all = input.schema().fields().len();
        Self::knowing(input, all)
    }

    fn knowing(input: Arc<dyn ExecutionPlan>, ordered: usize) -> Self {
        let known = input.equivalence_properties();
        let within = |ordering: &&LexOrdering| {
            let columns = ordering.iter().flat_map(|key| collect_columns(&key.expr));
            columns.into_iter().all(|column| column.index() < ordered)
        };
        let orderings = known.oeq_class().iter().filter(within).cloned();
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(input.schema(), orderings),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self {
            input,
            ordered,
            properties: Arc::new(properties),
        }
    }

    fn over(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Arc<dyn ExecutionPlan> {
        match children.into_iter().next() {
            Some(input) => Arc::new(Self::knowing(input, self.ordered)),
            None => self,
        }
    }
}

impl DisplayAs for OuterSideExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OuterSideExec")
    }
}

impl ExecutionPlan for OuterSideExec {
    fn name(&self) -> &'static str {
        "OuterSideExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.over(children))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.over(children))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let unknown = || Arc::new(Statistics::new_unknown(&self.schema()));
        Ok(inputs.first().map_or_else(unknown, Arc::clone))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
