//! The result of a leaf query as a table of the engine.
//!
//! Must not know: plans. Invariant: a leaf is asked when its rows are wanted, once; its values arrive in the planned types.

use std::sync::Arc;

use async_trait::async_trait;
use common::{Block, QueryException, Schema};
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;
use query::ResultTable;

use crate::convert::array_of;
use crate::error::MultiStageError;

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
    /// What was answered so far is not used: the query begins again.
    fn asked_again(&self) {}
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
    pub(super) fn new(sql: String, schema: SchemaRef, leaves: Arc<dyn Leaves>) -> Self {
        Self {
            sql,
            schema,
            leaves,
        }
    }
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
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let stream = LeafStream {
            sql: self.sql.clone(),
            schema: Arc::clone(&self.schema),
            leaves: Arc::clone(&self.leaves),
        };
        Ok(Arc::new(StreamingTableExec::try_new(
            Arc::clone(&self.schema),
            vec![Arc::new(stream)],
            projection,
            [],
            false,
            limit,
        )?))
    }
}

struct LeafStream {
    sql: String,
    schema: SchemaRef,
    leaves: Arc<dyn Leaves>,
}

impl std::fmt::Debug for LeafStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sql)
    }
}

impl PartitionStream for LeafStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (leaves, sql) = (Arc::clone(&self.leaves), self.sql.clone());
        let schema = Arc::clone(&self.schema);
        let batches = futures::stream::once(async move {
            tracing::debug!(sql, "leaf");
            let answer = leaves.answer(&sql).await;
            let answer = answer.map_err(|e| MultiStageError::new(e.code, e.message))?;
            let batches = match answer {
                LeafAnswer::Columns(columns) => sliced(columns, &schema)?,
                LeafAnswer::Rows(table) => batches(&table, &schema),
            };
            Ok::<_, datafusion::error::DataFusionError>(batches)
        })
        .flat_map(|answered| match answered {
            Ok(batches) => futures::stream::iter(batches).left_stream(),
            Err(error) => futures::stream::iter([Err(error)]).right_stream(),
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}

/// Batches that share the columns' buffers.
fn sliced(columns: Vec<Block>, schema: &SchemaRef) -> Result<Vec<Result<RecordBatch>>> {
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

fn batches(table: &ResultTable, schema: &SchemaRef) -> Vec<Result<RecordBatch>> {
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
