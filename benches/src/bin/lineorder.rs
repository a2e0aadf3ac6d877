//! Builds lineorder segments and times its queries in this process: what the engine takes, without HTTP.
//!
//! `lineorder build SCHEMA.json TABLE.json CSV_FOLDER SEGMENT_FOLDER` seals one segment a file (header, `|` between values);
//! `lineorder run SCHEMA.json SEGMENT_FOLDER QUERIES.json [THREADS] [RUNS] [ONLY..]` prints the median, the least, CPU time, for queries
//! without a filter what their columns' bytes over the median are of the memory's bandwidth, and the rows.
//! Must not know: servers. Invariant: one warm-up run, then the median.
#![allow(clippy::print_stdout, reason = "prints figures")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use benches::bandwidth::read_rate;
use common::{DataType, Schema, TableConfig, Value};
use query::plan::BoundFilter;
use query::{Limits, Plan};
use segment::build::{BuildSettings, seal_rows};
use segment::{RowBatch, SealedSegment, Segment};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 8192;
/// Memory that is read to know the limit: far more than caches hold.
const BANDWIDTH_MIB: usize = 512;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["build", schema, table, csv, out] => build(schema, table, csv, out),
        ["run", schema, segments, queries, rest @ ..] => run(schema, segments, queries, rest),
        _ => bail!(
            "expected `build SCHEMA TABLE CSV_FOLDER OUT` or `run SCHEMA SEGMENTS QUERIES [THREADS] [RUNS] [ONLY..]`"
        ),
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading `{path}`"))?;
    serde_json::from_str(&text).with_context(|| format!("reading `{path}`"))
}

fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("reading folder `{folder}`"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    Ok(files)
}

fn build(schema: &str, table: &str, csv: &str, out: &str) -> Result<()> {
    let (schema, table): (Schema, TableConfig) = (read(schema)?, read(table)?);
    std::fs::create_dir_all(out)?;
    let began = Instant::now();
    let mut bytes = 0;
    for file in files(csv)? {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let batches = batches(&file, &schema)?;
        let settings = BuildSettings {
            name: name.clone(),
            ..BuildSettings::default()
        };
        let path = Path::new(out).join(&name);
        let start = Instant::now();
        let built = seal_rows(&batches, &schema, &table, &settings, &path)?;
        let size = std::fs::metadata(&path)?.len();
        bytes += size;
        println!(
            "{name} {} rows {size} bytes {:.1} s",
            built.metadata.rows,
            start.elapsed().as_secs_f64()
        );
    }
    println!("{bytes} bytes {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn batches(file: &Path, schema: &Schema) -> Result<Vec<RowBatch>> {
    let text = std::fs::read_to_string(file)?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('|').collect();
    let fields = schema.fields.iter().map(|(_, field)| {
        let at = header.iter().position(|name| *name == field.name);
        at.map(|at| (at, field.data_type))
            .with_context(|| format!("column `{}` is missing", field.name))
    });
    let fields: Vec<(usize, DataType)> = fields.collect::<Result<_>>()?;
    let mut out = Vec::new();
    let mut batch = RowBatch::new(schema)?;
    for line in lines {
        let values: Vec<&str> = line.split('|').map(|v| v.trim_matches('"')).collect();
        for ((at, data_type), column) in fields.iter().zip(batch.columns_mut()) {
            let text = values.get(*at).copied().unwrap_or_default();
            column.push(&match data_type {
                DataType::Int => Value::Int(text.parse()?),
                DataType::Long => Value::Long(text.parse()?),
                _ => Value::String(text.to_owned()),
            });
        }
        if batch.rows() == BATCH {
            out.push(std::mem::replace(&mut batch, RowBatch::new(schema)?));
        }
    }
    out.push(batch);
    Ok(out)
}

/// Time that all threads of this process have run, where the system tells it.
fn cpu_ms() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    let of_task = |entry: std::io::Result<std::fs::DirEntry>| -> Option<f64> {
        let text = std::fs::read_to_string(entry.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(of_task).sum::<f64>() / 1e6
}

/// Bytes of the columns of a query that reads every row of them; none where a filter passes rows over.
fn bytes_read(plan: &Plan, segments: &[Arc<SealedSegment>]) -> Option<u64> {
    if !matches!(plan.filter, BoundFilter::Constant(true)) || plan.columns.is_empty() {
        return None;
    }
    let buffers = segments.iter().flat_map(|segment| segment.directory());
    let read = buffers.filter(|buffer| {
        let of_plan = plan.columns.iter().any(|c| c.name == buffer.column);
        of_plan && buffer.kind.ends_with("forward_index")
    });
    Some(read.map(|buffer| buffer.length).sum())
}

fn run(schema: &str, segments: &str, queries: &str, rest: &[&str]) -> Result<()> {
    let schema: Schema = read(schema)?;
    let queries: serde_json::Value = read(queries)?;
    let threads: usize = rest.first().unwrap_or(&"2").parse()?;
    let runs: usize = rest.get(1).unwrap_or(&"9").parse()?;
    let only = rest.get(2..).unwrap_or(&[]);
    let sealed: Vec<Arc<SealedSegment>> = files(segments)?
        .iter()
        .map(|path| Ok(Arc::new(SealedSegment::open(path)?)))
        .collect::<Result<_>>()?;
    let opened: Vec<Arc<dyn Segment>> = sealed
        .iter()
        .map(|segment| Arc::clone(segment) as Arc<dyn Segment>)
        .collect();
    let limit = read_rate(BANDWIDTH_MIB, threads);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    for query in queries["queries"]
        .as_array()
        .context("`queries` is no list")?
    {
        let text = |key: &str| query[key].as_str().unwrap_or_default();
        let (id, sql) = (text("id"), query["pinot"].as_str().unwrap_or(text("sql")));
        if !only.is_empty() && !only.contains(&id) {
            continue;
        }
        let mut times = Vec::with_capacity(runs);
        let before = cpu_ms();
        let mut shown = String::new();
        let mut bytes = None;
        for at in 0..=runs {
            let start = Instant::now();
            let statement = sql::Statement::split(sql, &sql::statement::Options::default())?;
            let plan = Plan::new(sql::parse::query(&statement, 0)?, &schema, 0)?;
            let done = pool.install(|| {
                let limits = Limits::new(60_000, usize::MAX / 2);
                query::execute(&plan, &opened, &limits, "here")
            })?;
            let table = query::reduce(&plan, done.partial)?;
            if at > 0 {
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
            if at == runs {
                bytes = bytes_read(&plan, &sealed);
                let rows: Vec<Vec<String>> = table
                    .rows
                    .iter()
                    .take(2000)
                    .map(|row| row.iter().map(Value::to_text).collect())
                    .collect();
                shown = format!(
                    "scanned {} {}",
                    done.stats.num_docs_scanned,
                    serde_json::to_string(&rows)?
                );
            }
        }
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or(0.0);
        let least = times.first().copied().unwrap_or(0.0);
        let cpu = (cpu_ms() - before) / (runs + 1) as f64;
        let drawn = bytes.map_or_else(String::new, |bytes| {
            let rate = bytes as f64 / median * 1000.0;
            format!("{:.1} GB/s, {:.0} %", rate / 1e9, rate / limit * 100.0)
        });
        println!("{id:16} {median:9.3} {least:9.3} cpu {cpu:9.3} {drawn:>16} {shown}");
    }
    Ok(())
}
