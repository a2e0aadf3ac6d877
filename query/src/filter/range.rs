//! Ranges over columns that grow: by their range index, before each value of a dictionary without order is tested.
//!
//! Must not know: the query. Invariant: the rows are those of the test.

use roaring::RoaringBitmap;
use segment::{Answer, Column, Predicate};

use super::{BoundTest, Node};

/// The rows of a range by the range index, where the dictionary has no order: to test each of its values would cost more.
pub(super) fn unordered<'a>(column: &dyn Column, test: &BoundTest) -> Option<Node<'a>> {
    if column.dictionary()?.is_sorted() {
        return None;
    }
    let predicate = test.matcher.predicate(column.column_type().data_type)?;
    let Predicate::Range { .. } = predicate else {
        return None;
    };
    let mut indexes = column.indexes().iter();
    let index = indexes.find(|index| index.id() == "range_index")?;
    index.estimate(&predicate)?;
    match index.matching(&predicate)? {
        Answer::Exact(found) => Some(run_or_bitmap(found)),
        Answer::AtMost(_) | Answer::Between { .. } => None,
    }
}

/// Rows without a gap are a range.
pub(super) fn run_or_bitmap<'a>(found: RoaringBitmap) -> Node<'a> {
    match (found.min(), found.max()) {
        (Some(first), Some(last)) if u64::from(last - first) + 1 == found.len() => {
            Node::Docs(first..last + 1)
        }
        (None, _) => Node::Constant(false),
        _ => Node::Bitmap(found),
    }
}
