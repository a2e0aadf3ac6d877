//! Upsert with many keys: rows a second, memory a key, and how long a start takes that finds the keys on disk.
//!
//! `cargo run --release -p benches --bin upsert -- load|steady|keys`, after `cargo build --release --workspace --bin touriga`.
//! Must not know: internals, the key index by itself aside. Invariant: every key and the sum over the newest rows are compared before a
//! figure is printed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use benches::figures::{cpu_seconds, memory_mib};
use benches::process::{Rest, Touriga, beside};
use benches::trades;
use clap::{Parser, Subcommand};
use rdkafka::producer::Producer;
use serde_json::{Value as Json, json};

/// Upsert.
#[derive(Parser)]
struct Options {
    /// What to measure.
    #[command(subcommand)]
    mode: Mode,
    /// A Kafka; an embedded stream in this process where not given.
    #[arg(long, global = true)]
    kafka: Option<String>,
    /// Partitions.
    #[arg(long, global = true, default_value_t = 4)]
    partitions: u64,
    /// Different keys.
    #[arg(long, global = true, default_value_t = 10_000_000)]
    keys: u64,
    /// Rows of a segment.
    #[arg(long, global = true, default_value_t = 1_000_000)]
    segment_rows: u64,
    /// The binary; the one beside this one where not given.
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Mode {
    /// Every key so many times, from a topic that holds them; then a kill, and a start.
    Load {
        /// Rows of each key.
        #[arg(long, default_value_t = 2)]
        rounds: u64,
        /// A Pinot that reads the same topic afterwards: URL of its controller, of its broker, and the process id of its server.
        #[arg(long, num_args = 3, value_names = ["CONTROLLER", "BROKER", "PID"])]
        pinot: Vec<String>,
    },
    /// Rows that come evenly for a long time; the memory of every minute.
    Steady {
        /// Minutes.
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// Rows a second.
        #[arg(long, default_value_t = 20_000)]
        rate: u64,
    },
    /// The index of the keys by itself, in this process.
    Keys,
}

/// The key of row `i`: every key once in `keys` rows, far from its neighbours.
fn key(i: u64, keys: u64) -> u64 {
    // A prime that divides no number of keys that anybody asks for.
    (i % keys).wrapping_mul(2_654_435_761) % keys
}

fn message(i: u64, keys: u64) -> String {
    format!(
        r#"{{"id":{},"v":{i},"kind":"k{}","ts":{}}}"#,
        key(i, keys),
        i % 97,
        1_700_000_000_000 + i
    )
}

fn schema() -> Json {
    json!({
        "schemaName": "keyed",
        "dimensionFieldSpecs": [{"name": "id", "dataType": "LONG"}, {"name": "kind", "dataType": "STRING"}],
        "metricFieldSpecs": [{"name": "v", "dataType": "LONG"}],
        "dateTimeFieldSpecs": [{"name": "ts", "dataType": "LONG", "format": "EPOCH", "granularity": "1:MILLISECONDS"}],
        "primaryKeyColumns": ["id"],
    })
}

fn table(topic: &str, bootstrap: &str, segment_rows: u64) -> Json {
    json!({
        "tableName": "keyed", "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": "ts", "replication": "1"},
        "tenants": {}, "metadata": {},
        "tableIndexConfig": {"noDictionaryColumns": ["id", "v", "ts"]},
        "routing": {"instanceSelectorType": "strictReplicaGroup"},
        "upsertConfig": {"mode": "FULL"},
        "ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [{
            "streamType": "kafka", "stream.kafka.topic.name": topic, "stream.kafka.broker.list": bootstrap,
            "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
            "stream.kafka.consumer.factory.class.name": "org.apache.pinot.plugin.stream.kafka30.KafkaConsumerFactory",
            "stream.kafka.consumer.type": "lowlevel",
            "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
            "realtime.segment.flush.threshold.segment.rows": segment_rows.to_string(),
            "realtime.segment.flush.threshold.time": "24h"
        }]}}
    })
}

