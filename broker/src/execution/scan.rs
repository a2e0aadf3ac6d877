//! Rows of a selection as streams: the servers of a query, chosen as for any other, each with its lanes.
//!
//! Must not know: plans of the multi-stage engine. Invariant: a segment's rows come from exactly one server; what a server
//! turns out not to have is asked of other replicas once, before any of its rows was taken.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{ErrorCode, QueryException};
use futures::{StreamExt, TryStreamExt};
use multistage::{Layout, LeafPart, LeafRows, LeafStreams, Place, Share};
use parking_lot::Mutex;
use proto::{ScanPart, ScanStream};
use query::QueryStats;
use query::plan::BoundFilter;
use sql::Statement;
use tokio::sync::OnceCell;

use super::compile::Side;
use super::layout::{Asker, Sides};
use super::{Core, Job, Prepared, Stop};
use crate::response::{BrokerResponse, Failure};
use crate::routing::{Choice, Server};

/// Rows of a lane that make another one worth its while.
const LANE_ROWS: u64 = 1 << 16;

/// A filter about which nothing is known leaves one row of so many.
const FILTERED: u64 = 5;

/// What all scans of a query count, together.
pub(crate) type Counted = Arc<Mutex<BrokerResponse>>;

/// One server's share of one side of a query.
struct Scan {
    asker: Arc<Asker>,
    side: Side,
    server: Arc<Server>,
    segments: Vec<String>,
    lanes: NonZeroUsize,
    counted: Counted,
    /// Turns in which some lanes have not been taken yet.
    turns: Mutex<HashMap<usize, Arc<Turn>>>,
}

/// The streams of one execution; a recursive query executes its leaves often.
#[derive(Default)]
struct Turn {
    streams: OnceCell<Mutex<Vec<ScanStream>>>,
    taken: AtomicUsize,
}

/// A lane of a scan.
struct Lane {
    scan: Arc<Scan>,
    /// The first tells of the share.
    first: bool,
    turn: AtomicUsize,
}

impl LeafPart for Lane {
    fn rows(self: Arc<Self>) -> LeafRows {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let scan = Arc::clone(&self.scan);
        Box::pin(futures::stream::once(async move { scan.lane(turn).await }).try_flatten())
    }

    fn share(&self) -> Option<(Place, Share)> {
        let scan = self.first.then_some(&self.scan)?;
        scan.asker.share(&scan.side, &scan.server, &scan.segments)
    }

    fn estimate(&self) -> Option<usize> {
        let scan = &self.scan;
        let records = &scan.side.table.view.segments;
        let mut rows = 0_u64;
        for name in &scan.segments {
            let docs = records.get(name)?.total_docs;
            if docs == 0 {
                // It grows still.
                return None;
            }
            rows = rows.saturating_add(docs);
        }
        if !matches!(scan.side.plan.filter, BoundFilter::Constant(true)) {
            rows /= FILTERED;
        }
        usize::try_from(rows).ok().map(|rows| rows / scan.lanes)
    }
}

/// No rows.
struct Nothing;

impl LeafPart for Nothing {
    fn rows(self: Arc<Self>) -> LeafRows {
        Box::pin(futures::stream::empty())
    }

    fn estimate(&self) -> Option<usize> {
        Some(0)
    }
}

