//! The one bridge from async code to CPU work: a fixed pool of threads behind admission, deadline and cancellation.
//!
//! Must not know: plans, segments. Invariants: no more queries run than the pool can feed; a queue that is full refuses at once; a caller
//! that went away or whose time is over costs nothing more.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{ErrorCode, QueryException};
use parking_lot::Mutex;
use query::Limits;
use rayon::ThreadPool;
use tokio::sync::{Semaphore, oneshot};

use crate::error::ServerError;

/// Queries that run at once, by thread: a short one need not wait for a long one.
const QUERIES_A_THREAD: usize = 4;
/// What a query that is out of time is given to say so itself.
const GRACE: Duration = Duration::from_millis(200);

/// What runs or waits, by a number of its own: its broker's id of it, and its switch. A query of several leaves is there
/// as often.
type Running = Mutex<HashMap<u64, (u64, Arc<AtomicBool>)>>;

/// A pool.
pub(crate) struct QueryPool {
    threads: ThreadPool,
    slots: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    memory_bytes: usize,
    running: Arc<Running>,
    next: AtomicU64,
}

/// What a query runs under.
pub(crate) struct Ticket {
    pub(crate) request_id: u64,
    pub(crate) timeout_ms: u64,
}

/// Cancels the query when its caller goes away, and takes it off the list.
struct Watched {
    running: Arc<Running>,
    key: u64,
    cancel: Arc<AtomicBool>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.running.lock().remove(&self.key);
    }
}

/// A query that comes in steps; cancelled when it is dropped.
pub(crate) struct Course {
    pub(crate) limits: Limits,
    began: Instant,
    timeout_ms: u64,
    _watched: Watched,
}

impl Course {
    fn left(&self) -> Duration {
        Duration::from_millis(self.timeout_ms).saturating_sub(self.began.elapsed())
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl QueryPool {
    pub(crate) fn new(
        threads: usize,
        most_waiting: usize,
        memory_bytes: usize,
    ) -> Result<Self, ServerError> {
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("query-{index}"))
            .build()
            .map_err(|e| ServerError::Impossible(format!("cannot start query threads: {e}")))?;
        Ok(Self {
            threads: pool,
            slots: Semaphore::new(threads * QUERIES_A_THREAD),
            waiting: AtomicUsize::new(0),
            most_waiting,
            memory_bytes,
            running: Arc::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Cancels what runs or waits under an id; true where something did.
    pub(crate) fn cancel(&self, request_id: u64) -> bool {
        let running = self.running.lock();
        let mut found = false;
        for (id, cancel) in running.values() {
            if *id == request_id {
                cancel.store(true, Ordering::Relaxed);
                found = true;
            }
        }
        found
    }

    /// Ids of what runs or waits.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.running.lock().values().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Runs work on the pool, or, where it is short and a slot is free, at once on the thread that asks. `waited` hears how long it stood in
    /// the queue.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        ticket: Ticket,
        short: bool,
        waited: impl FnOnce(Duration),
        work: impl FnOnce(&Limits) -> Result<T, QueryException> + Send + 'static,
    ) -> Result<T, QueryException> {
        let course = self.begin(&ticket);
        let _slot = self.admit(course.left(), course.timeout_ms, true).await?;
        waited(course.began.elapsed());
        if short {
            return guarded(&course.limits, work);
        }
        self.spawned(&course, work).await
    }

    /// Enters a query that comes in steps.
    pub(crate) fn begin(&self, ticket: &Ticket) -> Course {
        let limits = Limits::new(ticket.timeout_ms, self.memory_bytes);
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let cancel = limits.canceller();
        let entry = (ticket.request_id, Arc::clone(&cancel));
        self.running.lock().insert(key, entry);
        Course {
            limits,
            began: Instant::now(),
            timeout_ms: ticket.timeout_ms,
            _watched: Watched {
                running: Arc::clone(&self.running),
                key,
                cancel,
            },
        }
    }

    /// Runs a step. The query was let in with its first, so that it waits here for its turn and is not refused. A step never
    /// waits for another one, nor for whoever takes its result.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        course: &Course,
        work: impl FnOnce(&Limits) -> Result<T, QueryException> + Send + 'static,
    ) -> Result<T, QueryException> {
        let _slot = self.admit(course.left(), course.timeout_ms, false).await?;
        self.spawned(course, work).await
    }

    /// Threads.
    pub(crate) fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    async fn spawned<T: Send + 'static>(
        &self,
        course: &Course,
        work: impl FnOnce(&Limits) -> Result<T, QueryException> + Send + 'static,
    ) -> Result<T, QueryException> {
        let (tell, told) = oneshot::channel();
        let task_limits = course.limits.clone();
        self.threads.spawn(move || {
            if tell.is_closed() {
                return;
            }
            let _ = tell.send(guarded(&task_limits, work));
        });
        match tokio::time::timeout(course.left() + GRACE, told).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(QueryException::new(
                ErrorCode::ServerShuttingDown,
                "the query was given up",
            )),
            Err(_) => Err(QueryException::new(
                ErrorCode::ExecutionTimeout,
                format!("the query did not finish within {} ms", course.timeout_ms),
            )),
        }
    }

