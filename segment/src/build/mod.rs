//! Builds sealed segments: from any snapshot, sorted and thinned out where asked, as schema and table config want it now.
//!
//! Must not know: the time of day (settings bring the creation time), where files go. Invariant: equal input gives equal bytes.

mod column;
mod encode;
mod star_trees;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Schema, TableConfig};
use roaring::RoaringBitmap;

use crate::error::Result;
use crate::format::footer::SegmentMetadata;
use crate::format::writer::FileWriter;
use crate::mutable::MutableSegment;
use crate::plan::SegmentPlan;
use crate::rows::RowBatch;
use crate::{Docs, Segment, time};
use column::ColumnData;

/// What a build needs beyond rows and configs.
#[derive(Debug, Clone, Default)]
pub struct BuildSettings {
    /// Segment name.
    pub name: String,
    /// Creation time, milliseconds.
    pub created_ms: i64,
    /// Rows of the source to keep; all where `None`.
    pub keep: Option<RoaringBitmap>,
    /// Kept with the metadata.
    pub custom: BTreeMap<String, String>,
}

/// What was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// Metadata of the segment.
    pub metadata: SegmentMetadata,
    /// Checksum that stands for the whole file.
    pub crc: u32,
    /// The source's row of each row written; `None` where they are the same.
    pub order: Option<Vec<u32>>,
}

/// Writes a snapshot as a sealed segment file. Rows are sorted by the table's sorted column, else keep their order;
/// columns that the source lacks hold their default.
///
/// # Errors
/// Where the file cannot be written, or a column of the source has another type than in the schema.
pub fn seal(
    source: &dyn Segment,
    schema: &Schema,
    table: &TableConfig,
    settings: &BuildSettings,
    path: &Path,
) -> Result<Built> {
    let plan = SegmentPlan::new(schema, table)?;
    let order = row_order(source, &plan, settings.keep.as_ref());
    let rows = order
        .as_ref()
        .map_or(source.doc_count(), |o| o.len() as u32);
    let mut file = FileWriter::create(path)?;
    let mut metadata = SegmentMetadata {
        name: settings.name.clone(),
        table: table.raw_name().to_owned(),
        created_ms: settings.created_ms,
        rows,
        time_column: plan.time_column.clone(),
        time_range_ms: None,
        columns: Vec::with_capacity(plan.columns.len()),
        star_trees: Vec::new(),
        custom: settings.custom.clone(),
    };
    let mark = crate::plan::index_mark(table);
    metadata
        .custom
        .insert(crate::plan::INDEX_MARK.to_owned(), mark);
    let mut trees = star_trees::Collector::new(&plan, rows);
    for column in &plan.columns {
        let data = ColumnData::load(source, column, order.as_deref(), rows)?;
        trees.look_at(&data);
        let written = encode::write(&data, &plan, &mut file)?;
        if plan.time_column.as_ref() == Some(&column.name) {
            let format = plan.time_format.as_deref();
            metadata.time_range_ms = written.extremes.as_ref().and_then(|(min, max)| {
                Some((time::millis(min, format)?, time::millis(max, format)?))
            });
        }
        metadata.columns.push(written.metadata);
    }
    metadata.star_trees = trees.write(&mut file)?;
    let crc = file.finish(metadata.clone())?;
    Ok(Built {
        metadata,
        crc,
        order,
    })
}

/// Writes batches of rows as a sealed segment file.
///
/// # Errors
/// As [`seal`], and where a batch does not have the columns of the schema.
pub fn seal_rows(
    batches: impl IntoIterator<Item = impl AsRef<RowBatch>>,
    schema: &Schema,
    table: &TableConfig,
    settings: &BuildSettings,
    path: &Path,
) -> Result<Built> {
    let (mut writer, segment) = MutableSegment::collecting(&settings.name, schema, table)?;
    for batch in batches {
        writer.append(batch.as_ref())?;
    }
    writer.publish(settings.created_ms);
    seal(&*segment.snapshot(), schema, table, settings, path)
}

/// Source rows in the order in which they are written; `None` where it is theirs.
fn row_order(
    source: &dyn Segment,
    plan: &SegmentPlan,
    keep: Option<&RoaringBitmap>,
) -> Option<Vec<u32>> {
    let rows = source.doc_count();
    let kept = keep.map(|keep| keep.iter().filter(|row| *row < rows).collect::<Vec<u32>>());
    let sorted = plan
        .sorted_column
        .as_ref()
        .and_then(|name| source.column(name))
        .filter(|column| !column.column_type().multi && !column.stats().sorted);
    let Some(column) = sorted else {
        return kept;
    };
    let ranks = match column.dictionary() {
        Some(dictionary) => {
            let all: Vec<u32> = (0..dictionary.len()).collect();
            let ranks = column::ranks(&dictionary.decode(&all));
            let mut ids = Vec::new();
            column.ids(Docs::Range(0..rows), &mut ids);
            ids.iter().map(|id| ranks[*id as usize]).collect()
        }
        None => column::ranks(&column.values(Docs::Range(0..rows))),
    };
    if ranks.is_sorted() {
        return kept;
    }
    let mut order = kept.unwrap_or_else(|| (0..rows).collect());
    order.sort_by_key(|row| ranks[*row as usize]);
    Some(order)
}
