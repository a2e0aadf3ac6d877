//! Parquet files, through Arrow.
//!
//! Must not know: columns. Invariant: see `arrow_records`.

use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{FileError, Records, arrow_records, broken};
use crate::decoder::Properties;

/// Opens a Parquet file.
///
/// # Errors
/// Where the footer is broken.
pub fn open(content: Bytes, _: &Properties) -> Result<Records, FileError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| broken("parquet", e))?;
    Ok(arrow_records::records("parquet", reader))
}