    async fn admit(
        &self,
        timeout: Duration,
        timeout_ms: u64,
        refuses: bool,
    ) -> Result<tokio::sync::SemaphorePermit<'_>, QueryException> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if refuses && before >= self.most_waiting {
            return Err(QueryException::new(
                ErrorCode::ServerOutOfCapacity,
                format!("{before} queries are waiting already"),
            ));
        }
        match tokio::time::timeout(timeout, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(QueryException::new(
                ErrorCode::ServerShuttingDown,
                "the server stops",
            )),
            Err(_) => Err(QueryException::new(
                ErrorCode::QuerySchedulingTimeout,
                format!("no thread became free within {timeout_ms} ms"),
            )),
        }
    }
}

/// A defect met by a query is that query's error, and nothing else's.
fn guarded<T>(
    limits: &Limits,
    work: impl FnOnce(&Limits) -> Result<T, QueryException>,
) -> Result<T, QueryException> {
    let done = catch_unwind(AssertUnwindSafe(|| {
        limits.check().map_err(QueryException::from)?;
        work(limits)
    }));
    done.unwrap_or_else(|panic| Err(broken(panic.as_ref())))
}

fn broken(panic: &(dyn std::any::Any + Send)) -> QueryException {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(text, "a query met a defect");
    QueryException::new(
        ErrorCode::QueryExecution,
        format!("internal error while executing the query: {text}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(request_id: u64, timeout_ms: u64) -> Ticket {
        Ticket {
            request_id,
            timeout_ms,
        }
    }

    #[tokio::test]
    async fn work_is_done_cancelled_or_refused() -> Result<(), Box<dyn std::error::Error>> {
        let pool = Arc::new(QueryPool::new(1, 0, 1000)?);
        let done = pool.run(ticket(1, 1000), false, |_| (), |_| Ok(7)).await?;
        assert_eq!(done, 7);
        let broken = pool
            .run::<()>(ticket(2, 1000), true, |_| (), |_| panic!("oh"))
            .await;
        assert!(broken.is_err_and(|e| e.message.contains("oh")));
        let spin = |limits: &Limits| -> Result<(), QueryException> {
            loop {
                limits.check().map_err(QueryException::from)?;
                std::thread::yield_now();
            }
        };
        let other = Arc::clone(&pool);
        let running =
            tokio::spawn(async move { other.run(ticket(3, 60_000), false, |_| (), spin).await });
        while !pool.cancel(3) {
            tokio::task::yield_now().await;
        }
        let code = running.await?.map_err(|e| e.code);
        assert_eq!(code, Err(ErrorCode::QueryCancellation));
        let late = pool.run(ticket(4, 1), false, |_| (), spin).await;
        assert_eq!(late.map_err(|e| e.code), Err(ErrorCode::ExecutionTimeout));
        let slots = pool.slots.acquire_many(QUERIES_A_THREAD as u32).await?;
        let refused = pool.run(ticket(5, 10), true, |_| (), |_| Ok(())).await;
        assert_eq!(
            refused.map_err(|e| e.code),
            Err(ErrorCode::ServerOutOfCapacity)
        );
        drop(slots);
        assert!(pool.ids().is_empty());
        Ok(())
    }
}
