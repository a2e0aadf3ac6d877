//! The rows that conditions on sorted columns leave possible, before a filter is compiled: so that work is shared evenly.
//!
//! Must not know: indexes of rows. Invariant: no row outside matches.

use std::ops::Range;

use segment::{Column, IdSet, Segment};

use super::dictionary_ids;
use crate::plan::{BoundFilter, BoundTest, Matcher, Plan};

/// Rows of a segment that can match.
pub(crate) fn possible(plan: &Plan, segment: &dyn Segment) -> Range<u32> {
    let all = 0..segment.doc_count();
    match &plan.filter {
        BoundFilter::And(children) => children.iter().fold(all, |left, child| {
            let rows = of_child(plan, segment, child).unwrap_or(left.clone());
            let start = left.start.max(rows.start);
            start..left.end.min(rows.end).max(start)
        }),
        single => of_child(plan, segment, single).unwrap_or(all),
    }
}

fn of_child(plan: &Plan, segment: &dyn Segment, filter: &BoundFilter) -> Option<Range<u32>> {
    let BoundFilter::Test(test) = filter else {
        return None;
    };
    let column = plan.columns.get(test.expr.as_column()?)?;
    of_test(segment.column(&column.name)?, test)
}

fn of_test(column: &dyn Column, test: &BoundTest) -> Option<Range<u32>> {
    if test.negated || test.matcher.text_test().is_some() {
        return None;
    }
    if column.dictionary().is_some() {
        // An unsorted column says so before anything is searched.
        column.sorted_docs(0..0)?;
        return match dictionary_ids(column, &test.matcher)? {
            IdSet::Run(ids) => column.sorted_docs(ids),
            IdSet::Bits { .. } => None,
        };
    }
    match &test.matcher {
        Matcher::Integers(low, high) => column.sorted_longs(*low, *high),
        _ => None,
    }
}
