//! Columns that a segment does not have yet: added to the schema after it began, some derived from others by a transform.
//!
//! Must not know: files. Invariant: what the inner segment has is shown unchanged; a column that no transform makes is left to whoever
//! reads, who puts its default there.

use std::sync::Arc;

use common::{Schema, TableConfig};
use ingest::record::{Field, Record};
use ingest::{IngestOutcome, RowMaker};
use roaring::RoaringBitmap;
use segment::{Column, Docs, MutableSegment, Segment};

use crate::error::ServerError;

/// Rows that are derived at a time.
const BLOCK: u32 = 4096;

/// A segment with the columns that transforms make of those it has.
struct Completed<'a> {
    inner: &'a dyn Segment,
    derived: Arc<dyn Segment>,
}

impl Segment for Completed<'_> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn doc_count(&self) -> u32 {
        self.inner.doc_count()
    }

    fn valid_docs(&self) -> Option<Arc<RoaringBitmap>> {
        self.inner.valid_docs()
    }

    fn column(&self, name: &str) -> Option<&dyn Column> {
        self.inner
            .column(name)
            .or_else(|| self.derived.column(name))
    }

    fn column_names(&self) -> Vec<String> {
        let mut names = self.inner.column_names();
        names.extend(self.derived.column_names());
        names
    }

    fn time_range_ms(&self) -> Option<(i64, i64)> {
        self.inner.time_range_ms()
    }
}

/// Calls `work` with the segment as a schema and a config want it.
pub(crate) fn with_columns<T>(
    segment: &dyn Segment,
    schema: &Schema,
    config: &TableConfig,
    work: impl FnOnce(&dyn Segment) -> T,
) -> Result<T, ServerError> {
    match derive(segment, schema, config)? {
        Some(derived) => Ok(work(&Completed {
            inner: segment,
            derived,
        })),
        None => Ok(work(segment)),
    }
}

/// The derived columns that a segment lacks; `None` where it lacks none.
fn derive(
    segment: &dyn Segment,
    schema: &Schema,
    config: &TableConfig,
) -> Result<Option<Arc<dyn Segment>>, ServerError> {
    let mut few = schema.clone();
    let made = |name: &str| {
        let configured = config.ingestion_config.iter();
        let mut transforms = configured.flat_map(|i| &i.transform_configs);
        transforms.any(|t| t.column_name == name)
            || schema
                .field(name)
                .is_some_and(|f| f.transform_function.is_some())
    };
    few.fields
        .retain(|(_, field)| segment.column(&field.name).is_none() && made(&field.name));
    few.primary_key_columns.clear();
    if few.fields.is_empty() {
        return Ok(None);
    }
    let mut plain = config.clone();
    plain.segments_config.time_column_name = None;
    if let Some(ingestion) = &mut plain.ingestion_config {
        ingestion.filter_config = None;
        ingestion.complex_type_config = None;
        ingestion.aggregation_configs.clear();
        ingestion.continue_on_error = true;
        ingestion
            .transform_configs
            .retain(|t| few.field(&t.column_name).is_some());
    }
    let mut maker = RowMaker::new(&few, &plain)?;
    let (mut writer, derived) = MutableSegment::collecting(segment.name(), &few, &plain)?;
    let mut batch = maker.new_batch();
    let (mut start, docs) = (0, segment.doc_count());
    while start < docs {
        let end = docs.min(start + BLOCK);
        batch.clear();
        for record in records(segment, start..end) {
            let mut outcome = IngestOutcome::default();
            let rows = batch.rows();
            if maker.append(record, &mut batch, 0, &mut outcome).is_err() {
                batch.truncate(rows);
                batch.columns_mut().iter_mut().for_each(|c| c.push_null());
            }
        }
        writer.append(&batch)?;
        start = end;
    }
    writer.publish(0);
    Ok(Some(derived.snapshot()))
}

/// Rows of a segment as records.
fn records(segment: &dyn Segment, rows: std::ops::Range<u32>) -> Vec<Record> {
    let mut records: Vec<Record> = rows.clone().map(|_| Record::new()).collect();
    for name in segment.column_names() {
        let Some(column) = segment.column(&name) else {
            continue;
        };
        let data_type = column.column_type().data_type;
        let values = column.values(Docs::Range(rows.clone()));
        for (row, record) in records.iter_mut().enumerate() {
            record.set(&name, Field::from(values.get(row, data_type)));
        }
    }
    records
}
