//! Rows a second and a CPU second out of a stream, and how old a row is when a query first sees it.
//!
//! `cargo run --release -p benches --bin ingest -- throughput|freshness [--kafka HOST:PORT]`, after
//! `cargo build --release --workspace --bin touriga`. Must not know: internals; only REST, Kafka and `/proc`.
//! Invariant: every row that was produced is counted by a query before a figure is printed.

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use benches::figures::{cpu_seconds, memory_mib, percentile};
use benches::process::{Touriga, beside};
use benches::trades;
use clap::{Parser, Subcommand};
use rdkafka::producer::Producer;
use serde_json::Value as Json;

/// Ingestion.
#[derive(Parser)]
struct Options {
    /// What to measure.
    #[command(subcommand)]
    mode: Mode,
    /// A Kafka; an embedded stream in this process where not given.
    #[arg(long, global = true)]
    kafka: Option<String>,
    /// Topic; one with the time in its name where not given.
    #[arg(long, global = true)]
    topic: Option<String>,
    /// Partitions.
    #[arg(long, global = true, default_value_t = 4)]
    partitions: i32,
    /// The binary; the one beside this one where not given.
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Mode {
    /// Rows that lie in the topic already.
    Throughput {
        /// Rows.
        #[arg(long, default_value_t = 2_000_000)]
        rows: u64,
        /// Rows of a segment.
        #[arg(long, default_value_t = 250_000)]
        segment_rows: u64,
        /// The rows lie in the topic from an earlier run.
        #[arg(long)]
        produced: bool,
    },
    /// Rows that come evenly.
    Freshness {
        /// Rows a second.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
        /// Seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Rows of a segment.
        #[arg(long, default_value_t = 30_000)]
        segment_rows: u64,
    },
}

/// The stream, and what of it lives here.
struct Source {
    bootstrap: String,
    topic: String,
    partitions: i32,
    embedded: Option<(stream::StreamHandle, tempfile::TempDir)>,
}

impl Source {
    async fn open(options: &Options) -> Result<Self> {
        let (bootstrap, embedded) = match &options.kafka {
            Some(kafka) => (kafka.clone(), None),
            None => {
                let folder = tempfile::tempdir()?;
                let builder = stream::Stream::builder().data_dir(Some(folder.path().to_path_buf()));
                let stream = builder.retention_bytes(4 << 30).start().await?;
                (stream.addr().to_string(), Some((stream, folder)))
            }
        };
        let topic = options
            .topic
            .clone()
            .unwrap_or_else(|| format!("trades-{}", trades::now_us()));
        trades::create_topic(&bootstrap, &topic, options.partitions).await?;
        Ok(Self {
            bootstrap,
            topic,
            partitions: options.partitions,
            embedded,
        })
    }

