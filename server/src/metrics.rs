//! Counters and timers under the names that Pinot's exporter gives them, as Prometheus text.
//!
//! Must not know: HTTP. Invariant: counting never blocks for long; a timer remembers its last thousand values.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use common::ids::split_type;
use ingest::IngestOutcome;
use parking_lot::Mutex;

use crate::shared::Shared;
use crate::tables::Table;

const REMEMBERED: usize = 1024;

/// Durations in milliseconds.
#[derive(Default)]
pub(crate) struct Timer {
    count: AtomicU64,
    recent: Mutex<Vec<f64>>,
}

impl Timer {
    pub(crate) fn record(&self, duration: Duration) {
        self.add(duration.as_secs_f64() * 1000.0);
    }

    pub(crate) fn record_ms(&self, millis: i64) {
        self.add(millis.max(0) as f64);
    }

    fn add(&self, millis: f64) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) as usize;
        let mut recent = self.recent.lock();
        if recent.len() < REMEMBERED {
            recent.push(millis);
        } else if let Some(oldest) = recent.get_mut(count % REMEMBERED) {
            *oldest = millis;
        }
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let mut values = self.recent.lock().clone();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (values.len() as f64 * share) as usize;
            values
                .get(index.min(values.len().saturating_sub(1)))
                .copied()
                .unwrap_or(0.0)
        };
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let count = self.count.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}_Count{labels} {count}");
        for (attribute, value) in [
            ("Min", at(0.0)),
            ("Max", at(1.0)),
            ("Mean", mean),
            ("50thPercentile", at(0.5)),
            ("75thPercentile", at(0.75)),
            ("95thPercentile", at(0.95)),
            ("98thPercentile", at(0.98)),
            ("99thPercentile", at(0.99)),
            ("999thPercentile", at(0.999)),
        ] {
            let _ = writeln!(out, "{name}_{attribute}{labels} {value}");
        }
    }
}

/// How many are at it.
#[derive(Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

/// One of them; leaving by being dropped.
pub(crate) struct Inside(Arc<AtomicUsize>);

impl Gauge {
    pub(crate) fn enter(&self) -> Inside {
        self.0.fetch_add(1, Ordering::Relaxed);
        Inside(Arc::clone(&self.0))
    }

    pub(crate) fn value(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A partition.
#[derive(Default)]
pub(crate) struct PartitionMetrics {
    topic: String,
    pub(crate) rows: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) incomplete: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) position: AtomicI64,
    /// The end of the stream when it was last asked for; 0 while it was not.
    pub(crate) high: AtomicI64,
}

impl PartitionMetrics {
    pub(crate) fn count(&self, outcome: &IngestOutcome, position: i64) {
        self.rows.fetch_add(outcome.rows as u64, Ordering::Relaxed);
        self.dropped
            .fetch_add(outcome.malformed as u64, Ordering::Relaxed);
        self.incomplete
            .fetch_add(outcome.incomplete as u64, Ordering::Relaxed);
        self.position.store(position, Ordering::Relaxed);
    }
}

/// A table.
#[derive(Default)]
pub(crate) struct TableMetrics {
    partitions: Mutex<BTreeMap<u32, Arc<PartitionMetrics>>>,
    pub(crate) freshness: Timer,
    pub(crate) sealing: Gauge,
    pub(crate) query_time: Timer,
    /// Of queries: making the plan, executing it, writing the answer.
    pub(crate) planning: Timer,
    pub(crate) executing: Timer,
    pub(crate) writing: Timer,
    pub(crate) queries: AtomicU64,
    pub(crate) docs_scanned: AtomicU64,
    pub(crate) segments_processed: AtomicU64,
    pub(crate) query_failures: AtomicU64,
}

impl TableMetrics {
    pub(crate) fn partition(&self, topic: &str, partition: u32) -> Arc<PartitionMetrics> {
        let mut partitions = self.partitions.lock();
        let metrics = partitions.entry(partition).or_insert_with(|| {
            Arc::new(PartitionMetrics {
                topic: topic.to_owned(),
                ..PartitionMetrics::default()
            })
        });
        Arc::clone(metrics)
    }
}

