//! Everything in one process with live data: an embedded stream, two pipelines' tables, generators, and a view of it.
//!
//! Must not know: how roles work. Invariant: disk and memory stay bounded; a second start finds its data again.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value as Json, json};
use touriga::{Cluster, Role, Settings};

use crate::arguments::QuickstartOptions;
use crate::{client, roles};

mod events;
mod tables;

/// How long rows of the demonstration are kept.
const KEPT_BYTES: u64 = 64 << 20;

/// Runs it until a signal, or for the seconds asked for.
pub(crate) async fn run(options: &QuickstartOptions, settings: Settings) -> Result<()> {
    let mut role_options = options.roles.clone();
    if role_options.data_dir.as_os_str() == "data" {
        role_options.data_dir = "data/quickstart".into();
    }
    let (bootstrap, stream) = match &role_options.kafka {
        Some(kafka) => (kafka.clone(), None),
        None => {
            let stream = embedded_stream(&role_options.data_dir).await?;
            (stream.addr().to_string(), Some(stream))
        }
    };
    let cluster = roles::builder(
        &role_options,
        &[Role::Controller, Role::Server, Role::Broker],
        settings,
    )
    .build()
    .await
    .context("cannot start")?;
    cluster.ready().await;
    events::create_topics(&bootstrap).await?;
    tables::create(
        &role_options.controller_port,
        &bootstrap,
        cluster.own_header(),
    )
    .await?;
    let generator = events::start(&bootstrap, options.rate)?;
    let port = cluster.controller_port().unwrap_or_default();
    greet(port, cluster.broker_port().unwrap_or_default(), &bootstrap)?;
    let end = options
        .seconds
        .map(|s| Instant::now() + Duration::from_secs(s));
    tokio::select! {
        shown = watch(&cluster, end) => shown?,
        () = roles::signal() => {}
    }
    generator.stop();
    cluster.shutdown().await;
    if let Some(stream) = stream {
        stream.shutdown().await;
    }
    Ok(())
}

/// Starts the stream at the address of the last start, which the tables remember; at a new one where that is taken.
async fn embedded_stream(data_dir: &std::path::Path) -> Result<stream::StreamHandle> {
    let remembered = data_dir.join("stream.address");
    let builder = || {
        stream::Stream::builder()
            .data_dir(Some(data_dir.join("stream")))
            .retention_bytes(KEPT_BYTES)
    };
    let last = std::fs::read_to_string(&remembered)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let started = match last {
        Some(address) => builder().listen(address).start().await.ok(),
        None => None,
    };
    let stream = match started {
        Some(stream) => stream,
        None => builder()
            .start()
            .await
            .context("cannot start the embedded stream")?,
    };
    std::fs::write(&remembered, stream.addr().to_string())
        .with_context(|| format!("cannot write {}", remembered.display()))?;
    Ok(stream)
}

fn greet(controller: u16, broker: u16, bootstrap: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "\n  console   http://127.0.0.1:{controller}/")?;
    writeln!(out, "  stream    {bootstrap} (Kafka protocol)")?;
    writeln!(
        out,
        "  try       curl -s http://127.0.0.1:{broker}/query/sql -H 'Content-Type: application/json' \\\n              -d '{{\"sql\":\"SELECT produto, SUM(quantidade) AS n FROM vendas GROUP BY produto ORDER BY n DESC LIMIT 5\"}}'"
    )?;
    writeln!(
        out,
        "  stop      Ctrl-C; a second start finds the data again\n"
    )?;
    Ok(())
}

async fn rows(cluster: &Cluster, sql: &str) -> Option<Json> {
    let answer: Json = serde_json::from_str(&cluster.query(sql).await?.to_json()).ok()?;
    Some(answer["resultTable"].clone())
}

async fn number(cluster: &Cluster, sql: &str) -> f64 {
    rows(cluster, sql)
        .await
        .and_then(|t| t["rows"][0][0].as_f64())
        .unwrap_or(0.0)
}

/// Shows what happens, once a second: redrawn in place on a terminal, one line a time elsewhere.
async fn watch(cluster: &Cluster, end: Option<Instant>) -> Result<()> {
    let terminal = std::io::stdout().is_terminal();
    let (mut last, mut drawn, mut lags) = (None::<(Instant, f64)>, 0, Vec::new());
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sales = number(cluster, "SELECT COUNT(*) FROM vendas").await;
        let trades = number(cluster, "SELECT COUNT(*) FROM stock_transactions").await;
        let newest = number(cluster, "SELECT MAX(data_venda) FROM vendas").await;
        let lag =
            (common::clock::Clock::now_ms(&common::clock::SystemClock) as f64 - newest).max(0.0);
        lags.push(lag);
        if lags.len() > 60 {
            lags.remove(0);
        }
        let now = Instant::now();
        let rate = last.map_or(0.0, |(then, rows)| {
            (sales + trades - rows) / (now - then).as_secs_f64()
        });
        last = Some((now, sales + trades));
        let summary = format!(
            "  {:>12} rows   {:>8.0} rows/s   freshness {:>4.0} ms (median of a minute {:.0} ms)",
            sales + trades,
            rate,
            lag,
            median(&lags)
        );
        let mut out = std::io::stdout();
        if terminal {
            let top = rows(cluster, "SELECT produto, SUM(quantidade) AS vendidos, SUM(valor_total) AS valor FROM vendas GROUP BY produto ORDER BY vendidos DESC LIMIT 8").await;
            let table = client::aligned(&top.unwrap_or_else(|| json!({})));
            let text = format!("{summary}\n\n  {}\n", table.replace('\n', "\n  "));
            write!(out, "\x1b[{drawn}A\x1b[J{text}")?;
            drawn = text.matches('\n').count();
        } else {
            writeln!(out, "{summary}")?;
        }
        out.flush()?;
        if end.is_some_and(|end| now >= end) {
            return Ok(());
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
