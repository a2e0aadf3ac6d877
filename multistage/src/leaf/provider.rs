//! The result of a leaf query as a table of the engine.
//!
//! Must not know: plans. Invariant: a leaf is asked when its rows are wanted, once; its values arrive in the planned types.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use common::{Block, QueryException, Schema};
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use futures::Stream;
use query::{QueryStats, ResultTable};

use super::Leaf;
use super::operator::{Asked, LeafExec};
use crate::convert::array_of;
use crate::distributed::{Channels, Layout, Place, Share, Spread, SpreadExec};
use crate::error::MultiStageError;
use crate::run::bytes_of;
use crate::stages::Stages;

/// Bytes of merged rows that a plan carries to the servers.
const MOST_CARRIED: usize = 16 << 20;

/// Rows of a batch.
const BATCH: usize = 8192;

/// Who answers leaf queries.
#[async_trait]
pub trait Leaves: Send + Sync {
    /// The table of a name: the name for leaf queries, and its schema.
    fn table(&self, name: &str) -> Option<(String, Arc<Schema>)>;
    /// Answers a single-stage query.
    ///
    /// # Errors
    /// With the code of whatever went wrong.
    async fn answer(&self, sql: &str) -> Result<LeafAnswer, QueryException>;
    /// The streams that together give the rows of a query without groups, order and limit; none where it is to be answered
    /// as a whole.
    ///
    /// # Errors
    /// As [`Leaves::answer`], without asking any server yet.
    async fn streams(&self, sql: &str) -> Result<LeafStreams, QueryException> {
        let _ = sql;
        Ok(LeafStreams::default())
    }
    /// What was answered so far is part of the answer, whatever begins again.
    fn settled(&self) {}
    /// What was answered since then is not used: the query begins again.
    fn asked_again(&self) {}
    /// Counters of scans that ran beside the servers.
    fn counted(&self, stats: &QueryStats) {
        let _ = stats;
    }
    /// The way to stages on the servers; none where there is none.
    fn channels(&self) -> Option<&Channels> {
        None
    }
    /// Hears what ran, once all is done.
    fn ran(&self, stages: Stages) {
        let _ = stages;
    }
}

/// The streams of a leaf.
#[derive(Clone, Default)]
pub struct LeafStreams {
    /// None where the leaf is to be answered as a whole.
    pub parts: Vec<Arc<dyn LeafPart>>,
    /// How its rows lie on servers, where that is known.
    pub layout: Option<Arc<dyn Layout>>,
}

impl From<Vec<Arc<dyn LeafPart>>> for LeafStreams {
    fn from(parts: Vec<Arc<dyn LeafPart>>) -> Self {
        let layout = None;
        Self { parts, layout }
    }
}

/// Rows on their way.
pub type LeafRows = Pin<Box<dyn Stream<Item = Result<RecordBatch, QueryException>> + Send>>;

/// One of the streams of a leaf.
pub trait LeafPart: Send + Sync {
    /// The rows. Each call begins anew; the streams of the same turn of all parts belong together.
    fn rows(self: Arc<Self>) -> LeafRows;
    /// About how many rows there will be, where it is known.
    fn estimate(&self) -> Option<usize> {
        None
    }
    /// The server that could run a stage with these rows, and what is asked of it; none for further streams of the same share.
    fn share(&self) -> Option<(Place, Share)> {
        None
    }
}

/// What a leaf query answers.
pub enum LeafAnswer {
    /// A column each, of as many rows.
    Columns(Vec<Block>),
    /// Row by row.
    Rows(ResultTable),
}

/// A leaf query as a table.
pub(super) struct LeafProvider {
    leaf: Leaf,
    sql: String,
    schema: SchemaRef,
    leaves: Arc<dyn Leaves>,
}

impl std::fmt::Debug for LeafProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sql)
    }
}

impl LeafProvider {
    pub(super) fn new(leaf: &Leaf, schema: SchemaRef, leaves: Arc<dyn Leaves>) -> Self {
        Self {
            leaf: leaf.clone(),
            sql: leaf.sql(),
            schema,
            leaves,
        }
    }
}

impl LeafProvider {
    /// The leaf of a plan with stages: its shares by place, or its rows where they are merged here.
    async fn spread(&self, leaf: Arc<LeafExec>, spread: &Spread) -> Result<SpreadExec> {
        let places = spread.places.len();
        if leaf.is_streamed() {
            let shares = leaf.shares(&spread.places);
            return Ok(SpreadExec::new(leaf, shares, Vec::new(), places));
        }
        let rows = if spread.shown {
            Vec::new()
        } else {
            let answer = self.leaves.answer(&self.sql).await;
            answered(answer.map_err(MultiStageError::from)?, &self.schema)?
        };
        if rows.iter().map(bytes_of).sum::<usize>() > MOST_CARRIED {
            return Err(MultiStageError::new(
                common::ErrorCode::QueryPlanning,
                "a leaf has more rows than a plan carries",
            )
            .into());
        }
        Ok(SpreadExec::new(leaf, Vec::new(), rows, places))
    }
}

/// The answer of a query in batches.
fn answered(answer: LeafAnswer, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let batches = match answer {
        LeafAnswer::Columns(columns) => sliced(columns, schema)?,
        LeafAnswer::Rows(table) => batches(&table, schema),
    };
    batches.into_iter().collect()
}

#[async_trait]
impl TableProvider for LeafProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = Asked::new(self.leaf.clone(), self.leaves.as_ref()).await?;
        let leaf = Arc::new(LeafExec::new(
            asked,
            Arc::clone(&self.schema),
            Arc::clone(&self.leaves),
        ));
        let leaf: Arc<dyn ExecutionPlan> = match state.config().get_extension::<Spread>() {
            Some(spread) => Arc::new(self.spread(leaf, &spread).await?),
            None => leaf,
        };
        let Some(projection) = projection else {
            return Ok(leaf);
        };
        let exprs = projection.iter().map(|&at| {
            let name = self.schema.field(at).name();
            (
                Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>,
                name.clone(),
            )
        });
        Ok(Arc::new(ProjectionExec::try_new(
            exprs.collect::<Vec<(Arc<dyn PhysicalExpr>, String)>>(),
            leaf,
        )?))
    }
}

/// Batches that share the columns' buffers.
pub(super) fn sliced(columns: Vec<Block>, schema: &SchemaRef) -> Result<Vec<Result<RecordBatch>>> {
    let rows = columns.first().map_or(0, Block::rows);
    let arrays = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(block, field)| array_of(block, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let whole = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?;
    Ok((0..rows)
        .step_by(BATCH)
        .map(|start| Ok(whole.slice(start, BATCH.min(rows - start))))
        .collect())
}

pub(super) fn batches(table: &ResultTable, schema: &SchemaRef) -> Vec<Result<RecordBatch>> {
    table
        .rows
        .chunks(BATCH)
        .map(|rows| {
            let columns = schema
                .fields()
                .iter()
                .enumerate()
                .map(|(at, field)| {
                    let found = table.types.get(at).copied();
                    let found = found.unwrap_or(common::ColumnType::sv(common::DataType::Unknown));
                    let block = Block::from_values(found, rows.iter().map(|row| &row[at]));
                    array_of(block, field.data_type())
                })
                .collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            Ok(RecordBatch::try_new_with_options(
                Arc::clone(schema),
                columns,
                &options,
            )?)
        })
        .collect()
}