impl Core {
    /// The streams of a query without groups, order and limit. No server is asked before one of them is read.
    pub(crate) async fn streams(
        &self,
        job: Job,
        statement: Statement,
        counted: &Counted,
    ) -> Result<LeafStreams, Stop> {
        let core = self.me.upgrade().ok_or_else(|| {
            QueryException::new(ErrorCode::ServerShuttingDown, "the broker is shutting down")
        })?;
        let (job, statement, compiled) = match self.prepared(job, statement).await? {
            Prepared::Planned(job, statement, compiled) => (job, statement, compiled),
            Prepared::Answered(_) => return Ok(LeafStreams::default()),
        };
        if !compiled
            .sides
            .iter()
            .all(|side| query::stream::is_streamable(&side.plan))
        {
            return Ok(LeafStreams::default());
        }
        let asker = Arc::new(Asker {
            core,
            job,
            statement,
        });
        let (mut scans, mut sides) = (Vec::new(), Vec::new());
        for side in &compiled.sides {
            if matches!(side.plan.filter, BoundFilter::Constant(false)) {
                continue;
            }
            let choice = self.choose(&asker.job, &asker.statement, side, &[], |_| true);
            if !choice.unavailable.is_empty() {
                return Err(unavailable(&choice.unavailable).into());
            }
            counted.lock().num_segments_pruned_by_broker += choice.pruned;
            sides.push((side.clone(), choice.names()));
            for (server, segments) in choice.shares {
                scans.push(Arc::new(Scan {
                    asker: Arc::clone(&asker),
                    lanes: lanes_of(side, &server, &segments),
                    side: side.clone(),
                    server,
                    segments,
                    counted: Arc::clone(counted),
                    turns: Mutex::default(),
                }));
            }
        }
        note(counted, &compiled.table, scans.len());
        let mut parts: Vec<Arc<dyn LeafPart>> = Vec::new();
        for scan in scans {
            parts.extend((0..scan.lanes.get()).map(|at| {
                Arc::new(Lane {
                    scan: Arc::clone(&scan),
                    first: at == 0,
                    turn: AtomicUsize::new(0),
                }) as Arc<dyn LeafPart>
            }));
        }
        if parts.is_empty() {
            parts.push(Arc::new(Nothing));
        }
        let layout: Arc<dyn Layout> = Arc::new(Sides { asker, sides });
        Ok(LeafStreams {
            parts,
            layout: Some(layout),
        })
    }
}

fn note(counted: &Counted, table: &str, servers: usize) {
    let servers = u32::try_from(servers).unwrap_or(u32::MAX);
    let mut all = counted.lock();
    all.num_servers_queried = all.num_servers_queried.max(servers);
    all.num_servers_responded = all.num_servers_responded.max(servers);
    if !all.tables_queried.iter().any(|seen| seen == table) {
        all.tables_queried.push(table.to_owned());
    }
}

/// As many as the server offers and the rows are worth.
fn lanes_of(side: &Side, server: &Server, segments: &[String]) -> NonZeroUsize {
    let most = server.service.lanes();
    if most == NonZeroUsize::MIN {
        return most;
    }
    let records = &side.table.view.segments;
    let rows = segments
        .iter()
        .filter_map(|name| records.get(name))
        .fold(0_u64, |sum, record| sum.saturating_add(record.total_docs));
    let worth = usize::try_from(rows / LANE_ROWS).unwrap_or(usize::MAX);
    NonZeroUsize::new(worth).map_or(NonZeroUsize::MIN, |worth| worth.min(most))
}

fn unavailable(segments: &[String]) -> QueryException {
    let listed: Vec<&str> = segments.iter().take(10).map(String::as_str).collect();
    QueryException::new(
        ErrorCode::BrokerSegmentUnavailable,
        format!(
            "{} segments unavailable, sampling: [{}]",
            segments.len(),
            listed.join(", ")
        ),
    )
}

impl Scan {
    /// The rows of one lane. Whichever lane comes first asks the server, for all of them.
    async fn lane(self: Arc<Self>, turn: usize) -> Result<LeafRows, QueryException> {
        let of = Arc::clone(self.turns.lock().entry(turn).or_default());
        let opened = of
            .streams
            .get_or_try_init(|| async {
                // The first is taken first.
                let mut streams = self.opened().await?;
                streams.reverse();
                Ok::<_, QueryException>(Mutex::new(streams))
            })
            .await?;
        let stream = opened.lock().pop();
        if of.taken.fetch_add(1, Ordering::Relaxed) + 1 >= self.lanes.get() {
            self.turns.lock().remove(&turn);
        }
        let Some(stream) = stream else {
            return Ok(Box::pin(futures::stream::empty()));
        };
        Ok(self.told(stream, true))
    }

    /// Asks the server, or other replicas where it cannot be reached.
    async fn opened(&self) -> Result<Vec<ScanStream>, QueryException> {
        let exception = match ask(self, &self.server, &self.side, &self.segments, self.lanes).await
        {
            Ok(streams) => return Ok(streams),
            Err(exception) => exception,
        };
        if !matches!(
            exception.code,
            ErrorCode::ServerNotResponding
                | ErrorCode::ServerShuttingDown
                | ErrorCode::ServerTableMissing
        ) {
            return Err(exception);
        }
        tracing::warn!(server = %self.server.instance.id, error = %exception.message, "a server did not answer");
        self.elsewhere(&self.segments).await?.ok_or(exception)
    }

