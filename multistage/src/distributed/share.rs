//! A leaf of a distributed plan: whole at the broker, and one task's part of it on a server.
//!
//! Must not know: transports. Invariant: the shares of all tasks are the leaf's rows, each once, however often a partition is
//! executed.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, OnceLock, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, Label, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::lock::Mutex;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use query::QueryStats;
use serde::{Deserialize, Serialize};

use super::laid::LeafKey;
use super::layout::{Dealt, Slot};
use super::places::{Share, SharePart};
use super::worker::Here;
use crate::error::MultiStageError;
use crate::leaf::{LeafExec, planned};

/// Counters of scans travel as metrics of this prefix.
pub(super) const COUNTER: &str = "scan_";
/// The label with a leaf's table.
pub(crate) const TABLE: &str = "table";

fn properties(schema: &SchemaRef, partitions: usize) -> Arc<PlanProperties> {
    let properties = PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

/// A whole leaf. It always has several partitions, so that no operator above takes one server's rows for all rows.
pub(crate) struct SpreadExec {
    leaf: Arc<LeafExec>,
    /// By place; none where the broker has the rows.
    shares: Vec<Vec<Share>>,
    rows: Vec<RecordBatch>,
    /// Where each partition of a column has its lane.
    laned: Option<Laned>,
    keys: OnceLock<Vec<LeafKey>>,
    properties: Arc<PlanProperties>,
}

/// Shares of a leaf by place and lane.
struct Laned {
    column: String,
    shares: Vec<Vec<Vec<Share>>>,
}

impl SpreadExec {
    pub(crate) fn new(
        leaf: Arc<LeafExec>,
        shares: Vec<Vec<Share>>,
        rows: Vec<RecordBatch>,
        places: usize,
    ) -> Self {
        let properties = properties(&leaf.schema(), places.max(2));
        Self {
            leaf,
            shares,
            rows,
            laned: None,
            keys: OnceLock::new(),
            properties,
        }
    }

    /// The columns by whose partitions the rows can lie.
    pub(super) fn keys(&self) -> &[LeafKey] {
        self.keys.get_or_init(|| self.leaf.keys())
    }

    /// The same leaf, with the partitions of a column in lanes of places; none where one of them cannot be asked.
    pub(super) fn in_lanes(&self, column: &str, places: &[String], dealt: &Dealt) -> Option<Self> {
        let of_places = places.iter().zip(dealt);
        let slots = of_places.flat_map(|(server, lanes)| {
            lanes.iter().map(|partitions| Slot {
                server: server.clone(),
                partitions: partitions.clone(),
            })
        });
        let slots: Vec<Slot> = slots.collect();
        let mut shares = self.leaf.slots(column, &slots)?.into_iter();
        let by_lane = dealt.iter().map(|lanes| {
            let own = shares.by_ref().take(lanes.len());
            own.collect()
        });
        let laned = Laned {
            column: column.to_owned(),
            shares: by_lane.collect(),
        };
        Some(Self {
            leaf: Arc::clone(&self.leaf),
            shares: self.shares.clone(),
            rows: Vec::new(),
            laned: Some(laned),
            keys: OnceLock::new(),
            properties: Arc::clone(&self.properties),
        })
    }

    /// The parts of so many tasks.
    pub(super) fn tasks(&self, tasks: usize, lanes: usize) -> Vec<Arc<dyn ExecutionPlan>> {
        (0..tasks.max(1))
            .map(|task| {
                let of = |at: usize| at % tasks.max(1) == task;
                let rows = self.rows.iter().enumerate().filter(|(at, _)| of(*at));
                Arc::new(ShareExec::new(
                    self.leaf.table(),
                    self.leaf.schema(),
                    self.parts(of, lanes),
                    rows.map(|(_, batch)| batch.clone()).collect(),
                )) as Arc<dyn ExecutionPlan>
            })
            .collect()
    }

    /// The shares of some places, for at most so many lanes.
    fn parts(&self, of: impl Fn(usize) -> bool, lanes: usize) -> Parts {
        let Some(laned) = &self.laned else {
            let shares = self.shares.iter().enumerate().filter(|(at, _)| of(*at));
            let shares = shares.flat_map(|(_, shares)| shares.iter().cloned());
            return Parts::Any(lanes, shares.collect());
        };
        let lanes = laned.shares.iter().map(Vec::len).max().unwrap_or(1);
        let mut by_lane = vec![Vec::new(); lanes];
        for (_, place) in laned.shares.iter().enumerate().filter(|(at, _)| of(*at)) {
            for (lane, shares) in by_lane.iter_mut().zip(place) {
                lane.extend(shares.iter().cloned());
            }
        }
        Parts::ByLane(by_lane)
    }
}

impl fmt::Debug for SpreadExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.leaf.fmt(f)
    }
}