fn say(line: std::fmt::Arguments<'_>) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Sends rows, so many a second where a rate is given.
fn produce(
    (bootstrap, topic): (&str, &str),
    options: &(u64, u64),
    rows: std::ops::Range<u64>,
    rate: Option<u64>,
) -> Result<()> {
    let (partitions, keys) = *options;
    let producer = trades::producer(bootstrap, 20)?;
    let begin = Instant::now();
    for i in rows.clone() {
        if let Some(rate) = rate {
            let due = (i - rows.start).saturating_mul(1_000_000) / rate.max(1);
            while begin.elapsed() < Duration::from_micros(due) {
                producer.poll(Duration::ZERO);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let partition = i32::try_from(key(i, keys) % partitions.max(1))?;
        trades::send(&producer, topic, partition, &message(i, keys))?;
        if i % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer
        .flush(Duration::from_secs(300))
        .context("not every message reached the stream")
}

/// Bytes of the key index, as the server counts them.
async fn index_bytes(process: &Touriga) -> Result<(f64, f64)> {
    let metrics = process.server_metrics().await?;
    let sum = |name: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>()
    };
    Ok((
        sum("pinot_server_upsertPrimaryKeysCount_Value{"),
        sum("touriga_server_key_index_bytes{"),
    ))
}

/// Waits for every row; seconds.
async fn until(process: &Rest, keys: u64, sum: f64) -> Result<f64> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3600) {
        let rows = process.rows("SELECT COUNT(*), SUM(v) FROM keyed").await;
        let rows = rows.unwrap_or_default();
        let cell = |at: usize| rows.first()?.get(at)?.as_f64();
        let (count, total) = (cell(0).unwrap_or_default(), cell(1).unwrap_or_default());
        if (count - keys as f64).abs() < 0.5 && ((total - sum) / sum).abs() < 1e-12 {
            return Ok(begin.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("not every row within an hour")
}

/// A Pinot over the same rows.
async fn load_pinot(
    pinot: &[String],
    options: &Options,
    source: &Source,
    (rows, sum): (u64, f64),
) -> Result<()> {
    let [controller, broker, pid] = pinot else {
        return Ok(());
    };
    let pid: u32 = pid.parse().context("the process id of Pinot's server")?;
    let rest = Rest::new(controller.clone(), broker.clone());
    rest.post("/schemas", &schema()).await?;
    let config = table(&source.topic, &source.bootstrap, options.segment_rows);
    let cpu = cpu_seconds(pid)?;
    rest.post("/tables", &config).await?;
    let seconds = until(&rest, options.keys, sum).await?;
    let cpu = cpu_seconds(pid)? - cpu;
    say(format_args!(
        "Pinot: {:.0} rows/s, {:.0} rows per CPU second of its server; its server resident {:.0} MiB, at most {:.0} MiB",
        rows as f64 / seconds,
        rows as f64 / cpu.max(0.01),
        memory_mib(pid, "VmRSS")?,
        memory_mib(pid, "VmHWM")?,
    ))
}

async fn load(
    binary: &Path,
    options: &Options,
    source: &Source,
    (rounds, pinot): (u64, &[String]),
) -> Result<()> {
    let (keys, rows) = (options.keys, options.keys * rounds);
    let of = (source.bootstrap.clone(), source.topic.clone());
    let spread = (options.partitions, keys);
    tokio::task::spawn_blocking(move || produce((&of.0, &of.1), &spread, 0..rows, None)).await??;
    let mut process = Touriga::start(binary)?;
    process.first_answer().await?;
    process.post("/schemas", &schema()).await?;
    let config = table(&source.topic, &source.bootstrap, options.segment_rows);
    let cpu = cpu_seconds(process.pid())?;
    process.post("/tables", &config).await?;
    // The last row of each key is of the last round.
    let (first, last) = ((rows - keys) as f64, (rows - 1) as f64);
    let sum = (first + last) / 2.0 * keys as f64;
    let seconds = until(&process, keys, sum).await?;
    let cpu = cpu_seconds(process.pid())? - cpu;
    let (known, bytes) = index_bytes(&process).await?;
    say(format_args!(
        "{rows} rows, {keys} keys, {} partitions: {:.0} rows/s, {:.0} rows per CPU second; resident {:.0} MiB, at most {:.0} MiB; index of \
         {known:.0} keys {:.0} MiB, {:.1} bytes a key",
        options.partitions,
        rows as f64 / seconds,
        rows as f64 / cpu.max(0.01),
        memory_mib(process.pid(), "VmRSS")?,
        memory_mib(process.pid(), "VmHWM")?,
        bytes / f64::from(1 << 20),
        bytes / known.max(1.0),
    ))?;
    let begin = Instant::now();
    process.start_again(binary)?;
    until(&process, keys, sum).await?;
    let (seconds, then) = (begin.elapsed(), memory_mib(process.pid(), "VmRSS")?);
    tokio::time::sleep(Duration::from_secs(10)).await;
    say(format_args!(
        "killed and started: every key answers after {:.1} s; resident {then:.0} MiB, ten seconds later {:.0} MiB",
        seconds.as_secs_f64(),
        memory_mib(process.pid(), "VmRSS")?
    ))?;
    drop(process);
    load_pinot(pinot, options, source, (rows, sum)).await
}

async fn steady(
    binary: &Path,
    options: &Options,
    source: &Source,
    (minutes, rate): (u64, u64),
) -> Result<()> {
    let process = Touriga::start(binary)?;
    process.first_answer().await?;
    process.post("/schemas", &schema()).await?;
    let config = table(&source.topic, &source.bootstrap, options.segment_rows);
    process.post("/tables", &config).await?;
    let of = (source.bootstrap.clone(), source.topic.clone());
    let spread = (options.partitions, options.keys);
    let rows = minutes * 60 * rate;
    let producing =
        tokio::task::spawn_blocking(move || produce((&of.0, &of.1), &spread, 0..rows, Some(rate)));
    for minute in 1..=minutes {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let (known, bytes) = index_bytes(&process).await?;
        let seen = process
            .number("SELECT COUNT(*) FROM keyed OPTION(skipUpsert=true)")
            .await;
        say(format_args!(
            "minute {minute}: resident {:.0} MiB, of it anonymous {:.0} MiB, {known:.0} keys in {:.0} MiB, {seen:.0} rows",
            memory_mib(process.pid(), "VmRSS")?,
            memory_mib(process.pid(), "RssAnon")?,
            bytes / f64::from(1 << 20),
        ))?;
    }
    producing.await?
}

/// The stream, and what of it lives here.
struct Source {
    bootstrap: String,
    topic: String,
    embedded: Option<(stream::StreamHandle, tempfile::TempDir)>,
}

impl Source {
    async fn open(options: &Options) -> Result<Self> {
        let (bootstrap, embedded) = match &options.kafka {
            Some(kafka) => (kafka.clone(), None),
            None => {
                let folder = tempfile::tempdir()?;
                let builder = stream::Stream::builder().data_dir(Some(folder.path().to_path_buf()));
                let stream = builder.retention_bytes(64 << 30).start().await?;
                (stream.addr().to_string(), Some((stream, folder)))
            }
        };
        let topic = format!("keyed-{}", trades::now_us());
        trades::create_topic(&bootstrap, &topic, i32::try_from(options.partitions)?).await?;
        Ok(Self {
            bootstrap,
            topic,
            embedded,
        })
    }
}

fn keys_alone(keys: u64) -> Result<()> {
    let before = memory_mib(std::process::id(), "RssAnon")?;
    let mut after = before;
    let figures = server::measure::keys(keys, || {
        after = memory_mib(std::process::id(), "RssAnon").unwrap_or(before);
    });
    say(format_args!(
        "{keys} keys: {:.1} bytes a key by count, {:.1} by resident memory; put in within {:.1} s; a look-up takes {:.0} ns",
        figures.bytes as f64 / keys as f64,
        (after - before) * f64::from(1 << 20) / keys as f64,
        figures.built.as_secs_f64(),
        figures.look_up.as_secs_f64() * 1e9,
    ))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    if let Mode::Keys = options.mode {
        return keys_alone(options.keys);
    }
    let binary = options.binary.clone().map_or_else(beside, Ok)?;
    let source = Source::open(&options).await?;
    match options.mode {
        Mode::Load { rounds, ref pinot } => {
            load(&binary, &options, &source, (rounds, pinot)).await?;
        }
        Mode::Steady { minutes, rate } => {
            steady(&binary, &options, &source, (minutes, rate)).await?;
        }
        Mode::Keys => {}
    }
    if let Some((stream, _)) = source.embedded {
        stream.shutdown().await;
    }
    Ok(())
}
