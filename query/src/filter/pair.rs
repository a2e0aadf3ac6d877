//! Comparisons of two text columns by dictionary ids: their values are ranked together once, and rows compare ranks.
//!
//! Must not know: rows. Invariant: two ranks compare as their texts do.

use std::cmp::Ordering;

use common::value::compare_text;
use common::{DataType, Values};
use segment::{Column, Dictionary};

use super::{Mask, Node};
use crate::expr::BoundExpr;
use crate::plan::{BoundTest, Matcher};
use crate::project::{SegmentColumns, Source};

/// More values than this are not ranked.
const MOST_VALUES: u32 = 1 << 16;

/// Two columns with the ranks of their dictionaries' values.
pub struct Pair<'a> {
    left: &'a dyn Column,
    right: &'a dyn Column,
    left_ranks: Vec<u32>,
    right_ranks: Vec<u32>,
    holds: fn(Ordering) -> bool,
    negated: bool,
}

/// The comparison of a test, where both sides are columns of few texts and none of their nulls counts.
pub(super) fn node<'a>(
    test: &BoundTest,
    columns: &SegmentColumns<'a>,
    docs: u32,
) -> Option<Node<'a>> {
    let BoundExpr::Call { function, args } = &test.expr else {
        return None;
    };
    let [left, right] = args.as_slice() else {
        return None;
    };
    let holds = match *function.function().names.first()? {
        "equals" => Ordering::is_eq,
        "notequals" => Ordering::is_ne,
        "lessthan" => Ordering::is_lt,
        "lessthanorequal" => Ordering::is_le,
        "greaterthan" => Ordering::is_gt,
        "greaterthanorequal" => Ordering::is_ge,
        _ => return None,
    };
    let truth = match test.matcher {
        Matcher::Integers(0, 0) => false,
        Matcher::Integers(1, 1) => true,
        _ => return None,
    };
    let (left, left_values) = texts(left, columns)?;
    let (right, right_values) = texts(right, columns)?;
    let values = left_values.len().saturating_add(right_values.len());
    if values > MOST_VALUES.min(docs) {
        return None;
    }
    let (left_ranks, right_ranks) = ranked(left_values, right_values);
    Some(Node::Pair(Pair {
        left,
        right,
        left_ranks,
        right_ranks,
        holds,
        negated: test.negated == truth,
    }))
}

fn texts<'a>(
    expr: &BoundExpr,
    columns: &SegmentColumns<'a>,
) -> Option<(&'a dyn Column, &'a dyn Dictionary)> {
    let index = expr.as_column()?;
    let Source::Stored { column, .. } = columns.sources.get(index)? else {
        return None;
    };
    let column: &'a dyn Column = *column;
    let found = column.column_type();
    if columns.handled_nulls(index).is_some() || found.multi || found.data_type != DataType::String
    {
        return None;
    }
    Some((column, column.dictionary()?))
}

/// For each id of either dictionary the rank of its text among all of them.
fn ranked(left: &dyn Dictionary, right: &dyn Dictionary) -> (Vec<u32>, Vec<u32>) {
    let decoded = |dictionary: &dyn Dictionary| {
        let ids: Vec<u32> = (0..dictionary.len()).collect();
        dictionary.decode(&ids)
    };
    let sides = [decoded(left), decoded(right)];
    let mut all = Vec::with_capacity((left.len() + right.len()) as usize);
    for (side, values) in sides.iter().enumerate() {
        if let Values::Text(texts) = values {
            all.extend((0..texts.len()).map(|id| (texts.get(id), side, id)));
        }
    }
    all.sort_by(|a, b| compare_text(a.0, b.0));
    let mut ranks = [vec![0; left.len() as usize], vec![0; right.len() as usize]];
    let (mut rank, mut last) = (0, None);
    for (text, side, id) in all {
        if last.is_some_and(|last| last != text) {
            rank += 1;
        }
        last = Some(text);
        ranks[side][id] = rank;
    }
    let [left, right] = ranks;
    (left, right)
}

impl Pair<'_> {
    /// The rows whose ids these are for which the comparison holds.
    fn compared(&self, left: &[u32], right: &[u32]) -> Mask {
        let (of_left, of_right) = (&self.left_ranks, &self.right_ranks);
        Mask::fill(left.len(), |row| {
            let order = of_left[left[row] as usize].cmp(&of_right[right[row] as usize]);
            (self.holds)(order) != self.negated
        })
    }

    /// The rows of a block for which the comparison holds.
    pub(super) fn matching(&self, docs: &segment::Docs<'_>) -> Mask {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        self.left.ids(docs.clone(), &mut left);
        self.right.ids(docs.clone(), &mut right);
        self.compared(&left, &right)
    }
}