impl DisplayAs for SpreadExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.leaf.fmt_as(t, f)?;
        match &self.laned {
            Some(laned) => write!(f, ", in place by {}", laned.column),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for SpreadExec {
    fn name(&self) -> &'static str {
        "SpreadExec"
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
        // In the broker: all of it, in the first partition.
        let mut streams: Vec<BoxStream<'static, Result<RecordBatch>>> = Vec::new();
        if partition == 0 && self.shares.is_empty() {
            streams.push(futures::stream::iter(self.rows.clone()).map(Ok).boxed());
        } else if partition == 0 {
            let all = self.leaf.properties().partitioning.partition_count();
            for at in 0..all {
                streams.push(self.leaf.execute(at, Arc::clone(&context))?.boxed());
            }
        }
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            futures::stream::iter(streams).flatten(),
        )))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        Ok(Arc::new(match partition {
            Some(_) => Statistics::new_unknown(&self.schema()),
            None => self.leaf.known(None),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.leaf.metrics()
    }
}

type Slots = Vec<BoxStream<'static, Result<SharePart>>>;

/// The shares of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Parts {
    /// Rows of any of them in any of so many lanes.
    Any(usize, Vec<Share>),
    /// Each lane has its own.
    ByLane(Vec<Vec<Share>>),
}

impl Parts {
    fn lanes(&self) -> usize {
        match self {
            Self::Any(lanes, _) => (*lanes).max(1),
            Self::ByLane(lanes) => lanes.len().max(1),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Any(_, shares) => shares.len(),
            Self::ByLane(lanes) => lanes.iter().map(Vec::len).sum(),
        }
    }
}

/// One task's part of a leaf.
pub(super) struct ShareExec {
    table: String,
    parts: Parts,
    rows: Vec<RecordBatch>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// How often each partition was executed.
    executed: Vec<AtomicUsize>,
    /// The streams of each time that nobody has taken yet.
    opened: SyncMutex<HashMap<usize, Arc<Mutex<Option<Slots>>>>>,
}

impl ShareExec {
    pub(super) fn new(
        table: &str,
        schema: SchemaRef,
        parts: Parts,
        rows: Vec<RecordBatch>,
    ) -> Self {
        let lanes = parts.lanes();
        Self {
            table: table.to_owned(),
            parts,
            rows,
            properties: properties(&schema, lanes),
            metrics: ExecutionPlanMetricsSet::new(),
            executed: (0..lanes).map(|_| AtomicUsize::new(0)).collect(),
            opened: SyncMutex::default(),
        }
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(super) fn rows(&self) -> &[RecordBatch] {
        &self.rows
    }

    /// Rows of one partition; whichever comes first opens the shares that are for all.
    fn taken(
        &self,
        partition: usize,
        context: &TaskContext,
    ) -> BoxStream<'static, Result<SharePart>> {
        let here = context.session_config().get_extension::<Here>();
        let lanes = self.parts.lanes();
        let shares = match &self.parts {
            Parts::Any(_, shares) => shares.clone(),
            Parts::ByLane(by_lane) => {
                let own = by_lane.get(partition).cloned().unwrap_or_default();
                return alone(own, here);
            }
        };
        let turn = self
            .executed
            .get(partition)
            .map_or(0, |times| times.fetch_add(1, Ordering::Relaxed));
        let slots = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opened.entry(turn).or_default())
        };
        futures::stream::once(async move {
            let mut slots = slots.lock().await;
            let left = match slots.take() {
                Some(left) => left,
                None => opened(&shares, lanes, here.as_deref()).await?,
            };
            let left = slots.insert(left);
            Ok::<_, DataFusionError>(
                left.pop()
                    .unwrap_or_else(|| futures::stream::empty().boxed()),
            )
        })
        .try_flatten()
        .boxed()
    }
}

