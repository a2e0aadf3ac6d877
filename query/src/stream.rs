//! Rows of a selection without order and limit, piece of work by piece of work, for whoever takes them as they come.
//!
//! Must not know: threads, networks, who waits. Invariant: all pieces together give exactly the rows that [`crate::execute`]
//! gives, each once; a piece holds a bounded number of rows and needs nothing of another.

use std::ops::Range;
use std::sync::Arc;

use common::Block;
use segment::{Docs, Segment};

use crate::expr::BoundExpr;
use crate::filter::SegmentFilter;
use crate::limits::Limits;
use crate::plan::{Plan, Shape};
use crate::project::{BLOCK_ROWS, Projection, SegmentColumns};
use crate::scan::Scan;
use crate::stats::QueryStats;
use crate::{QueryError, prune};

/// Rows of a segment that are searched in one go.
const PIECE_ROWS: u32 = 1 << 17;

/// A part of a segment that one go searches.
pub struct Piece {
    segment: Arc<dyn Segment>,
    rows: Range<u32>,
}

/// Rows that were found.
pub struct Found {
    /// One a selected expression.
    pub columns: Vec<Block>,
    /// Number of rows.
    pub rows: usize,
}

/// True where a plan's rows need no merging.
#[must_use]
pub fn is_streamable(plan: &Plan) -> bool {
    matches!(plan.shape, Shape::Selection { .. }) && plan.order_by.is_empty() && plan.offset == 0
}

/// Cuts what pruning leaves into pieces; the counters are those of pruning.
#[must_use]
pub fn pieces(plan: &Plan, segments: &[Arc<dyn Segment>]) -> (Vec<Piece>, QueryStats) {
    let mut stats = QueryStats::default();
    let kept = prune::select(plan, segments, &mut stats);
    let pieces = kept
        .into_iter()
        .flat_map(|segment| {
            let docs = segment.doc_count();
            let count = docs.div_ceil(PIECE_ROWS).max(1);
            let size = docs.div_ceil(count).next_multiple_of(BLOCK_ROWS as u32);
            (0..count).map(move |at| Piece {
                segment: Arc::clone(segment),
                rows: at.saturating_mul(size).min(docs)..(at + 1).saturating_mul(size).min(docs),
            })
        })
        .collect();
    (pieces, stats)
}

/// Searches a piece.
///
/// # Errors
/// Where an expression refuses a value, or a limit of the query is reached.
pub fn search(
    plan: &Plan,
    piece: &Piece,
    limits: &Limits,
    host: &str,
) -> Result<(Vec<Found>, QueryStats), QueryError> {
    let Shape::Selection { outputs } = &plan.shape else {
        return Err(QueryError::execution("only a selection can be streamed"));
    };
    limits.check()?;
    let segment = piece.segment.as_ref();
    plan.expect_indexes(segment)?;
    let columns = SegmentColumns::open(segment, &plan.columns, plan.null_handling, host);
    let valid = segment.valid_docs().filter(|_| !plan.skip_upsert);
    let docs = segment.doc_count();
    let filter = SegmentFilter::compile(
        &plan.filter,
        &columns,
        docs,
        valid.as_deref(),
        &plan.context,
    )?;
    let mut scan = Scan::new(plan, &columns, &filter, piece.rows.clone(), limits);
    let mut found = Vec::new();
    scan.for_batches(BLOCK_ROWS, |scan, docs| {
        found.push(read(scan, outputs, docs)?);
        Ok(true)
    })?;
    let mut stats = scan.stats;
    count(plan, piece, outputs, &mut stats);
    Ok((found, stats))
}

fn count(plan: &Plan, piece: &Piece, outputs: &[BoundExpr], stats: &mut QueryStats) {
    let mut read = vec![false; plan.columns.len()];
    for expr in outputs {
        expr.visit_columns(&mut |index| {
            if let Some(seen) = read.get_mut(index) {
                *seen = true;
            }
        });
    }
    let read = read.into_iter().filter(|seen| *seen).count() as u64;
    stats.num_entries_scanned_post_filter = stats.num_docs_scanned * read;
    let first = u64::from(piece.rows.start == 0);
    stats.num_segments_processed = first;
    stats.num_segments_matched = u64::from(stats.num_docs_scanned > 0) * first;
    if piece.segment.is_consuming() {
        stats.num_consuming_segments_processed = first;
        stats.num_consuming_segments_matched = stats.num_segments_matched;
    }
}

fn read(scan: &Scan<'_>, outputs: &[BoundExpr], docs: Docs<'_>) -> Result<Found, QueryError> {
    let plan = scan.plan;
    let rows = docs.len();
    let mut projection = Projection::new(scan.columns, docs);
    let columns = outputs
        .iter()
        .map(|expr| expr.evaluate_shown(&mut projection, &plan.context))
        .collect::<Result<Vec<_>, QueryError>>()?;
    Ok(Found { columns, rows })
}
