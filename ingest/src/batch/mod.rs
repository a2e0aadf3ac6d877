//! Files as rows: readers by format, and the batches that a segment is built from.
//!
//! A format is one file and one row of [`FORMATS`]. Must not know: where the file came from, segments.
//! Invariant: a reader gives records in file order and stops at the first broken one, with its place in the message.

pub mod arrow_records;
pub mod avro;
pub mod csv;
pub mod json;
pub mod orc;
pub mod parquet;
pub mod pattern;
pub mod pinot;

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use common::clock::Clock;
use common::table_config::StreamConfig;
use common::{Schema, TableConfig};

use crate::decoder::Properties;
use crate::error::{ConfigError, RowError};
use crate::pipeline::IngestOutcome;
use crate::record::Record;
use crate::row_maker::RowMaker;
use segment::RowBatch;

/// What can go wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is not what its format says.
    #[error("cannot read the {format} file: {message}")]
    Broken {
        /// Format name.
        format: &'static str,
        /// What and where.
        message: String,
    },
    /// A format or property that is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A record that gives no row, in a table that does not continue on errors.
    #[error("record {record}: {error}")]
    Row {
        /// Position in the file, from 0.
        record: usize,
        /// What is wrong.
        error: RowError,
    },
}

/// The records of a file.
pub type Records = Box<dyn Iterator<Item = Result<Record, FileError>> + Send>;

/// Opens a file's content.
pub type OpenFile = fn(Bytes, &Properties) -> Result<Records, FileError>;

/// Every format by its names (`inputFormat`, also file extensions).
pub static FORMATS: &[(&[&str], OpenFile)] = &[
    (&["json", "jsonl", "ndjson"], json::open),
    (&["csv", "tsv"], csv::open),
    (&["avro", "gzipped_avro"], avro::open),
    (&["parquet"], parquet::open),
    (&["orc"], orc::open),
];

/// The records of a file in a format; a gzipped file is unpacked whatever its format.
///
/// # Errors
/// Where the format is unknown, a property is wrong, or the beginning of the file is broken.
pub fn open(format: &str, content: Bytes, properties: &Properties) -> Result<Records, FileError> {
    let (_, open) = FORMATS
        .iter()
        .find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(format)))
        .ok_or_else(|| {
            ConfigError::Invalid(format!(
                "unknown input format `{format}`, expected json, csv, avro, parquet or orc"
            ))
        })?;
    open(unzipped(content)?, properties)
}

/// The records of a file as a batch config map describes it: `inputFormat` and `recordReader.prop.*`. Without a format
/// the file's name decides.
///
/// # Errors
/// As [`open`].
pub fn open_configured(
    config: &StreamConfig,
    file_name: &str,
    content: Bytes,
) -> Result<Records, FileError> {
    let properties: Properties = config
        .iter()
        .filter_map(|(key, value)| {
            let name = key.strip_prefix("recordReader.prop.")?;
            Some((name.to_owned(), value.clone()))
        })
        .collect();
    let stem = file_name.strip_suffix(".gz").unwrap_or(file_name);
    let extension = stem.rsplit_once('.').map_or("", |(_, extension)| extension);
    let format = config.get("inputFormat").map_or(extension, String::as_str);
    open(format, content, &properties)
}

fn unzipped(content: Bytes) -> Result<Bytes, FileError> {
    if !content.starts_with(&[0x1F, 0x8B]) {
        return Ok(content);
    }
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(content.as_ref())
        .read_to_end(&mut out)
        .map_err(|e| broken("gzip", e))?;
    Ok(out.into())
}

fn broken(format: &'static str, error: impl std::fmt::Display) -> FileError {
    FileError::Broken {
        format,
        message: error.to_string(),
    }
}

/// The rows of a file, in batches.
pub struct FileRows {
    records: Records,
    maker: RowMaker,
    clock: Arc<dyn Clock>,
    batch_rows: usize,
    read: usize,
    outcome: IngestOutcome,
    failed: bool,
}

impl FileRows {
    /// The rows that a table makes of a file's records, at most so many a batch.
    ///
    /// # Errors
    /// Where the table's transforms cannot be used.
    pub fn new(
        records: Records,
        schema: &Schema,
        table: &TableConfig,
        clock: Arc<dyn Clock>,
        batch_rows: usize,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            records,
            maker: RowMaker::new(schema, table)?,
            clock,
            batch_rows: batch_rows.max(1),
            read: 0,
            outcome: IngestOutcome::default(),
            failed: false,
        })
    }

    /// What became of the records so far.
    #[must_use]
    pub fn outcome(&self) -> &IngestOutcome {
        &self.outcome
    }

    fn fill(&mut self, batch: &mut RowBatch) -> Result<(), FileError> {
        let now_ms = self.clock.now_ms();
        while batch.rows() < self.batch_rows {
            let Some(record) = self.records.next() else {
                break;
            };
            let record = record?;
            self.maker
                .append(record, batch, now_ms, &mut self.outcome)
                .map_err(|error| FileError::Row {
                    record: self.read,
                    error,
                })?;
            self.read += 1;
        }
        Ok(())
    }
}

impl Iterator for FileRows {
    type Item = Result<RowBatch, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut batch = self.maker.new_batch();
        match self.fill(&mut batch) {
            Ok(()) if batch.rows() == 0 => None,
            Ok(()) => Some(Ok(batch)),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests;
