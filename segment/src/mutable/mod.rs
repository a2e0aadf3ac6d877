//! Segments that take rows: columnar from the first row, readable without locks while they grow.
//!
//! One [`SegmentWriter`] appends batches and publishes; [`MutableSegment::snapshot`] gives what was published last.
//! Must not know: streams, offsets, time of day. Invariant: a snapshot shows whole batches, and never changes.

pub(crate) mod column;
pub(crate) mod dictionary;
mod extremes;
mod hash_table;
mod postings;
mod snapshot;
mod store;
mod terms;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use common::{Schema, TableConfig};
use hashbrown::HashMap;
use roaring::RoaringBitmap;

use crate::Segment;
use crate::error::{Result, SegmentError};
use crate::plan::SegmentPlan;
use crate::rows::RowBatch;
use crate::time;
use column::ColumnWriter;
use snapshot::{ColumnShared, Published, Snapshot};

/// Rows and values of a column that a segment can hold.
const MAX_ENTRIES: usize = i32::MAX as usize;

/// A segment that takes rows; shared by its writer and all queries.
pub struct MutableSegment {
    name: Arc<str>,
    columns: Vec<Arc<ColumnShared>>,
    positions: Arc<HashMap<String, usize>>,
    published: ArcSwap<Published>,
    memory_bytes: AtomicUsize,
}

impl MutableSegment {
    /// An empty segment with the columns of a schema, and its one writer.
    ///
    /// # Errors
    /// Where a default null value does not fit its column.
    pub fn create(
        name: &str,
        schema: &Schema,
        table: &TableConfig,
    ) -> Result<(SegmentWriter, Arc<Self>)> {
        Ok(Self::of_plan(name, SegmentPlan::new(schema, table)?))
    }

    /// The same without indexes, for rows that are only brought together to be sealed.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn collecting(
        name: &str,
        schema: &Schema,
        table: &TableConfig,
    ) -> Result<(SegmentWriter, Arc<Self>)> {
        let mut plan = SegmentPlan::new(schema, table)?;
        for column in &mut plan.columns {
            column.inverted = false;
            column.ranged = false;
            column.announced.clear();
        }
        Ok(Self::of_plan(name, plan))
    }

    fn of_plan(name: &str, plan: SegmentPlan) -> (SegmentWriter, Arc<Self>) {
        let mut writers: Vec<_> = plan.columns.iter().map(ColumnWriter::new).collect();
        let positions: HashMap<_, _> = plan
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| (column.name.clone(), at))
            .collect();
        let time_column = plan
            .time_column
            .as_ref()
            .and_then(|name| positions.get(name).copied());
        let segment = Arc::new(Self {
            name: Arc::from(name),
            columns: writers.iter().map(ColumnWriter::shared).collect(),
            positions: Arc::new(positions),
            published: ArcSwap::from_pointee(Published {
                rows: 0,
                last_indexed_ms: None,
                time_range_ms: None,
                valid: None,
                columns: writers.iter_mut().map(ColumnWriter::publish).collect(),
            }),
            memory_bytes: AtomicUsize::new(0),
        });
        let writer = SegmentWriter {
            segment: Arc::clone(&segment),
            columns: writers,
            rows: 0,
            time_column,
            time_format: plan.time_format,
        };
        (writer, segment)
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows that are visible.
    #[must_use]
    pub fn doc_count(&self) -> u32 {
        self.published.load().rows
    }

    /// What was published last.
    #[must_use]
    pub fn snapshot(&self) -> Arc<dyn Segment> {
        let published = self.published.load();
        Arc::new(Snapshot::new(
            Arc::clone(&self.name),
            &self.columns,
            Arc::clone(&self.positions),
            &published,
        ))
    }

    /// Bytes that the columns use, as of the last publish.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes.load(Ordering::Relaxed)
    }
}

/// The one writer of a mutable segment.
pub struct SegmentWriter {
    segment: Arc<MutableSegment>,
    columns: Vec<ColumnWriter>,
    rows: u32,
    time_column: Option<usize>,
    time_format: Option<String>,
}

impl SegmentWriter {
    /// Appends the rows of a batch; they become visible with [`Self::publish`]. All or nothing.
    ///
    /// # Errors
    /// Where columns are missing or of another type, or the segment is full.
    pub fn append(&mut self, batch: &RowBatch) -> Result<()> {
        self.check(batch)?;
        for (writer, column) in self.columns.iter_mut().zip(batch.columns()) {
            writer.append(column, self.rows);
        }
        self.rows += batch.rows() as u32;
        Ok(())
    }

    /// Answers as [`Self::append`] would, and appends nothing.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn check(&self, batch: &RowBatch) -> Result<()> {
        let rows = batch.rows();
        if batch.columns().len() != self.columns.len() {
            return Err(SegmentError::Rows(format!(
                "a batch of {} columns for the {} columns of segment `{}`",
                batch.columns().len(),
                self.columns.len(),
                self.segment.name
            )));
        }
        for (writer, column) in self.columns.iter().zip(batch.columns()) {
            let name = &writer.shared().name;
            if !writer.accepts(column) || column.values.len() != rows {
                return Err(SegmentError::Rows(format!(
                    "column `{name}` has {} values of another type or number than the {rows} rows of the batch",
                    column.values.len()
                )));
            }
            let entries = match &column.values {
                common::Values::Array(array) => array.items.len(),
                values => values.len(),
            };
            if writer.entries() + entries > MAX_ENTRIES || self.rows as usize + rows > MAX_ENTRIES {
                return Err(SegmentError::Full {
                    segment: self.segment.name.to_string(),
                    limit: format!("column `{name}` cannot hold more than {MAX_ENTRIES} values"),
                });
            }
        }
        Ok(())
    }

    /// Makes everything appended so far visible to new snapshots.
    pub fn publish(&mut self, last_indexed_ms: i64) {
        self.publish_valid(last_indexed_ms, None);
    }

    /// Makes everything appended so far visible to new snapshots, of which only the rows in `valid` count.
    pub fn publish_valid(&mut self, last_indexed_ms: i64, valid: Option<Arc<RoaringBitmap>>) {
        let columns: Vec<_> = self.columns.iter_mut().map(ColumnWriter::publish).collect();
        let time_range_ms = self.time_column.and_then(|at| {
            let (min, max) = columns.get(at)?.min_max.as_ref()?;
            let format = self.time_format.as_deref();
            Some((time::millis(min, format)?, time::millis(max, format)?))
        });
        let memory = self.columns.iter().map(ColumnWriter::memory_bytes).sum();
        self.segment.memory_bytes.store(memory, Ordering::Relaxed);
        self.segment.published.store(Arc::new(Published {
            rows: self.rows,
            last_indexed_ms: Some(last_indexed_ms),
            time_range_ms,
            valid,
            columns,
        }));
    }

    /// Rows appended so far, visible or not.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The segment that this writes.
    #[must_use]
    pub fn segment(&self) -> &Arc<MutableSegment> {
        &self.segment
    }
}