    async fn close(self) {
        if let Some((stream, _)) = self.embedded {
            stream.shutdown().await;
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let binary = options.binary.clone().map_or_else(beside, Ok)?;
    let source = Source::open(&options).await?;
    match options.mode {
        Mode::Throughput {
            rows,
            segment_rows,
            produced,
        } => {
            if !produced {
                let (bootstrap, topic, partitions) = (
                    source.bootstrap.clone(),
                    source.topic.clone(),
                    source.partitions,
                );
                tokio::task::spawn_blocking(move || {
                    trades::produce(&bootstrap, &topic, partitions, rows)
                })
                .await??;
            }
            throughput(&binary, &source, rows, segment_rows).await?;
        }
        Mode::Freshness {
            rate,
            seconds,
            segment_rows,
        } => freshness(&binary, &source, (rate, seconds), segment_rows).await?,
    }
    source.close().await;
    Ok(())
}

async fn throughput(
    binary: &std::path::Path,
    source: &Source,
    rows: u64,
    segment_rows: u64,
) -> Result<()> {
    let process = Touriga::start(binary)?;
    process.first_answer().await?;
    let pid = process.pid();
    process
        .post("/schemas", &trades::schema("trades", &[]))
        .await?;
    let table = trades::table("trades", &source.topic, &source.bootstrap, segment_rows);
    let cpu_before = cpu_seconds(pid)?;
    let begin = Instant::now();
    process.post("/tables", &table).await?;
    let mut first = None;
    while process.number("SELECT COUNT(*) FROM trades").await < rows as f64 {
        if first.is_none() && process.number("SELECT COUNT(*) FROM trades").await > 0.0 {
            first = Some(begin.elapsed());
        }
        if begin.elapsed() > Duration::from_secs(600) {
            bail!("not every row within ten minutes");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = cpu_seconds(pid)? - cpu_before;
    let cpu_sealed = settled(pid).await? - cpu_before;
    let sums = process
        .rows("SELECT COUNT(*), SUM(id), DISTINCTCOUNT(symbol) FROM trades")
        .await?;
    let wanted = (rows as f64) * (rows as f64 - 1.0) / 2.0;
    let sum = sums
        .first()
        .and_then(|r| r.get(1))
        .and_then(Json::as_f64)
        .unwrap_or_default();
    if (sum - wanted).abs() > 0.5 {
        bail!("SUM(id) is {sum}, expected {wanted}");
    }
    let of = |cpu: f64| rows as f64 / cpu.max(0.01);
    writeln!(
        std::io::stdout(),
        "{rows} rows, {} partitions, segments of {segment_rows}: {:.0} rows/s, {:.0} rows per CPU second until all rows answer, {:.0} \
         with every seal; first row after {:.0} ms; {:.2} s, CPU {cpu:.2} s and {cpu_sealed:.2} s; peak RSS {:.0} MiB",
        source.partitions,
        rows as f64 / seconds,
        of(cpu),
        of(cpu_sealed),
        first.unwrap_or_default().as_secs_f64() * 1000.0,
        seconds,
        memory_mib(pid, "VmHWM")?,
    )?;
    Ok(())
}

/// CPU seconds once the process rests for three seconds: its segments are sealed and uploaded.
async fn settled(pid: u32) -> Result<f64> {
    let mut last = cpu_seconds(pid)?;
    let mut quiet = 0;
    while quiet < 3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = cpu_seconds(pid)?;
        quiet = if now - last < 0.05 { quiet + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

/// A row on its way: partition and time of its making, microseconds.
type Made = (usize, i64);

/// Sends `rate` rows a second, ten times a millisecond's worth at most behind, and tells of each.
fn produce_evenly(
    source: &(String, String, i32),
    rate: u64,
    seconds: u64,
    told: &mpsc::Sender<Made>,
) -> Result<()> {
    let (bootstrap, topic, partitions) = source;
    let producer = trades::producer(bootstrap, 1)?;
    let begin = Instant::now();
    for i in 0..rate.saturating_mul(seconds) {
        let due = Duration::from_micros(i.saturating_mul(1_000_000) / rate.max(1));
        while begin.elapsed() < due {
            producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_micros(500));
        }
        let partition = i32::try_from(i)? % (*partitions).max(1);
        let made = trades::now_us();
        let message = trades::message(i, &format!(r#","part":{partition},"made":{made}"#));
        trades::send(&producer, topic, partition, &message)?;
        told.send((usize::try_from(partition)?, made))
            .context("nobody listens")?;
    }
    producer
        .flush(Duration::from_secs(30))
        .context("not every message reached the stream")
}

async fn freshness(
    binary: &std::path::Path,
    source: &Source,
    (rate, seconds): (u64, u64),
    segment_rows: u64,
) -> Result<()> {
    let process = Touriga::start(binary)?;
    process.first_answer().await?;
    process
        .post("/schemas", &trades::schema("fresh", &["part", "made"]))
        .await?;
    process
        .post(
            "/tables",
            &trades::table("fresh", &source.topic, &source.bootstrap, segment_rows),
        )
        .await?;
    while process.rows("SELECT COUNT(*) FROM fresh").await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Consumers connect in the meantime: their start is not what is measured.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (told, made) = mpsc::channel();
    let done = Arc::new(AtomicBool::new(false));
    let producing = {
        let (done, from) = (
            Arc::clone(&done),
            (
                source.bootstrap.clone(),
                source.topic.clone(),
                source.partitions,
            ),
        );
        std::thread::spawn(move || {
            let outcome = produce_evenly(&from, rate, seconds, &told);
            done.store(true, Ordering::Release);
            outcome
        })
    };
    let mut latencies = watch(&process, &made, &done, source.partitions).await?;
    producing
        .join()
        .map_err(|_| anyhow::anyhow!("the producer ended early"))??;
    let produced = rate.saturating_mul(seconds);
    let count = process.number("SELECT COUNT(*) FROM fresh").await;
    if (count - produced as f64).abs() > 0.5 {
        bail!("{count} rows, expected {produced}");
    }
    let segments = process.get("/segments/fresh").await?;
    let segments = segments[0]["REALTIME"].as_array().map_or(0, Vec::len);
    let sealed = segments.saturating_sub(usize::try_from(source.partitions)?);
    writeln!(
        std::io::stdout(),
        "{} rows at {rate} a second, {sealed} segments sealed meanwhile: made to visible ms p50 {:.1} p99 {:.1} p99.9 {:.1} max {:.1}",
        latencies.len(),
        percentile(&mut latencies, 0.5),
        percentile(&mut latencies, 0.99),
        percentile(&mut latencies, 0.999),
        percentile(&mut latencies, 1.0),
    )?;
    Ok(())
}

/// Asks again and again for the newest row of each partition; each row's age in milliseconds when it was first seen.
async fn watch(
    process: &Touriga,
    made: &mpsc::Receiver<Made>,
    done: &AtomicBool,
    partitions: i32,
) -> Result<Vec<f64>> {
    let mut waiting = vec![VecDeque::new(); usize::try_from(partitions)?];
    let mut latencies = Vec::new();
    let mut last_seen = Instant::now();
    loop {
        let rows = process
            .rows("SELECT part, MAX(made) FROM fresh GROUP BY part LIMIT 1000")
            .await?;
        let now = trades::now_us();
        let finished = done.load(Ordering::Acquire);
        for (partition, made) in made.try_iter() {
            if let Some(queue) = waiting.get_mut(partition) {
                queue.push_back(made);
            }
        }
        for row in rows {
            let (Some(part), Some(newest)) = (
                row.first().and_then(Json::as_f64),
                row.get(1).and_then(Json::as_f64),
            ) else {
                continue;
            };
            let Some(queue) = waiting.get_mut(part as usize) else {
                continue;
            };
            while queue.front().is_some_and(|made| *made as f64 <= newest) {
                if let Some(made) = queue.pop_front() {
                    latencies.push((now - made) as f64 / 1000.0);
                    last_seen = Instant::now();
                }
            }
        }
        if finished && waiting.iter().all(VecDeque::is_empty) {
            return Ok(latencies);
        }
        if last_seen.elapsed() > Duration::from_secs(30) {
            bail!("no row became visible for half a minute");
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
