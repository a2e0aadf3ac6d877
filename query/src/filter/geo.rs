//! Tests of ST_DISTANCE, ST_CONTAINS and ST_WITHIN between a column and a constant, which a geo index narrows.
//!
//! Must not know: how cells are kept. Invariant: rows that the index leaves open are tested like any other.

use segment::{Answer, Predicate};

use super::Node;
use crate::expr::BoundExpr;
use crate::plan::{BoundTest, Matcher};
use crate::project::{SegmentColumns, Source};

/// The rows of a test as an index knows them; `None` where it knows nothing.
pub(super) fn node<'a>(test: &'a BoundTest, columns: &SegmentColumns<'a>) -> Option<Node<'a>> {
    let (index, predicate) = predicate(test)?;
    let Source::Stored { column, .. } = columns.sources.get(index)? else {
        return None;
    };
    if columns.handled_nulls(index).is_some() {
        return None;
    }
    let mut indexes = column.indexes().iter();
    match indexes.find_map(|index| index.matching(&predicate))? {
        Answer::Exact(found) => Some(Node::Bitmap(found)),
        Answer::AtMost(open) => Some(tested(open, test)),
        Answer::Between { sure, open } if sure.is_empty() => Some(tested(open, test)),
        Answer::Between { sure, open } => {
            Some(Node::Or(vec![Node::Bitmap(sure), tested(open, test)]))
        }
    }
}

fn tested(open: roaring::RoaringBitmap, test: &BoundTest) -> Node<'_> {
    if open.is_empty() {
        return Node::Constant(false);
    }
    Node::And(vec![Node::Bitmap(open), Node::Values(test)])
}

/// The column and what is asked of it.
fn predicate(test: &BoundTest) -> Option<(usize, Predicate)> {
    let BoundExpr::Call { function, args } = &test.expr else {
        return None;
    };
    let (name, [first, second]) = (*function.function().names.first()?, args.as_slice()) else {
        return None;
    };
    if test.negated {
        return None;
    }
    let shape = |expr: &BoundExpr| match expr {
        BoundExpr::Literal(common::Value::Bytes(bytes), _) => Some(bytes.clone()),
        _ => None,
    };
    let holds = matches!(test.matcher, Matcher::Integers(1, 1));
    match (name, &test.matcher) {
        ("stdistance", Matcher::Numbers { low, high, .. }) => {
            let (column, from) = match (first.as_column(), second.as_column()) {
                (Some(column), None) => (column, shape(second)?),
                (None, Some(column)) => (column, shape(first)?),
                _ => return None,
            };
            let (low, high) = (*low, *high);
            Some((column, Predicate::Distance { from, low, high }))
        }
        ("stwithin", _) if holds => {
            let shape = shape(second)?;
            Some((first.as_column()?, Predicate::Within { shape }))
        }
        ("stcontains", _) if holds => {
            let shape = shape(first)?;
            Some((second.as_column()?, Predicate::Within { shape }))
        }
        _ => None,
    }
}