    /// The same segments of other replicas; `None` where some are nowhere else.
    async fn elsewhere(
        &self,
        segments: &[String],
    ) -> Result<Option<Vec<ScanStream>>, QueryException> {
        let mut side = self.side.clone();
        let Asker {
            core,
            job,
            statement,
        } = self.asker.as_ref();
        if let Some(table) = core.routing.load().table(&side.table.view.name) {
            side.table = table;
        }
        let avoided = [self.server.instance.id.clone()];
        let wanted: HashSet<&str> = segments.iter().map(String::as_str).collect();
        let only = |name: &str| wanted.contains(name);
        let choice: Choice = core.choose(job, statement, &side, &avoided, only);
        if !choice.unavailable.is_empty() || choice.shares.is_empty() {
            return Ok(None);
        }
        let mut streams = Vec::new();
        for (server, segments) in choice.shares {
            streams.extend(ask(self, &server, &side, &segments, NonZeroUsize::MIN).await?);
        }
        // As many as there are lanes may be taken.
        let joined: ScanStream = Box::pin(futures::stream::iter(streams).flatten());
        Ok(Some(vec![joined]))
    }

    /// The rows of a stream; the rest of what it tells is counted and followed.
    fn told(self: Arc<Self>, stream: ScanStream, may_ask_again: bool) -> LeafRows {
        Box::pin(
            stream
                .map_ok(move |part| Arc::clone(&self).rows_of(part, may_ask_again))
                .try_flatten(),
        )
    }

    fn rows_of(self: Arc<Self>, part: ScanPart, may_ask_again: bool) -> LeafRows {
        match part {
            ScanPart::Rows(batch) => Box::pin(futures::stream::iter([Ok(batch)])),
            ScanPart::Counters(counters) => {
                if let Ok(stats) = serde_json::from_slice::<QueryStats>(&counters) {
                    self.counted.lock().stats.add(&stats);
                }
                Box::pin(futures::stream::empty())
            }
            ScanPart::Missing(names) => Box::pin(
                futures::stream::once(async move {
                    let found = if may_ask_again {
                        self.elsewhere(&names).await?
                    } else {
                        None
                    };
                    let streams = found.ok_or_else(|| self.missing(&names))?;
                    let rows = streams
                        .into_iter()
                        .map(|stream| Arc::clone(&self).told(stream, false))
                        .collect::<Vec<_>>();
                    Ok::<_, QueryException>(futures::stream::iter(rows).flatten())
                })
                .try_flatten(),
            ),
        }
    }

    fn missing(&self, names: &[String]) -> QueryException {
        QueryException::new(
            ErrorCode::ServerSegmentMissing,
            format!(
                "{} segments [{}] missing on server: {}",
                names.len(),
                names.join(", "),
                self.server.instance.id
            ),
        )
    }
}

async fn ask(
    scan: &Scan,
    server: &Arc<Server>,
    side: &Side,
    segments: &[String],
    lanes: NonZeroUsize,
) -> Result<Vec<ScanStream>, QueryException> {
    let (core, job) = (&scan.asker.core, &scan.asker.job);
    let late = || {
        QueryException::new(
            ErrorCode::ServerNotResponding,
            format!("1 servers [{}] not responded", server.instance.id),
        )
    };
    let left = job.left_ms();
    core.running
        .works_on(job.request_id, std::iter::once(Arc::clone(server)));
    let request = scan.asker.request(side, segments);
    let call = server.service.scan(request, lanes);
    match tokio::time::timeout(Duration::from_millis(left), call).await {
        Ok(answer) => answer,
        Err(_) => Err(late()),
    }
}

impl From<Stop> for QueryException {
    /// The failure's own text, without the code's name in front.
    fn from(stop: Stop) -> Self {
        let (Stop::Unread(failure) | Stop::Failed(failure)) = stop;
        Self::from(failure)
    }
}

impl From<Failure> for QueryException {
    fn from(failure: Failure) -> Self {
        let named = format!("{}: ", failure.code.name());
        let message = failure.message.strip_prefix(&named);
        Self::new(failure.code, message.unwrap_or(&failure.message))
    }
}
