//! Counters and timers under Pinot's names, and their text for Prometheus.
//!
//! Must not know: HTTP. Invariant: recording is a few atomic additions.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::ErrorCode;

use crate::BrokerResponse;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Eight buckets per doubling of microseconds: an error below 10 %.
const BUCKETS: usize = 8 * 36;

/// Times of something.
pub(crate) struct Timer {
    buckets: Vec<AtomicU64>,
    count: Counter,
    micros: Counter,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            count: Counter::default(),
            micros: Counter::default(),
        }
    }
}

impl Timer {
    /// Records one.
    pub(crate) fn record(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let at = ((micros as f64).log2() * 8.0) as usize;
        if let Some(bucket) = self.buckets.get(at.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.add(1);
        self.micros.add(micros);
    }

    /// Milliseconds below which that share of the times is.
    fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.count.get() as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= wanted && seen > 0 {
                return ((at as f64 + 0.5) / 8.0).exp2() / 1000.0;
            }
        }
        0.0
    }

    fn write(&self, out: &mut String, name: &str) {
        let count = self.count.get();
        let _ = writeln!(out, "pinot_broker_{name}_Count {count}");
        let mean = self.micros.get() as f64 / 1000.0 / count.max(1) as f64;
        let _ = writeln!(out, "pinot_broker_{name}_Mean {mean}");
        for (label, share) in [
            ("50", 0.5),
            ("75", 0.75),
            ("95", 0.95),
            ("98", 0.98),
            ("99", 0.99),
            ("999", 0.999),
        ] {
            let value = self.percentile(share);
            let _ = writeln!(out, "pinot_broker_{name}_{label}thPercentile {value}");
        }
    }
}

/// A broker's numbers.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) queries: Counter,
    documents_scanned: Counter,
    entries_in_filter: Counter,
    entries_post_filter: Counter,
    with_exceptions: Counter,
    partial_servers: Counter,
    group_limit: Counter,
    unknown_table: Counter,
    parse_errors: Counter,
    timeouts: Counter,
    rejected: Counter,
    pub(crate) quota_exceeded: Counter,
    execution: Timer,
    pub(crate) compilation: Timer,
    pub(crate) routing: Timer,
    pub(crate) gathering: Timer,
    pub(crate) authorization: Timer,
    reduce: Timer,
    rates: cluster::rates::Rates,
}

impl Metrics {
    /// Counts a response.
    pub(crate) fn answered(&self, response: &BrokerResponse, elapsed: Duration) {
        self.execution.record(elapsed);
        self.reduce
            .record(Duration::from_millis(response.reduce_time_ms));
        self.documents_scanned.add(response.stats.num_docs_scanned);
        self.entries_in_filter
            .add(response.stats.num_entries_scanned_in_filter);
        self.entries_post_filter
            .add(response.stats.num_entries_scanned_post_filter);
        if response.num_servers_responded < response.num_servers_queried {
            self.partial_servers.add(1);
        }
        if response.stats.num_groups_limit_reached {
            self.group_limit.add(1);
        }
        if let Some(first) = response.failures.first() {
            self.failed(first.code);
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, code: ErrorCode) {
        self.with_exceptions.add(1);
        match code {
            ErrorCode::TableDoesNotExist => self.unknown_table.add(1),
            ErrorCode::SqlParsing => self.parse_errors.add(1),
            ErrorCode::ServerNotResponding
            | ErrorCode::BrokerTimeout
            | ErrorCode::ExecutionTimeout => self.timeouts.add(1),
            ErrorCode::TooManyRequests => self.rejected.add(1),
            _ => {}
        }
    }

    /// Everything in Prometheus' text form.
    pub(crate) fn text(&self, now_ms: i64) -> String {
        let mut out = String::with_capacity(2048);
        for (name, counter) in [
            ("queries", &self.queries),
            ("documentsScanned", &self.documents_scanned),
            ("entriesScannedInFilter", &self.entries_in_filter),
            ("entriesScannedPostFilter", &self.entries_post_filter),
            ("brokerResponsesWithExceptions", &self.with_exceptions),
            (
                "brokerResponsesWithProcessingExceptions",
                &self.with_exceptions,
            ),
            (
                "brokerResponsesWithPartialServersResponded",
                &self.partial_servers,
            ),
            (
                "brokerResponsesWithNumGroupsLimitReached",
                &self.group_limit,
            ),
            ("exceptions_resourceMissing", &self.unknown_table),
            ("exceptions_requestCompilation", &self.parse_errors),
            ("brokerResponsesWithTimeouts", &self.timeouts),
            ("exceptions_queryRejected", &self.rejected),
            ("queryQuotaExceeded", &self.quota_exceeded),
        ] {
            let name = format!("pinot_broker_{name}");
            self.rates
                .write(&mut out, (&name, ""), counter.get(), now_ms);
        }
        self.execution.write(&mut out, "queryExecution");
        self.execution.write(&mut out, "queryTotalTimeMs");
        self.compilation.write(&mut out, "requestCompilation");
        self.routing.write(&mut out, "queryRouting");
        self.gathering.write(&mut out, "scatterGather");
        self.authorization.write(&mut out, "authorization");
        self.reduce.write(&mut out, "reduce");
        out.push_str(&cluster::process::metrics());
        out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Timer;

    #[test]
    fn percentiles_are_near() {
        let timer = Timer::default();
        for ms in 1..=1000 {
            timer.record(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0)] {
            let found = timer.percentile(share);
            assert!((found - ms).abs() < ms * 0.1, "{share}: {found}");
        }
    }
}
