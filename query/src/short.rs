//! Queries that read so little that to wake a thread for them costs more than the work.
//!
//! Must not know: threads. Invariant: it looks at what segments know without reading rows; what it calls short is done in well under a
//! millisecond, and on the calling thread alone.

use std::sync::Arc;

use segment::Segment;

use crate::filter::bounds;
use crate::plan::{BoundFilter, Plan};
use crate::stats::QueryStats;
use crate::{prune, star_tree, statistics};

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
    if let Some(values) = statistics::values_read(plan, segment) {
        return values;
    }
    match star_tree::search(plan, segment) {
        Some(search) => search.most_records(),
        None => bounds::possible(plan, segment).len(),
    }
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
