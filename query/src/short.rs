//! Queries that read so little that to wake a thread for them costs more than the work.
//!
//! Must not know: threads. Invariant: it looks at what segments know without reading rows; what it calls short is done in well under a
//! millisecond, and on the calling thread alone.

use std::sync::Arc;

use segment::Segment;

use crate::filter::bounds;
use crate::plan::{BoundFilter, Plan, Shape};
use crate::stats::QueryStats;
use crate::{prune, star_tree};

/// Rows, or records of star-trees, that a short query reads at most.
const ROWS: usize = 1 << 13;
/// Segments of a short query at most, before any is pruned.
const SEGMENTS: usize = 64;

/// True where a query over these segments is short.
#[must_use]
pub fn is_short(plan: &Plan, segments: &[Arc<dyn Segment>]) -> bool {
    if segments.len() > SEGMENTS || !is_plain(&plan.filter) {
        return false;
    }
    let mut unused = QueryStats::default();
    let mut left = ROWS;
    prune::select(plan, segments, &mut unused)
        .into_iter()
        .all(|segment| {
            let rows = rows_of(plan, segment.as_ref());
            let enough = rows <= left;
            left = left.saturating_sub(rows);
            enough
        })
}

fn rows_of(plan: &Plan, segment: &dyn Segment) -> usize {
    if counts_all(plan) && segment.valid_docs().is_none() {
        return 1;
    }
    match star_tree::search(plan, segment) {
        Some(search) => search.most_records(),
        None => bounds::possible(plan, segment).len(),
    }
}

/// `SELECT COUNT(*)` of everything.
fn counts_all(plan: &Plan) -> bool {
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return false;
    };
    let counts = |a: &crate::plan::PlanAggregation| a.inputs.is_empty() && a.filter.is_none();
    keys.is_empty()
        && aggregations.iter().all(counts)
        && matches!(plan.filter, BoundFilter::Constant(true))
}

/// True where no test goes through all texts of a dictionary or calls a function.
fn is_plain(filter: &BoundFilter) -> bool {
    match filter {
        BoundFilter::Constant(_) | BoundFilter::Refused(_) => true,
        BoundFilter::And(children) | BoundFilter::Or(children) => children.iter().all(is_plain),
        BoundFilter::Not(child) => is_plain(child),
        BoundFilter::IsNull(expr, _) => expr.as_column().is_some(),
        BoundFilter::Test(test) => {
            test.expr.as_column().is_some() && test.matcher.text_test().is_none()
        }
    }
}
