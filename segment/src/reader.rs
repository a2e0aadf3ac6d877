//! How the engine reads a segment: snapshot, column, dictionary, index. Calls are per block, never per row.
//!
//! Must not know: who implements it. Invariant: every id and row number handed in is below the snapshot's counts.

use std::ops::Range;
use std::sync::Arc;

use common::{ColumnType, Value, Values};
use roaring::RoaringBitmap;

use crate::index::star_tree::reader::StarTree;
use crate::{Answer, Bound, IdSet, Predicate};

/// Rows of a segment, ascending.
#[derive(Debug, Clone)]
pub enum Docs<'a> {
    /// Consecutive rows.
    Range(Range<u32>),
    /// These rows, ascending, without duplicates.
    List(&'a [u32]),
}

impl Docs<'_> {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// True without a row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` for every row.
    #[inline]
    pub fn for_each(&self, f: impl FnMut(u32)) {
        match self {
            Self::Range(range) => range.clone().for_each(f),
            Self::List(list) => list.iter().copied().for_each(f),
        }
    }
}

/// What is known of a column without reading it.
#[derive(Debug, Clone, Default)]
pub struct ColumnStats {
    /// Distinct values, where counted.
    pub cardinality: Option<u32>,
    /// Smallest value.
    pub min: Option<Value>,
    /// Largest value.
    pub max: Option<Value>,
    /// Sum of all values, where known.
    pub sum: Option<i128>,
    /// Rows are in ascending order of the value.
    pub sorted: bool,
    /// Values over all rows; more than rows for a multi-value column.
    pub total_entries: u64,
    /// Most values in one row.
    pub max_entries: u32,
    /// Partition function, number of partitions and the partitions present, where the table partitions by this column.
    pub partitions: Option<(String, u32, Vec<u32>)>,
}

/// A consistent snapshot of a segment.
pub trait Segment: Send + Sync {
    /// Name.
    fn name(&self) -> &str;
    /// Rows in this snapshot.
    fn doc_count(&self) -> u32;
    /// Rows that count (upsert); `None` where all do.
    fn valid_docs(&self) -> Option<Arc<RoaringBitmap>> {
        None
    }
    /// A column, by its exact name; `None` where the segment was written before the column existed.
    fn column(&self, name: &str) -> Option<&dyn Column>;
    /// Names of all columns.
    fn column_names(&self) -> Vec<String>;
    /// Smallest and largest value of the time column in milliseconds.
    fn time_range_ms(&self) -> Option<(i64, i64)>;
    /// True while the segment takes rows.
    fn is_consuming(&self) -> bool {
        false
    }
    /// Star-trees, in the order in which to ask them.
    fn star_trees(&self) -> &[StarTree] {
        &[]
    }
    /// When the newest row became visible, for a consuming segment.
    fn last_indexed_ms(&self) -> Option<i64> {
        None
    }
}

/// A column of a snapshot.
pub trait Column: Send + Sync {
    /// Type.
    fn column_type(&self) -> ColumnType;
    /// What is known without reading.
    fn stats(&self) -> ColumnStats;
    /// The dictionary; `None` for a raw column.
    fn dictionary(&self) -> Option<&dyn Dictionary>;
    /// Dictionary ids of a single-value dictionary column; `out` is cleared first.
    fn ids(&self, docs: Docs<'_>, out: &mut Vec<u32>);
    /// Dictionary ids of a multi-value dictionary column: row `i` has `out[offsets[i]..offsets[i + 1]]`; both are cleared first.
    fn id_lists(&self, docs: Docs<'_>, offsets: &mut Vec<u32>, out: &mut Vec<u32>);
    /// Values of any column, in its stored type.
    fn values(&self, docs: Docs<'_>) -> Values;
    /// Rows that are null (storage holds the default there); `None` where nulls are not recorded or there are none.
    fn nulls(&self) -> Option<Arc<RoaringBitmap>>;
    /// On a column sorted by value with a dictionary: the rows of the ids in a run.
    fn sorted_docs(&self, _ids: Range<u32>) -> Option<Range<u32>> {
        None
    }
    /// One bit a row, whether its id is in the set, 64 to a word of `out`, which is cleared first; false where the column
    /// has no faster way than to read its ids. Single-value columns only; the rows begin at a multiple of 64.
    fn match_ids(&self, _rows: Range<u32>, _ids: &IdSet, _out: &mut Vec<u64>) -> bool {
        false
    }
    /// The same for whole numbers without dictionary that lie between the ends (included).
    fn match_longs(&self, _rows: Range<u32>, _low: i64, _high: i64, _out: &mut Vec<u64>) -> bool {
        false
    }
    /// On a column of whole numbers without dictionary that ascend: the rows between the ends (included).
    fn sorted_longs(&self, _low: i64, _high: i64) -> Option<Range<u32>> {
        None
    }
    /// Whole numbers of a single-value column, widened to LONG; `out` is cleared first. False where it holds none.
    fn longs(&self, docs: &Docs<'_>, out: &mut Vec<i64>) -> bool {
        out.clear();
        widened(self.values(docs.clone()), out)
    }
    /// Indexes, in the order in which to ask them.
    fn indexes(&self) -> &[Arc<dyn IndexReader>];
}

/// Whole numbers as LONG.
pub(crate) fn widened(values: Values, out: &mut Vec<i64>) -> bool {
    match values {
        Values::Int(v) => out.extend(v.iter().map(|x| i64::from(*x))),
        Values::Long(v) => *out = v,
        _ => return false,
    }
    true
}

/// The distinct values of a column.
pub trait Dictionary: Send + Sync {
    /// Number of values.
    fn len(&self) -> u32;
    /// True without values.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// True where ids ascend with values (sealed segments).
    fn is_sorted(&self) -> bool;
    /// The value of an id, typed as the column.
    fn value(&self, id: u32) -> Value;
    /// The values of ids, in that order.
    fn decode(&self, ids: &[u32]) -> Values;
    /// The id of a value of the column's type.
    fn find(&self, value: &Value) -> Option<u32>;
    /// The ids, ascending, of those of some ascending integers that it has; `None` where its ids do not ascend with integers.
    fn find_integers(&self, _ascending: &[i64]) -> Option<Vec<u32>> {
        None
    }
    /// The ids of a range of values.
    fn range(&self, lower: &Bound, upper: &Bound) -> IdSet;
    /// Calls `test` on the text of every value of a text dictionary and collects the ids it accepts.
    fn matching_text(&self, test: &mut dyn FnMut(&str) -> bool) -> IdSet;
}

/// An index answers predicates; the filter planner asks each and never matches on kinds.
pub trait IndexReader: Send + Sync {
    /// The id under which it is configured and shown: `inverted_index`, `range_index`, ...
    fn id(&self) -> &'static str;
    /// About how many rows would match; `None` where it cannot answer this predicate.
    fn estimate(&self, predicate: &Predicate) -> Option<u32>;
    /// The ids of dictionary values that can match, each to be checked; `None` where it does not know.
    fn candidates(&self, _predicate: &Predicate) -> Option<Vec<u32>> {
        None
    }
    /// The rows; `None` where it cannot answer this predicate.
    fn matching(&self, predicate: &Predicate) -> Option<Answer>;
    /// The rows among the values of all rows, for an index that is announced but not kept.
    fn among(&self, _predicate: &Predicate, _values: &Values) -> Option<RoaringBitmap> {
        None
    }
}
