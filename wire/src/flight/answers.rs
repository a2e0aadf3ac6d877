//! Answers as streams of Arrow batches.
//!
//! Must not know: who asks. Invariant: a stream begins with its schema, also where no row follows, and batches are made as they are taken.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::{Response, Status};

use crate::arrow_table;
use crate::source::Rows;

/// Rows of a batch.
const BATCH_ROWS: usize = 16_384;

/// A stream of an answer.
pub(super) type Answer = Response<Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>>;

/// The rows of a query.
pub(super) fn of_rows(rows: Rows) -> Answer {
    let schema = Arc::new(arrow_table::schema(&rows.names, &rows.types));
    let parts = rows.rows.len().div_ceil(BATCH_ROWS);
    let batches = stream::iter(0..parts).map(move |part| {
        let begin = part * BATCH_ROWS;
        let end = rows.rows.len().min(begin + BATCH_ROWS);
        let cells = rows.rows.get(begin..end).unwrap_or_default();
        arrow_table::batch(&rows.names, &rows.types, cells).map_err(FlightError::from)
    });
    let encoded = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(batches);
    Response::new(encoded.map_err(Status::from).boxed())
}

/// One batch.
pub(super) fn of_batch(batch: RecordBatch) -> Answer {
    let schema = batch.schema();
    let one = stream::iter([Ok(batch)]);
    let encoded = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(one);
    Response::new(encoded.map_err(Status::from).boxed())
}