/// The whole server.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) query_time: Timer,
    pub(crate) scheduler_wait: Timer,
    pub(crate) rejected: AtomicU64,
    /// When the ends of the streams were last asked for, milliseconds.
    asked_ms: AtomicI64,
    rates: cluster::rates::Rates,
}

/// How long the ends of the streams are good for.
const ASK_EVERY_MS: i64 = 5_000;

/// Asks the streams for their ends, unless they were asked a moment ago. The answers come with a later look at the metrics:
/// a stream that does not answer must not hold up whoever looks.
pub(crate) fn ask_streams(shared: &Arc<Shared>) {
    let now = shared.now_ms();
    let last = shared.metrics.asked_ms.load(Ordering::Relaxed);
    if now.saturating_sub(last) < ASK_EVERY_MS {
        return;
    }
    shared.metrics.asked_ms.store(now, Ordering::Relaxed);
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        for table in shared.tables.all() {
            let consumers: Vec<_> = table.consumers.lock().values().cloned().collect();
            for consumer in consumers {
                let Ok((_, high)) = consumer.connector().range(consumer.stream_partition()) else {
                    continue;
                };
                if let Some(metrics) = table.metrics.partitions.lock().get(&consumer.partition) {
                    metrics.high.store(high.0, Ordering::Relaxed);
                }
            }
        }
    });
}

/// Everything as Prometheus text.
pub(crate) fn render(shared: &Shared) -> String {
    let mut out = String::new();
    shared
        .metrics
        .query_time
        .write(&mut out, "pinot_server_totalQueryTime", "");
    shared
        .metrics
        .scheduler_wait
        .write(&mut out, "pinot_server_schedulerWait", "");
    let rejected = shared.metrics.rejected.load(Ordering::Relaxed);
    write_value(&mut out, shared, ("queriesRejected_Count", ""), rejected);
    if let Some((_, allocated, mapped)) = cluster::process::memory_bytes() {
        let _ = writeln!(
            out,
            "pinot_server_memory_directBufferUsage_Value {allocated}"
        );
        let _ = writeln!(out, "pinot_server_memory_mmapBufferUsage_Value {mapped}");
    }
    out.push_str(&cluster::process::metrics());
    for table in shared.tables.all() {
        write_table(&mut out, shared, &table);
    }
    out
}

#[allow(
    clippy::too_many_lines,
    reason = "a list of metrics, one after the other"
)]
fn write_table(out: &mut String, shared: &Shared, table: &Table) {
    let (raw, kind) = split_type(&table.name);
    let kind = kind.map(|k| k.to_string()).unwrap_or_default();
    let base = format!("table=\"{}\",tableType=\"{kind}\"", escaped(raw));
    let labels = format!("{{{base}}}");
    let held = table.segments.all();
    let docs: u64 = held.values().map(|h| h.doc_count()).sum();
    let growing: u64 = held.values().map(|h| h.memory_bytes()).sum();
    let metrics = &table.metrics;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    for (name, value) in [
        ("documentCount_Value", docs),
        ("segmentCount_Value", held.len() as u64),
        ("realtime_offheapMemoryUsed_Value", growing),
        (
            "llcSimultaneousSegmentBuilds_Value",
            metrics.sealing.value() as u64,
        ),
        ("queries_Count", count(&metrics.queries)),
        (
            "queryExecutionExceptions_Count",
            count(&metrics.query_failures),
        ),
        ("numDocsScanned_Count", count(&metrics.docs_scanned)),
        (
            "numSegmentsProcessed_Count",
            count(&metrics.segments_processed),
        ),
        (
            "rowsWithErrors_Count",
            count(&table.errors.malformed) + count(&table.errors.incomplete),
        ),
        ("realtimeRowsFiltered_Count", count(&table.errors.filtered)),
        (
            "invalidRealtimeRowsDropped_Count",
            count(&table.errors.malformed),
        ),
    ] {
        write_value(out, shared, (name, &labels), value);
    }
    for (name, timer) in [
        ("queryProcessing", &metrics.query_time),
        ("totalQueryTime", &metrics.query_time),
        ("buildQueryPlan", &metrics.planning),
        ("queryPlanExecution", &metrics.executing),
        ("responseSerialization", &metrics.writing),
        ("freshnessLagMs", &metrics.freshness),
    ] {
        timer.write(out, &format!("pinot_server_{name}"), &labels);
    }
    write_partitions(out, shared, table, &base);
    write_keys(out, table, &base);
}

