//! A leaf as an operator: one partition for each stream of rows that the servers give, or one for a merged answer.
//!
//! Must not know: servers. Invariants: nothing is asked before rows are wanted; a partition that is dropped stops its servers;
//! all partitions of one execution read the same query, which the first of them settles.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType,
};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::Leaf;
use super::narrowed::{Wanted, narrowed};
use super::provider::{LeafAnswer, LeafPart, LeafStreams, Leaves, batches, sliced};
use super::rows::planned;
use super::text;
use super::traced::Traced;
use crate::distributed::{Layout, LeafKey, Place, Share, Slot};
use crate::error::MultiStageError;
use crate::held_keys::HeldKeys;
use crate::run::bytes_of;
use crate::types::arrow_type;

/// A leaf query with the streams of its rows; none where the query's answer is merged.
#[derive(Clone)]
pub(super) struct Asked {
    leaf: Leaf,
    sql: Arc<str>,
    parts: Vec<Arc<dyn LeafPart>>,
    layout: Option<Arc<dyn Layout>>,
}

impl Asked {
    pub(super) async fn new(leaf: Leaf, leaves: &dyn Leaves) -> Result<Self> {
        let sql = leaf.sql();
        let LeafStreams { parts, layout } = if leaf.is_plain() && leaf.order.is_empty() {
            let streams = leaves.streams(&sql).await;
            streams.map_err(MultiStageError::from)?
        } else {
            LeafStreams::default()
        };
        Ok(Self {
            leaf,
            sql: sql.into(),
            parts,
            layout,
        })
    }
}

