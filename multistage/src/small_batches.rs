//! Rows in small batches of their own, for operators that hold little.
//!
//! A batch that shares its buffers with a large one is as large to whoever holds it, so that rows are copied. Must not know:
//! what runs above. Invariant: the same rows in the same order, in the same partitions.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

/// Cuts what the lowest operators of a plan give.
pub(crate) fn cut(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        Ok(if node.children().is_empty() {
            Transformed::yes(Arc::new(SmallBatchesExec { input: node }) as _)
        } else {
            Transformed::no(node)
        })
    })
    .data()
}

/// Cuts the batches of its input.
#[derive(Debug)]
pub(crate) struct SmallBatchesExec {
    input: Arc<dyn ExecutionPlan>,
}

impl SmallBatchesExec {
    fn over(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Arc<dyn ExecutionPlan> {
        match children.into_iter().next() {
            Some(input) => Arc::new(Self { input }),
            None => self,
        }
    }
}

impl DisplayAs for SmallBatchesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmallBatchesExec")
    }
}

impl ExecutionPlan for SmallBatchesExec {
    fn name(&self) -> &'static str {
        "SmallBatchesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        let rows = context.session_config().batch_size();
        let batches = self.input.execute(partition, context)?;
        let schema = batches.schema();
        let cut = batches.flat_map(move |batch| match batch {
            Ok(batch) => futures::stream::iter(pieces(batch, rows)).left_stream(),
            Err(error) => futures::stream::iter([Err(error)]).right_stream(),
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, cut)))
    }
}

/// The pieces of a batch, each copied when it is wanted.
fn pieces(batch: RecordBatch, rows: usize) -> impl Iterator<Item = Result<RecordBatch>> {
    let all = batch.num_rows();
    (0..all).step_by(rows.max(1)).map(move |start| {
        let end = start.saturating_add(rows).min(all);
        let places: UInt32Array = (start..end)
            .map(|row| u32::try_from(row).unwrap_or(u32::MAX))
            .collect::<Vec<u32>>()
            .into();
        Ok(take_record_batch(&batch, &places)?)
    })
}