/// Number and memory of the keys of tables with upsert or dedup.
fn write_keys(out: &mut String, table: &Table, base: &str) {
    let Some(keys) = &table.keys else {
        return;
    };
    let kind = if keys.plan().is_dedup() {
        "dedup"
    } else {
        "upsert"
    };
    for (partition, keys, bytes) in keys.sizes() {
        let labels = format!("{{{base},partition=\"{partition}\"}}");
        let _ = writeln!(
            out,
            "pinot_server_{kind}PrimaryKeysCount_Value{labels} {keys}"
        );
        let _ = writeln!(out, "touriga_server_key_index_bytes{labels} {bytes}");
    }
}

fn write_partitions(out: &mut String, shared: &Shared, table: &Table, base: &str) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let consumers = table.consumers.lock();
    for (partition, metrics) in table.metrics.partitions.lock().iter() {
        let topic = escaped(&metrics.topic);
        let labels = format!("{{{base},topic=\"{topic}\",partition=\"{partition}\"}}");
        let consumer = consumers
            .values()
            .filter(|c| c.partition == *partition)
            .max_by_key(|c| c.sequence);
        let position = metrics.position.load(Ordering::Relaxed);
        let high = metrics.high.load(Ordering::Relaxed);
        let lag = if high == 0 {
            0
        } else {
            high.saturating_sub(position).max(0)
        };
        let delay = consumer.map_or(0, |c| {
            let newest = c.last_message_ms.load(Ordering::Relaxed);
            if newest == 0 || (lag == 0 && c.is_caught_up()) {
                0
            } else {
                shared.now_ms().saturating_sub(newest).max(0)
            }
        });
        for (name, value) in [
            ("realtimeRowsConsumed_Count", count(&metrics.rows)),
            (
                "invalidRealtimePartitionRowsDropped_Count",
                count(&metrics.dropped),
            ),
            (
                "incompleteRealtimeRowsConsumed_Count",
                count(&metrics.incomplete),
            ),
            (
                "realtime_consumptionExceptions_Count",
                count(&metrics.failures),
            ),
            ("streamDataLoss_Count", count(&metrics.lost)),
            ("llcPartitionConsuming_Value", u64::from(consumer.is_some())),
            ("realtimeIngestionDelayMs_Value", delay.unsigned_abs()),
            (
                "endToEndRealtimeIngestionDelayMs_Value",
                delay.unsigned_abs(),
            ),
            ("realtimeIngestionOffsetLag_Value", lag.unsigned_abs()),
            ("realtimeIngestionUpstreamOffset_Value", high.unsigned_abs()),
        ] {
            write_value(out, shared, (name, &labels), value);
        }
        let _ = writeln!(
            out,
            "pinot_server_realtimeIngestionConsumingOffset_Value{labels} {position}"
        );
    }
}

/// A gauge as it is, a counter with its rates.
fn write_value(out: &mut String, shared: &Shared, (name, labels): (&str, &str), value: u64) {
    match name.strip_suffix("_Count") {
        Some(meter) => {
            let meter = format!("pinot_server_{meter}");
            let (rates, now) = (&shared.metrics.rates, shared.now_ms());
            rates.write(out, (&meter, labels), value, now);
        }
        None => {
            let _ = writeln!(out, "pinot_server_{name}{labels} {value}");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
