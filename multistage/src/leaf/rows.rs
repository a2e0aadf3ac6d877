//! Rows of servers as batches: from blocks on the server's side, to the planned types on the other.
//!
//! Must not know: plans, transports. Invariant: a batch on its way has the Arrow type of each block's own type; what the plan
//! wants is made of it where it arrives.

use std::sync::Arc;

use common::{Block, QueryException};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use datafusion::error::Result;

use crate::convert::{array_of, block_of};
use crate::error::{Phase, of};
use crate::types::arrow_type;

/// A batch of blocks.
///
/// # Errors
/// Where a value has no form in Arrow.
pub fn batch_of(blocks: Vec<Block>, rows: usize) -> Result<RecordBatch, QueryException> {
    assembled(blocks, rows).map_err(|error| of(&error, Phase::Execution).into())
}

fn assembled(blocks: Vec<Block>, rows: usize) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(blocks.len());
    let mut arrays = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        let wanted = arrow_type(block.column_type());
        let array = array_of(block, &wanted)?;
        fields.push(Field::new(at.to_string(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// A batch as the plan wants it: columns by position, those beyond the plan's left out.
pub(crate) fn planned(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let arrays = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(array, field)| converted(array, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        arrays,
        &options,
    )?)
}

fn converted(array: &ArrayRef, wanted: &ArrowType) -> Result<ArrayRef> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    if *array.data_type() == ArrowType::Null {
        return Ok(new_null_array(wanted, array.len()));
    }
    array_of(block_of(array)?, wanted)
}