/// A leaf of a physical plan.
pub(crate) struct LeafExec {
    asked: Arc<Asked>,
    leaves: Arc<dyn Leaves>,
    /// What joins above will want, known once their other sides are read.
    wanted: Vec<Wanted>,
    /// Keys of joins whose filters do not come down here.
    traced: Vec<Traced>,
    /// What is read in fact.
    settled: Arc<OnceCell<Arc<Asked>>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LeafExec {
    pub(super) fn new(asked: Asked, schema: SchemaRef, leaves: Arc<dyn Leaves>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(asked.parts.len().max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            asked: Arc::new(asked),
            leaves,
            wanted: Vec::new(),
            traced: Vec::new(),
            settled: Arc::default(),
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// True where the servers give rows as they are found.
    pub(super) fn is_streamed(&self) -> bool {
        !self.asked.parts.is_empty()
    }

    /// The servers that have the rows.
    pub(crate) fn places(&self) -> Vec<Place> {
        let shares = self.asked.parts.iter().filter_map(|part| part.share());
        shares.map(|(place, _)| place).collect()
    }

    /// The shares of each of the places.
    pub(super) fn shares(&self, places: &[Place]) -> Vec<Vec<Share>> {
        let mut all = vec![Vec::new(); places.len()];
        for (place, share) in self.asked.parts.iter().filter_map(|part| part.share()) {
            let at = places.iter().position(|known| known.id == place.id);
            if let Some(shares) = all.get_mut(at.unwrap_or(0)) {
                shares.push(share);
            }
        }
        all
    }

    /// The columns by whose partitions the rows lie.
    pub(crate) fn keys(&self) -> Vec<LeafKey> {
        let Some(layout) = &self.asked.layout else {
            return Vec::new();
        };
        let outputs = self.asked.leaf.outputs.iter().zip(self.schema.fields());
        let keys = outputs.enumerate().filter_map(|(at, (sql, field))| {
            let name = text::column_of(sql)?;
            let rows = layout.partitioned(&name)?;
            // A cast to another number has no text of its own.
            let as_it_is = *field.data_type() == arrow_type(rows.column_type);
            (as_it_is && rows.is_exact()).then_some(LeafKey { at, name, rows })
        });
        keys.collect()
    }

    /// What gives the rows of partitions of a column; none where some of it cannot be asked.
    pub(crate) fn slots(&self, column: &str, slots: &[Slot]) -> Option<Vec<Vec<Share>>> {
        self.asked.layout.as_ref()?.shares(column, slots)
    }

    /// About how many rows there are.
    pub(crate) fn known(&self, partition: Option<usize>) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let parts = match partition {
            Some(at) => self.asked.parts.get(at..=at).unwrap_or_default(),
            None => self.asked.parts.as_slice(),
        };
        let rows: Option<usize> = parts.iter().map(|part| part.estimate()).sum();
        if let Some(rows) = rows.filter(|_| !parts.is_empty()) {
            statistics.num_rows = Precision::Inexact(rows);
        }
        statistics
    }

    /// The table that is read.
    pub(crate) fn table(&self) -> &str {
        &self.asked.leaf.table
    }

    /// The joins that this leaf may hear of.
    pub(super) fn joins(&self) -> impl Iterator<Item = u64> + '_ {
        let ids = self
            .wanted
            .iter()
            .map(|wanted| wanted.filter().expression_id());
        ids.flatten()
    }

    /// Tells this leaf from the others of its plan.
    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.settled) as usize
    }

    /// The same leaf, which hears of the keys that are noted.
    pub(super) fn hearing(&self, noted: &HashMap<u64, Arc<HeldKeys>>, traced: Vec<Traced>) -> Self {
        let mut leaf = self.wanting(self.wanted.iter().map(|w| w.with_keys(noted)).collect());
        leaf.traced = traced;
        leaf
    }

    fn wanting(&self, wanted: Vec<Wanted>) -> Self {
        Self {
            asked: Arc::clone(&self.asked),
            leaves: Arc::clone(&self.leaves),
            wanted,
            traced: self.traced.clone(),
            settled: Arc::default(),
            schema: Arc::clone(&self.schema),
            properties: Arc::clone(&self.properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The rows of one partition. Whichever partition comes first settles what all of them read.
    fn rows(&self, partition: usize, context: &TaskContext) -> BoxStream<'static, Rows> {
        let held = MemoryConsumer::new("Leaf").register(context.memory_pool());
        let (asked, settled) = (Arc::clone(&self.asked), Arc::clone(&self.settled));
        let leaves = Arc::clone(&self.leaves);
        let (wanted, traced) = (self.wanted.clone(), self.traced.clone());
        let schema = Arc::clone(&self.schema);
        let partitions = self.properties.partitioning.partition_count();
        let rows = async move {
            let asked = settled
                .get_or_try_init(|| settle(asked, (&wanted, &traced), leaves.as_ref()))
                .await?;
            if asked.parts.is_empty() {
                return Ok(merged(Arc::clone(asked), leaves, schema, held).boxed());
            }
            let own = asked.parts.iter().skip(partition).step_by(partitions);
            let own: Vec<_> = own
                .map(|part| streamed(part, &asked.sql, &schema))
                .collect();
            Ok::<_, DataFusionError>(futures::stream::iter(own).flatten().boxed())
        };
        futures::stream::once(rows).try_flatten().boxed()
    }
}

type Rows = Result<RecordBatch>;

/// The query as it was planned, or narrower by what the joins above know by now.
async fn settle(
    asked: Arc<Asked>,
    (wanted, traced): (&[Wanted], &[Traced]),
    leaves: &dyn Leaves,
) -> Result<Arc<Asked>> {
    let rows = asked.parts.iter().map(|part| part.estimate()).sum();
    let rows = Option::<usize>::filter(rows, |_| !asked.parts.is_empty());
    let Some(leaf) = narrowed(&asked.leaf, rows, wanted, traced) else {
        return Ok(asked);
    };
    let narrower = Asked::new(leaf, leaves).await?;
    // Streamed as planned, or merged as planned: a plan has as many partitions as it has.
    Ok(if narrower.parts.is_empty() == asked.parts.is_empty() {
        Arc::new(narrower)
    } else {
        asked
    })
}

/// The answer of the whole query, in batches.
fn merged(
    asked: Arc<Asked>,
    leaves: Arc<dyn Leaves>,
    schema: SchemaRef,
    held: MemoryReservation,
) -> impl Stream<Item = Rows> + Send {
    futures::stream::once(async move {
        tracing::debug!(sql = &*asked.sql, "leaf");
        let answer = leaves.answer(&asked.sql).await;
        let batches = match answer.map_err(MultiStageError::from)? {
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
    part: &Arc<dyn LeafPart>,
    sql: &str,
    schema: &SchemaRef,
) -> impl Stream<Item = Rows> + Send + use<> {
    let schema = Arc::clone(schema);
    tracing::debug!(sql, "streamed leaf");
    Arc::clone(part).rows().map(move |batch| {
        let batch = batch.map_err(MultiStageError::from)?;
        planned(&batch, &schema)
    })
}

impl fmt::Debug for LeafExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.asked.sql)
    }
}

impl DisplayAs for LeafExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.asked;
        write!(f, "LeafExec: streams={}, {}", asked.parts.len(), asked.sql)
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
        see: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for wanted in &self.wanted {
            if see(wanted.filter())? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
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
        let rows = self.rows(partition, &context);
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
        Ok(Arc::new(self.known(partition)))
    }

    /// The other sides of joins are taken where they tell what they hold; rows are left out in the hope of it, not as a promise.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        from_above: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filters = from_above.parent_filters;
        let kept = vec![PushedDown::No; filters.len()];
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(kept);
        let wanted: Vec<_> = filters
            .into_iter()
            .filter_map(|known| Wanted::of(known.filter))
            .collect();
        if phase != FilterPushdownPhase::Post || wanted.is_empty() {
            return Ok(answer);
        }
        let all = self.wanted.iter().cloned().chain(wanted).collect();
        Ok(answer.with_updated_node(Arc::new(self.wanting(all))))
    }

    /// What a join held in an earlier turn says nothing of the next.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut leaf = self.wanting(Vec::new());
        leaf.traced = Vec::new();
        Ok(Arc::new(leaf))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
