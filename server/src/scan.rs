//! Rows of a selection as they are found: pieces of segments, searched by the query threads when somebody takes the rows.
//!
//! Must not know: how rows travel. Invariant: all pieces are of segments pinned at once; no thread ever waits for a reader,
//! and what nobody takes is not searched.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::{ErrorCode, QueryException};
use futures::StreamExt;
use parking_lot::Mutex;
use proto::{QueryRequest, ScanPart, ScanStream};
use query::stream::{self, Piece};
use query::{Plan, QueryStats};

use crate::query_pool::{Course, QueryPool, Ticket};
use crate::query_service::planned;
use crate::shared::Shared;
use crate::tables::Table;

/// Pieces that one lane has searched before they are taken, at least.
const AHEAD: usize = 2;

/// A scan.
struct Scan {
    pool: Arc<QueryPool>,
    course: Course,
    plan: Arc<Plan>,
    host: String,
    table: Arc<Table>,
    left: Mutex<VecDeque<Piece>>,
}

/// What opening a scan finds.
struct Opened {
    plan: Arc<Plan>,
    pieces: Vec<Piece>,
    stats: QueryStats,
    missing: Vec<String>,
}

/// Opens a scan: pins, prunes and cuts; searches nothing yet.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    pool: &Arc<QueryPool>,
    table: Arc<Table>,
    request: QueryRequest,
    lanes: NonZeroUsize,
) -> Result<Vec<ScanStream>, QueryException> {
    let ticket = || Ticket {
        request_id: request.request_id,
        timeout_ms: request.timeout_ms,
    };
    let course = pool.begin(&ticket());
    let waited = |wait| shared.metrics.scheduler_wait.record(wait);
    let (of, by) = (Arc::clone(&table), Arc::clone(shared));
    let first = ticket();
    let opened = pool
        .run(first, false, waited, move |_| opened(&by, &of, &request))
        .await?;
    let lanes = lanes.get().min(opened.pieces.len()).max(1);
    let ahead = if lanes == 1 {
        pool.threads().max(AHEAD)
    } else {
        AHEAD
    };
    let mut heads = vec![Ok(ScanPart::Counters(counters(&opened.stats)))];
    if !opened.missing.is_empty() {
        heads.push(Ok(ScanPart::Missing(opened.missing)));
    }
    let scan = Arc::new(Scan {
        pool: Arc::clone(pool),
        course,
        plan: opened.plan,
        host: shared.host.clone(),
        table,
        left: Mutex::new(opened.pieces.into()),
    });
    Ok((0..lanes)
        .map(|_| {
            let heads = std::mem::take(&mut heads);
            let rows = lane(Arc::clone(&scan), ahead);
            Box::pin(futures::stream::iter(heads).chain(rows)) as ScanStream
        })
        .collect())
}

fn opened(
    shared: &Arc<Shared>,
    table: &Table,
    request: &QueryRequest,
) -> Result<Opened, QueryException> {
    let plan = planned(shared, request, table)?;
    if !stream::is_streamable(&plan) {
        return Err(QueryException::new(
            ErrorCode::QueryExecution,
            format!(
                "`{}` has rows to be merged, which cannot be streamed",
                request.sql
            ),
        ));
    }
    let pinned = table.pin(&request.segments, plan.skip_upsert);
    let (pieces, stats) = stream::pieces(&plan, &pinned.segments);
    let view = table.view();
    let mut missing = pinned.missing;
    // A segment that the cluster deleted meanwhile is not missed.
    missing.retain(|name| view.segments.contains_key(name));
    Ok(Opened {
        plan,
        pieces,
        stats,
        missing,
    })
}

/// Takes pieces as long as there are any; a few are searched while the rows of the ones before are taken.
fn lane(
    scan: Arc<Scan>,
    ahead: usize,
) -> impl futures::Stream<Item = Result<ScanPart, QueryException>> + Send {
    let next = move || {
        let piece = scan.left.lock().pop_front()?;
        let scan = Arc::clone(&scan);
        Some(async move { searched(scan, piece).await })
    };
    futures::stream::iter(std::iter::from_fn(next))
        .buffered(ahead)
        .flat_map(|parts| match parts {
            Ok(parts) => futures::stream::iter(parts.into_iter().map(Ok)).left_stream(),
            Err(exception) => futures::stream::iter([Err(exception)]).right_stream(),
        })
}

async fn searched(scan: Arc<Scan>, piece: Piece) -> Result<Vec<ScanPart>, QueryException> {
    let of = Arc::clone(&scan);
    let (plan, host) = (Arc::clone(&scan.plan), scan.host.clone());
    let work = move |limits: &query::Limits| -> Result<_, QueryException> {
        let (found, stats) = stream::search(&plan, &piece, limits, &host)?;
        let mut parts = Vec::with_capacity(found.len() + 1);
        for rows in found {
            let batch = multistage::batch_of(rows.columns, rows.rows)?;
            parts.push(ScanPart::Rows(batch));
        }
        parts.push(ScanPart::Counters(counters(&stats)));
        Ok((parts, stats))
    };
    let (parts, stats) = of.pool.step(&of.course, work).await?;
    let metrics = &scan.table.metrics;
    metrics
        .docs_scanned
        .fetch_add(stats.num_docs_scanned, Ordering::Relaxed);
    metrics
        .segments_processed
        .fetch_add(stats.num_segments_processed, Ordering::Relaxed);
    Ok(parts)
}

fn counters(stats: &QueryStats) -> Vec<u8> {
    serde_json::to_vec(stats).unwrap_or_default()
}