/// Shares of one lane, one after the other.
fn alone(shares: Vec<Share>, here: Option<Arc<Here>>) -> BoxStream<'static, Result<SharePart>> {
    let opened = async move { opened(&shares, 1, here.as_deref()).await };
    futures::stream::once(opened)
        .map_ok(|slots| futures::stream::iter(slots).flatten())
        .try_flatten()
        .boxed()
}

async fn opened(shares: &[Share], lanes: usize, here: Option<&Here>) -> Result<Slots> {
    let mut slots: Vec<Vec<BoxStream<'static, Result<SharePart>>>> = Vec::new();
    slots.resize_with(lanes, Vec::new);
    let wanted = NonZeroUsize::new(lanes).unwrap_or(NonZeroUsize::MIN);
    for share in shares {
        let Some(here) = here else {
            return Err(MultiStageError::new(
                common::ErrorCode::QueryExecution,
                "a stage's leaf runs beside a server alone",
            )
            .into());
        };
        let streams = here.shares.open(share, wanted, here.token.as_deref()).await;
        for (at, stream) in streams
            .map_err(MultiStageError::from)?
            .into_iter()
            .enumerate()
        {
            let stream = stream.map_err(|error| MultiStageError::from(error).into());
            if let Some(slot) = slots.get_mut(at % lanes) {
                slot.push(stream.boxed());
            }
        }
    }
    let joined = slots
        .into_iter()
        .map(|slot| futures::stream::iter(slot).flatten().boxed());
    Ok(joined.collect())
}

impl fmt::Debug for ShareExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)
    }
}

impl DisplayAs for ShareExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = self.parts.count();
        write!(f, "ShareExec: {}, shares={shares}", self.table)?;
        match &self.parts {
            Parts::Any(..) => Ok(()),
            Parts::ByLane(lanes) => write!(f, ", lanes={}", lanes.len()),
        }
    }
}

impl ExecutionPlan for ShareExec {
    fn name(&self) -> &'static str {
        "ShareExec"
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
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let mut kept = Vec::new();
        if partition == 0 {
            kept.clone_from(&self.rows);
        }
        let (metrics, table) = (self.metrics.clone(), self.table.clone());
        let schema = self.schema();
        let parts = self.taken(partition, &context).filter_map(move |part| {
            let rows = match part {
                Ok(SharePart::Rows(batch)) => Some(planned(&batch, &schema)),
                Ok(SharePart::Counters(stats)) => {
                    count(&metrics, partition, &table, &stats);
                    None
                }
                Err(error) => Some(Err(error)),
            };
            futures::future::ready(rows)
        });
        let rows = futures::stream::iter(kept).map(Ok).chain(parts);
        let rows = rows.inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            rows,
        ))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Notes counters as metrics.
fn count(metrics: &ExecutionPlanMetricsSet, partition: usize, table: &str, stats: &QueryStats) {
    let Ok(serde_json::Value::Object(members)) = serde_json::to_value(stats) else {
        return;
    };
    for (name, value) in members {
        let value = match &value {
            serde_json::Value::Bool(flag) => u64::from(*flag),
            other => other.as_u64().unwrap_or(0),
        };
        if value > 0 {
            let counter = MetricBuilder::new(metrics)
                .with_label(Label::new(TABLE, table.to_owned()))
                .counter(format!("{COUNTER}{name}"), partition);
            counter.add(usize::try_from(value).unwrap_or(usize::MAX));
        }
    }
}

/// Counters of an operator's scans, and its table.
pub(super) fn counted(metrics: &MetricsSet, stats: &mut QueryStats) {
    let Ok(serde_json::Value::Object(mut members)) = serde_json::to_value(QueryStats::default())
    else {
        return;
    };
    for metric in metrics.iter() {
        let value = metric.value();
        let Some(name) = value.name().strip_prefix(COUNTER) else {
            continue;
        };
        if let Some(member) = members.get_mut(name) {
            let more = value.as_usize() as u64;
            *member = match &member {
                serde_json::Value::Bool(_) => (more > 0).into(),
                // The oldest, where there are several.
                serde_json::Value::Null => more.into(),
                known if name.starts_with("min_") => {
                    known.as_u64().unwrap_or(more).min(more).into()
                }
                known => known.as_u64().unwrap_or(0).saturating_add(more).into(),
            };
        }
    }
    if let Ok(part) = serde_json::from_value::<QueryStats>(members.into()) {
        stats.add(&part);
    }
}
