//! Columns of timestamp indexes over segments that do not have them yet: cut to their unit as they are read.
//!
//! Must not know: which query reads them. Invariant: they hold what the index will hold once the segment is reloaded.

use std::borrow::Cow;
use std::sync::Arc;

use common::{Block, ColumnType, DataType, Value, Values, timestamp_index};
use functions::scalar::{self, Argument, BoundScalar, EvalContext, Role};
use roaring::RoaringBitmap;
use segment::{Column, ColumnStats, Dictionary, Docs, IndexReader, Segment, StarTree};

use crate::plan::Plan;

/// The segments, each with the columns of timestamp indexes that the plan reads.
pub(crate) fn completed<'a>(
    plan: &Plan,
    segments: &'a [Arc<dyn Segment>],
) -> Cow<'a, [Arc<dyn Segment>]> {
    let mut wanted = Vec::new();
    for column in &plan.columns {
        if let Some((of, unit)) = timestamp_index::parts(&column.name) {
            wanted.push((column.name.as_str(), of, unit));
        }
    }
    let lacks = |segment: &Arc<dyn Segment>| {
        let mut wanted = wanted.iter();
        wanted.any(|(name, of, _)| segment.column(name).is_none() && segment.column(of).is_some())
    };
    if wanted.is_empty() || !segments.iter().any(lacks) {
        return Cow::Borrowed(segments);
    }
    let complete = |segment: &Arc<dyn Segment>| -> Arc<dyn Segment> {
        if lacks(segment) {
            Arc::new(Truncated::new(segment, &wanted, &plan.context))
        } else {
            Arc::clone(segment)
        }
    };
    Cow::Owned(segments.iter().map(complete).collect())
}

struct Truncated {
    inner: Arc<dyn Segment>,
    columns: Vec<(String, TruncatedColumn)>,
}

impl Truncated {
    fn new(inner: &Arc<dyn Segment>, wanted: &[(&str, &str, &str)], context: &EvalContext) -> Self {
        let missing = wanted
            .iter()
            .filter(|(name, ..)| inner.column(name).is_none());
        let columns = missing.filter_map(|(name, of, unit)| {
            let argument = |column_type: ColumnType, literal| Argument {
                column_type,
                literal,
            };
            let unit = Value::String((*unit).to_owned());
            let arguments = [
                argument(DataType::String.into(), Some(unit.clone())),
                argument(inner.column(of)?.column_type(), None),
            ];
            let column = TruncatedColumn {
                segment: Arc::clone(inner),
                of: (*of).to_owned(),
                unit,
                truncate: scalar::bind("datetrunc", &arguments, Role::Transform).ok()?,
                context: context.clone(),
            };
            Some(((*name).to_owned(), column))
        });
        Self {
            columns: columns.collect(),
            inner: Arc::clone(inner),
        }
    }
}

impl Segment for Truncated {
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
        self.inner.column(name).or_else(|| {
            let (_, column) = self.columns.iter().find(|(of, _)| of == name)?;
            Some(column as &dyn Column)
        })
    }

    fn column_names(&self) -> Vec<String> {
        self.inner.column_names()
    }

    fn time_range_ms(&self) -> Option<(i64, i64)> {
        self.inner.time_range_ms()
    }

    fn is_consuming(&self) -> bool {
        self.inner.is_consuming()
    }

    fn star_trees(&self) -> &[StarTree] {
        self.inner.star_trees()
    }

    fn last_indexed_ms(&self) -> Option<i64> {
        self.inner.last_indexed_ms()
    }
}

struct TruncatedColumn {
    segment: Arc<dyn Segment>,
    of: String,
    unit: Value,
    truncate: BoundScalar,
    context: EvalContext,
}

impl TruncatedColumn {
    fn cut(&self, docs: &Docs<'_>) -> Option<Values> {
        let column = self.segment.column(&self.of)?;
        let rows = docs.len();
        let arguments = [
            Block::constant(DataType::String, &self.unit, rows),
            Block::new(column.column_type(), column.values(docs.clone())),
        ];
        let cut = self.truncate.call(&arguments, rows, &self.context).ok()?;
        matches!(cut.values(), Values::Long(_)).then(|| cut.values().clone())
    }
}

impl Column for TruncatedColumn {
    fn column_type(&self) -> ColumnType {
        DataType::Timestamp.into()
    }

    fn stats(&self) -> ColumnStats {
        ColumnStats::default()
    }

    fn dictionary(&self) -> Option<&dyn Dictionary> {
        None
    }

    fn ids(&self, _docs: Docs<'_>, out: &mut Vec<u32>) {
        out.clear();
    }

    fn id_lists(&self, _docs: Docs<'_>, offsets: &mut Vec<u32>, out: &mut Vec<u32>) {
        offsets.clear();
        out.clear();
    }

    fn values(&self, docs: Docs<'_>) -> Values {
        let default = || Values::Long(vec![0; docs.len()]);
        self.cut(&docs).unwrap_or_else(default)
    }

    fn nulls(&self) -> Option<Arc<RoaringBitmap>> {
        self.segment.column(&self.of)?.nulls()
    }

    fn indexes(&self) -> &[Arc<dyn IndexReader>] {
        &[]
    }
}
