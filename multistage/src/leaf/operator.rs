//! A leaf as an operator: one partition for each stream of rows that the servers give, or one for a merged answer.
//!
//! Must not know: servers. Invariant: nothing is asked before rows are wanted; a partition that is dropped stops its servers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{Stream, StreamExt};

use super::provider::{LeafAnswer, LeafPart, Leaves, batches, sliced};
use super::rows::planned;
use crate::error::MultiStageError;
use crate::run::bytes_of;

/// A leaf of a physical plan.
pub(crate) struct LeafExec {
    sql: Arc<str>,
    table: Arc<str>,
    leaves: Arc<dyn Leaves>,
    /// Streams of rows; none where the query's answer is merged.
    parts: Vec<Arc<dyn LeafPart>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LeafExec {
    pub(super) fn new(
        sql: &str,
        table: &str,
        schema: SchemaRef,
        leaves: Arc<dyn Leaves>,
        parts: Vec<Arc<dyn LeafPart>>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(parts.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            sql: sql.into(),
            table: table.into(),
            leaves,
            parts,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The table that is read.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The answer of the whole query, in batches.
    fn merged(
        &self,
        context: &TaskContext,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
        let (leaves, sql) = (Arc::clone(&self.leaves), Arc::clone(&self.sql));
        let schema = Arc::clone(&self.schema);
        let held = MemoryConsumer::new("Leaf").register(context.memory_pool());
        futures::stream::once(async move {
            tracing::debug!(sql = &*sql, "leaf");
            let answer = leaves.answer(&sql).await.map_err(MultiStageError::from)?;
            let batches = match answer {
                LeafAnswer::Columns(columns) => sliced(columns, &schema)?,
                LeafAnswer::Rows(table) => batches(&table, &schema),
            };
            held.try_grow(batches.iter().flatten().map(bytes_of).sum())?;
            Ok::<_, DataFusionError>((batches, held))
        })
        .flat_map(|answered| match answered {
            // Who takes a batch counts it from then on.
            Ok((batches, held)) => futures::stream::iter(batches)
                .inspect(move |batch| {
                    let bytes = batch.as_ref().map_or(0, bytes_of);
                    held.shrink(bytes.min(held.size()));
                })
                .left_stream(),
            Err(error) => futures::stream::iter([Err(error)]).right_stream(),
        })
    }

    /// The rows of one stream.
    fn streamed(
        &self,
        part: &Arc<dyn LeafPart>,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
        let schema = Arc::clone(&self.schema);
        tracing::debug!(sql = &*self.sql, "streamed leaf");
        Arc::clone(part).rows().map(move |batch| {
            let batch = batch.map_err(MultiStageError::from)?;
            planned(&batch, &schema)
        })
    }
}

impl fmt::Debug for LeafExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

impl DisplayAs for LeafExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeafExec: streams={}, {}", self.parts.len(), self.sql)
    }
}

impl ExecutionPlan for LeafExec {
    fn name(&self) -> &'static str {
        "LeafExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = match self.parts.get(partition) {
            Some(part) => self.streamed(part).boxed(),
            None => self.merged(&context).boxed(),
        };
        // The time that the engine waits for rows, not the time that it takes over them.
        let rows = futures::stream::unfold((rows, metrics), |(mut rows, metrics)| async move {
            let began = Instant::now();
            let batch = rows.next().await?;
            metrics.elapsed_compute().add_duration(began.elapsed());
            if let Ok(batch) = &batch {
                metrics.record_output(batch.num_rows());
            }
            Some((batch, (rows, metrics)))
        });
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let parts = match partition {
            Some(at) => self.parts.get(at..=at).unwrap_or_default(),
            None => self.parts.as_slice(),
        };
        let rows: Option<usize> = parts.iter().map(|part| part.estimate()).sum();
        if let Some(rows) = rows.filter(|_| !parts.is_empty()) {
            statistics.num_rows = Precision::Inexact(rows);
        }
        Ok(Arc::new(statistics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
