//! The keys that one side of a join holds, noted as they pass, for the leaves of the other side.
//!
//! Must not know: leaves. Invariants: the same batches in the same order; keys are told once every partition has ended, all of
//! them or none.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::StreamExt;
use parking_lot::Mutex;

/// Most keys that are noted.
const MOST: usize = 1 << 20;

/// Keys of one side of a join, column by column.
#[derive(Debug)]
pub(crate) struct HeldKeys(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Partitions that have not ended.
    missing: usize,
    /// `None` where a column is not of integers, or has too many of them.
    columns: Vec<Option<Vec<i64>>>,
}

impl HeldKeys {
    /// The integers of a column of the key, in any order and with repetitions; `None` as long as they are not all known.
    pub(crate) fn integers(&self, column: usize) -> Option<Vec<i64>> {
        let state = self.0.lock();
        let known = state.missing == 0;
        state.columns.get(column).filter(|_| known)?.clone()
    }

    fn ended(&self, noted: Vec<Option<Vec<i64>>>) {
        let mut state = self.0.lock();
        state.missing = state.missing.saturating_sub(1);
        for (all, own) in state.columns.iter_mut().zip(noted) {
            *all = match (all.take(), own) {
                (Some(mut all), Some(own)) if all.len() + own.len() <= MOST => {
                    all.extend(own);
                    Some(all)
                }
                _ => None,
            };
        }
    }
}

/// Notes keys on their way into a join.
#[derive(Debug)]
pub(crate) struct HeldKeysExec {
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    held: Arc<HeldKeys>,
}

impl HeldKeysExec {
    /// Over the side of a join whose keys these are.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        let held = Arc::new(HeldKeys(Mutex::new(State {
            missing: input.output_partitioning().partition_count(),
            columns: vec![Some(Vec::new()); keys.len()],
        })));
        Self { input, keys, held }
    }

    /// What is noted.
    pub(crate) fn held(&self) -> Arc<HeldKeys> {
        Arc::clone(&self.held)
    }

    fn over(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Arc<dyn ExecutionPlan> {
        match children.into_iter().next() {
            Some(input) => Arc::new(Self {
                input,
                keys: self.keys.clone(),
                held: Arc::clone(&self.held),
            }),
            None => self,
        }
    }
}

/// What one partition has noted.
struct Noting {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    columns: Vec<Option<Vec<i64>>>,
    held: Arc<HeldKeys>,
}

impl Noting {
    fn see(&mut self, batch: &RecordBatch) {
        for (key, column) in self.keys.iter().zip(&mut self.columns) {
            let Some(noted) = column else { continue };
            let array = key
                .evaluate(batch)
                .and_then(|v| v.into_array(batch.num_rows()));
            let fits = noted.len() + batch.num_rows() <= MOST;
            if !array.is_ok_and(|array| fits && append(array.as_ref(), noted)) {
                *column = None;
            }
        }
    }
}

/// False where the array is none of integers.
fn append(array: &dyn Array, noted: &mut Vec<i64>) -> bool {
    match array.data_type() {
        DataType::Int32 => {
            let values = array.as_primitive::<Int32Type>().iter().flatten();
            noted.extend(values.map(i64::from));
        }
        DataType::Int64 => noted.extend(array.as_primitive::<Int64Type>().iter().flatten()),
        _ => return false,
    }
    true
}

impl DisplayAs for HeldKeysExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldKeysExec")
    }
}

impl ExecutionPlan for HeldKeysExec {
    fn name(&self) -> &'static str {
        "HeldKeysExec"
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
        see: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for key in &self.keys {
            if see(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
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
        let batches = self.input.execute(partition, context)?;
        let schema = batches.schema();
        let noting = Noting {
            keys: self.keys.clone(),
            columns: vec![Some(Vec::new()); self.keys.len()],
            held: Arc::clone(&self.held),
        };
        let noted = futures::stream::unfold((batches, noting), |(mut batches, mut noting)| async {
            match batches.next().await {
                Some(batch) => {
                    if let Ok(batch) = &batch {
                        noting.see(batch);
                    }
                    Some((batch, (batches, noting)))
                }
                None => {
                    noting.held.ended(noting.columns);
                    None
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, noted)))
    }
}
