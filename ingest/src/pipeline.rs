//! From messages to rows: decode, transform, filter, convert.
//!
//! Must not know: where messages come from, where rows go. Invariant: a message either adds all its rows to the batch or none,
//! and the batch is whole after every message.

use std::sync::Arc;

use common::clock::Clock;
use common::{DataType, Schema, TableConfig};

use crate::decoder::Decoder;
use crate::decoder::json_columns::JsonColumns;
use crate::error::{ConfigError, RowError};
use crate::message::Message;
use crate::record::{Field, Record};
use crate::row_maker::RowMaker;
use segment::RowBatch;

/// Errors that an outcome keeps the text of.
const KEPT_ERRORS: usize = 5;

/// What became of some messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestOutcome {
    /// Rows added.
    pub rows: usize,
    /// Rows that the filter dropped.
    pub filtered: usize,
    /// Messages (or rows of a message) that could not be decoded, transformed or converted.
    pub malformed: usize,
    /// Messages without a payload.
    pub tombstones: usize,
    /// Rows with a column that was left null because it failed, under `continueOnError`.
    pub incomplete: usize,
    /// The first errors, with the offset of their message.
    pub errors: Vec<String>,
}

impl IngestOutcome {
    /// Adds another outcome.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.filtered += other.filtered;
        self.malformed += other.malformed;
        self.tombstones += other.tombstones;
        self.incomplete += other.incomplete;
        let room = KEPT_ERRORS.saturating_sub(self.errors.len());
        self.errors.extend(other.errors.into_iter().take(room));
    }

    fn refuse(&mut self, offset: i64, error: &RowError) {
        self.malformed += 1;
        if self.errors.len() < KEPT_ERRORS {
            self.errors.push(format!("offset {offset}: {error}"));
        }
    }
}

/// The way of a table's messages.
pub struct Pipeline {
    maker: RowMaker,
    decoder: Box<dyn Decoder>,
    fast: Option<JsonColumns>,
    clock: Arc<dyn Clock>,
    /// `metadata.populate` of the stream: key, headers and offsets are fields too.
    with_metadata: bool,
    key_as_bytes: bool,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("decoder", &self.decoder)
            .field("straight into columns", &self.fast.is_some())
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// The pipeline of a table.
    ///
    /// # Errors
    /// Where the schema's defaults or the table's transforms cannot be used.
    pub fn new(
        schema: &Schema,
        table: &TableConfig,
        decoder: Box<dyn Decoder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let maker = RowMaker::new(schema, table)?;
        let with_metadata = table.streams().iter().any(|stream| {
            stream.iter().any(|(key, value)| {
                key.ends_with("metadata.populate") && value.eq_ignore_ascii_case("true")
            })
        });
        let direct = decoder.is_json() && maker.is_direct() && !with_metadata;
        let fast = direct.then(|| JsonColumns::new(maker.plans()));
        let key_as_bytes = schema
            .field("__key")
            .is_some_and(|f| f.data_type == DataType::Bytes);
        Ok(Self {
            maker,
            decoder,
            fast,
            clock,
            with_metadata,
            key_as_bytes,
        })
    }

    /// An empty batch for this pipeline.
    #[must_use]
    pub fn new_batch(&self) -> RowBatch {
        self.maker.new_batch()
    }

    /// Decodes messages into a batch.
    pub fn decode_into<'a>(
        &mut self,
        messages: impl IntoIterator<Item = Message<'a>>,
        batch: &mut RowBatch,
    ) -> IngestOutcome {
        let now_ms = self.clock.now_ms();
        let mut outcome = IngestOutcome::default();
        let before = batch.rows();
        for message in messages {
            let row = before + outcome.rows;
            let Some(payload) = message.payload else {
                outcome.tombstones += 1;
                continue;
            };
            if let Some(fast) = &mut self.fast {
                if fast
                    .append(self.maker.plans(), payload, batch, row, now_ms)
                    .is_ok()
                {
                    outcome.rows += 1;
                    continue;
                }
                batch.truncate(row);
            }
            // A message gives all its rows or none, also in the counts.
            let mut of_message = IngestOutcome::default();
            match self.careful(&message, payload, batch, now_ms, &mut of_message) {
                Ok(()) => outcome.add(of_message),
                Err(error) => {
                    batch.truncate(row);
                    outcome.refuse(message.offset, &error);
                }
            }
        }
        outcome
    }

    fn careful(
        &mut self,
        message: &Message<'_>,
        payload: &[u8],
        batch: &mut RowBatch,
        now_ms: i64,
        outcome: &mut IngestOutcome,
    ) -> Result<(), RowError> {
        let mut record = Record::new();
        self.decoder.decode(payload, &mut record)?;
        if self.with_metadata {
            add_metadata(&mut record, message, self.key_as_bytes);
        }
        self.maker.append(record, batch, now_ms, outcome)
    }
}

/// Adds what the stream knows of a message to its record, over fields of the same names.
fn add_metadata(record: &mut Record, message: &Message<'_>, key_as_bytes: bool) {
    if let Some(key) = message.key {
        let key = if key_as_bytes {
            Field::Bytes(key.to_vec())
        } else {
            Field::Text(String::from_utf8_lossy(key).into_owned())
        };
        record.set("__key", key);
    }
    for (name, value) in message.headers {
        record.set(&format!("__header${name}"), Field::Bytes(value.clone()));
    }
    let size = message.payload.map_or(0, <[u8]>::len);
    let numbers = [
        ("offset", Some(message.offset)),
        ("partition", Some(message.partition.into())),
        ("recordTimestamp", message.timestamp_ms),
        ("recordSerializedValueSize", i64::try_from(size).ok()),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            record.set(
                &format!("__metadata${name}"),
                Field::Text(value.to_string()),
            );
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
