//! Which segments need not be read: by statistics of columns, by bloom filters, by LIMIT.
//!
//! Must not know: routing. Invariant: a pruned segment has no row that the filter accepts (or that LIMIT needs).

use std::sync::Arc;

use segment::{Bound, Column, Segment};

use crate::plan::{BoundFilter, BoundTest, Matcher, Plan, Shape};
use crate::stats::QueryStats;

/// The segments to read; counts the others.
pub(crate) fn select<'a>(
    plan: &Plan,
    segments: &'a [Arc<dyn Segment>],
    stats: &mut QueryStats,
) -> Vec<&'a Arc<dyn Segment>> {
    let mut kept: Vec<&Arc<dyn Segment>> = Vec::with_capacity(segments.len());
    for segment in segments {
        stats.num_segments_queried += 1;
        let docs = u64::from(segment.doc_count());
        stats.total_docs += docs;
        if segment.is_consuming() {
            stats.num_consuming_segments_queried += 1;
            let freshness = segment.last_indexed_ms();
            stats.min_consuming_freshness_ms = match (stats.min_consuming_freshness_ms, freshness) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        if docs == 0 {
            stats.num_segments_pruned_by_server += 1;
        } else if cannot_match(&plan.filter, plan, segment.as_ref()) {
            stats.num_segments_pruned_by_server += 1;
            stats.num_segments_pruned_by_value += 1;
        } else {
            kept.push(segment);
        }
    }
    by_limit(plan, kept, stats)
}

/// A selection without filter and order needs only as many segments as hold LIMIT rows.
fn by_limit<'a>(
    plan: &Plan,
    kept: Vec<&'a Arc<dyn Segment>>,
    stats: &mut QueryStats,
) -> Vec<&'a Arc<dyn Segment>> {
    let unfiltered = matches!(plan.filter, BoundFilter::Constant(true));
    if !unfiltered || !plan.order_by.is_empty() || !matches!(plan.shape, Shape::Selection { .. }) {
        return kept;
    }
    let wanted = (plan.limit + plan.offset) as u64;
    let mut rows = 0;
    let before = kept.len();
    let mut out = Vec::new();
    for segment in kept {
        if rows >= wanted {
            break;
        }
        rows += segment
            .valid_docs()
            .filter(|_| !plan.skip_upsert)
            .map_or(u64::from(segment.doc_count()), |valid| valid.len());
        out.push(segment);
    }
    let pruned = (before - out.len()) as u64;
    stats.num_segments_pruned_by_server += pruned;
    stats.num_segments_pruned_by_limit += pruned;
    out
}

fn cannot_match(filter: &BoundFilter, plan: &Plan, segment: &dyn Segment) -> bool {
    match filter {
        BoundFilter::Constant(value) => !value,
        BoundFilter::And(children) => children.iter().any(|c| cannot_match(c, plan, segment)),
        BoundFilter::Or(children) => children.iter().all(|c| cannot_match(c, plan, segment)),
        BoundFilter::Test(test) if !test.negated => {
            let Some(index) = test.expr.as_column() else {
                return false;
            };
            let Some(column) = segment.column(&plan.columns[index].name) else {
                return false;
            };
            outside(test, column)
        }
        _ => false,
    }
}

/// True where a text lies on that side of an end, or on an excluded end.
fn beyond(end: &Bound, text: &str, side: std::cmp::Ordering) -> bool {
    let (end, included) = match end {
        Bound::Unbounded => return false,
        Bound::Included(end) => (end, true),
        Bound::Excluded(end) => (end, false),
    };
    let order = common::value::compare_text(text, end.as_str().unwrap_or_default());
    order == side || (!included && order.is_eq())
}

fn outside(test: &BoundTest, column: &dyn Column) -> bool {
    let data_type = column.column_type().data_type;
    if let Some(predicate) = test.matcher.predicate(data_type)
        && column
            .indexes()
            .iter()
            .any(|index| index.id() == "bloom_filter" && index.estimate(&predicate) == Some(0))
    {
        return true;
    }
    let stats = column.stats();
    let (Some(min), Some(max)) = (stats.min, stats.max) else {
        return false;
    };
    match &test.matcher {
        Matcher::Nothing => true,
        Matcher::Integers(low, high) => match (min.as_i64(), max.as_i64()) {
            (Some(min), Some(max)) => max < *low || min > *high,
            _ => false,
        },
        Matcher::IntegerSet(set) if set.len() <= 10 => match (min.as_i64(), max.as_i64()) {
            (Some(min), Some(max)) => set.iter().all(|v| *v < min || *v > max),
            _ => false,
        },
        Matcher::Numbers { low, high, .. } => match (min.as_f64(), max.as_f64()) {
            (Some(min), Some(max)) => max < *low || min > *high,
            _ => false,
        },
        Matcher::NumberSet(set) if set.len() <= 10 => match (min.as_f64(), max.as_f64()) {
            (Some(min), Some(max)) => set.iter().all(|bits| {
                let value = f64::from_bits(*bits);
                value < min || value > max
            }),
            _ => false,
        },
        Matcher::TextRange(low, high) => match (min.as_str(), max.as_str()) {
            (Some(min), Some(max)) => {
                beyond(low, max, std::cmp::Ordering::Less)
                    || beyond(high, min, std::cmp::Ordering::Greater)
            }
            _ => false,
        },
        Matcher::TextSet(set) if set.len() <= 10 => match (min.as_str(), max.as_str()) {
            (Some(min), Some(max)) => set.iter().all(|v| {
                common::value::compare_text(v, min).is_lt()
                    || common::value::compare_text(v, max).is_gt()
            }),
            _ => false,
        },
        _ => false,
    }
}
