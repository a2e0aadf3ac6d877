//! TPC-H: writes its tables, and times its queries on a cluster in this process.
//!
//! `tpch data SCALE FOLDER [PARTS]` writes `TABLE.PART.csv` (header, `|` between values);
//! `tpch run SCALE FOLDER CLUSTER_FOLDER [RUNS] [ONLY..]` loads that folder where the cluster's is new, and prints for each query
//! the median and the least of its times in milliseconds and its answer; `tpch explain ...` prints plans instead.
//! `tpch/duckdb_times.py` does the same with DuckDB. Must not know: internals of any crate.
//! Invariant: one warm-up run, then the median.
#![allow(clippy::print_stdout, reason = "prints figures")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use touriga::Cluster;
use tpch::{TABLES, Table, queries};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["data", scale, folder] => data(scale.parse()?, Path::new(folder), 1),
        ["data", scale, folder, parts] => data(scale.parse()?, Path::new(folder), parts.parse()?),
        [how @ ("run" | "explain"), scale, folder, cluster, rest @ ..] => {
            let runs = rest.first().map_or(Ok(5), |runs| runs.parse())?;
            let cluster = started(Path::new(folder), Path::new(cluster)).await?;
            let only = rest.get(1..).unwrap_or(&[]);
            for (at, sql) in queries(scale.parse()?).iter().enumerate() {
                let name = format!("q{:02}", at + 1);
                if only.is_empty() || only.contains(&name.as_str()) {
                    let prefix = if *how == "explain" {
                        "EXPLAIN PLAN FOR "
                    } else {
                        ""
                    };
                    time(&cluster, &name, &format!("{prefix}{sql}"), runs).await?;
                }
            }
            cluster.shutdown().await;
            Ok(())
        }
        _ => bail!(
            "expected `data SCALE FOLDER [PARTS]` or `run SCALE FOLDER CLUSTER_FOLDER [RUNS] [ONLY..]`"
        ),
    }
}

fn data(scale: f64, folder: &Path, parts: i32) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for table in &TABLES {
        let small = matches!(table.name, "region" | "nation");
        let parts = if small { 1 } else { parts };
        for part in 1..=parts {
            let path = folder.join(format!("{}.{part}.csv", table.name));
            let mut out = BufWriter::new(File::create(path)?);
            let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
            writeln!(out, "{}", names.join("|"))?;
            let mut result = Ok(());
            table.lines(scale, part, parts, |line| {
                let wrote = writeln!(out, "{}", line.trim_end_matches('|'));
                if wrote.is_err() {
                    result = wrote;
                }
            });
            result?;
            out.flush()?;
        }
    }
    Ok(())
}

/// A cluster with the tables of a folder; they are loaded where its own folder is new.
async fn started(data: &Path, folder: &Path) -> Result<Cluster> {
    let new = !folder.exists();
    let cluster = Cluster::builder()
        .data_dir(folder)
        .any_ports()
        .build()
        .await?;
    cluster.ready().await;
    if new {
        let began = Instant::now();
        let port = cluster.controller_port().context("no controller")?;
        let url = format!("http://127.0.0.1:{port}");
        for table in &TABLES {
            load(&url, table, data).await?;
        }
        println!("loaded in {:.1} s", began.elapsed().as_secs_f64());
    }
    for table in &TABLES {
        // What was pushed a moment ago is no failure while no server has opened it.
        let count = format!("SELECT COUNT(*) FROM {}", table.name);
        for _ in 0..600 {
            let answer = cluster.query(&count).await.context("no broker")?;
            let rows = answer.table.iter().flat_map(|table| &table.rows).flatten();
            let counted = rows.filter_map(common::Value::as_i64).any(|rows| rows > 0);
            if answer.failures.is_empty() && counted {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    Ok(cluster)
}

async fn load(url: &str, table: &Table, data: &Path) -> Result<()> {
    let client = reqwest::Client::new();
    for (path, body) in [("schemas", table.schema()), ("tables", table.config())] {
        accepted(table, client.post(format!("{url}/{path}")).json(&body)).await?;
    }
    for part in 1.. {
        let file = data.join(format!("{}.{part}.csv", table.name));
        if !file.exists() {
            break;
        }
        let config = r#"{"inputFormat":"csv","recordReader.prop.delimiter":"|","recordReader.prop.multiValueDelimiter":"","recordReader.prop.ignoreSurroundingSpaces":"false"}"#;
        let call = client.post(format!("{url}/ingestFromURI")).query(&[
            ("tableNameWithType", format!("{}_OFFLINE", table.name)),
            ("batchConfigMapStr", config.to_owned()),
            (
                "sourceURIStr",
                format!("file://{}", std::path::absolute(&file)?.display()),
            ),
        ]);
        accepted(table, call).await?;
    }
    Ok(())
}

/// Sends a call about a table, which must succeed.
async fn accepted(table: &Table, call: reqwest::RequestBuilder) -> Result<()> {
    let response = call.send().await?;
    let status = response.status();
    ensure!(
        status.is_success(),
        "{}: {}",
        table.name,
        response.text().await?
    );
    Ok(())
}

async fn time(cluster: &Cluster, name: &str, sql: &str, runs: usize) -> Result<()> {
    let sql = format!("SET useMultistageEngine=true; SET timeoutMs=600000; {sql}");
    let mut times = Vec::with_capacity(runs);
    for at in 0..=runs {
        let start = Instant::now();
        let answer = cluster.query(&sql).await.context("no broker")?;
        let took = start.elapsed().as_secs_f64() * 1000.0;
        if let Some(failure) = answer.failures.first() {
            println!("{name} FAILED {failure:?}");
            return Ok(());
        }
        if at > 0 {
            times.push(took);
        }
        if at == runs {
            times.sort_by(f64::total_cmp);
            let median = times.get(times.len() / 2).copied().unwrap_or(0.0);
            let least = times.first().copied().unwrap_or(0.0);
            let rows = answer.table.map(|table| table.rows).unwrap_or_default();
            let shown: Vec<String> = rows
                .iter()
                .take(200)
                .map(|row| {
                    let values: Vec<String> = row.iter().map(common::Value::to_text).collect();
                    values.join("|")
                })
                .collect();
            println!(
                "{name} {median:10.2} {least:10.2} rows {} {}",
                rows.len(),
                shown.join(";")
            );
        }
    }
    Ok(())
}
