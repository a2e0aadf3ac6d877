//! Touriga inside a program: a live stream is ingested while queries are asked, and answers are Arrow batches.
//!
//! Must not know: ports and processes. `cargo run -p touriga --example embed`

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use touriga::Cluster;

const ROWS: i64 = 50_000;
const SCHEMA: &str = r#"{
    "schemaName": "trades",
    "dimensionFieldSpecs": [{"name": "symbol", "dataType": "STRING"}],
    "metricFieldSpecs": [{"name": "shares", "dataType": "INT"}],
    "dateTimeFieldSpecs": [{"name": "at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]
}"#;

fn table(bootstrap: &str) -> String {
    format!(
        r#"{{
        "tableName": "trades", "tableType": "REALTIME", "tenants": {{}}, "metadata": {{}},
        "segmentsConfig": {{"timeColumnName": "at", "replication": "1"}},
        "tableIndexConfig": {{"streamConfigs": {{
            "streamType": "kafka", "stream.kafka.topic.name": "trades", "stream.kafka.broker.list": "{bootstrap}",
            "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
            "stream.kafka.consumer.prop.auto.offset.reset": "smallest", "realtime.segment.flush.threshold.rows": "20000"
        }}}}
    }}"#
    )
}

/// Writes the rows, as fast as the stream takes them.
fn produce(bootstrap: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "5")
        .create()?;
    for id in 0..ROWS {
        let row = format!(
            r#"{{"symbol": "S{}", "shares": {}, "at": {}}}"#,
            id % 7,
            id % 100,
            1_700_000_000_000 + id
        );
        while producer
            .send(BaseRecord::<(), str>::to("trades").payload(&row))
            .is_err()
        {
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(Duration::from_secs(30))?;
    Ok(())
}

async fn count(cluster: &Cluster) -> Result<i64, Box<dyn Error>> {
    let batch = cluster
        .query_arrow("SELECT COUNT(*) AS n FROM trades", &[])
        .await?;
    Ok(batch.column(0).as_primitive::<Int64Type>().value(0))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("touriga-embed-{}", std::process::id()));
    let stream = stream::Stream::builder().start().await?;
    let bootstrap = stream.addr().to_string();
    let cluster = Cluster::builder()
        .data_dir(&folder)
        .any_ports()
        .build()
        .await?;
    cluster.ready().await;
    cluster.add_schema(SCHEMA).await?;
    cluster.add_table(&table(&bootstrap)).await?;

    let writing = std::thread::spawn(move || produce(&bootstrap));
    let (begun, mut queries, mut seen) = (Instant::now(), 0, 0);
    while seen < ROWS && begun.elapsed() < Duration::from_secs(60) {
        let now = count(&cluster).await?;
        assert!(now >= seen, "rows never go away: {now} after {seen}");
        (seen, queries) = (now, queries + 1);
    }
    writing
        .join()
        .map_err(|_| "the producer panicked")?
        .map_err(|error| error.to_string())?;
    let batch = cluster
        .query_arrow(
            "SELECT symbol, COUNT(*) AS n, SUM(shares) AS total FROM trades GROUP BY symbol ORDER BY symbol LIMIT 10",
            &[],
        )
        .await?;
    let symbols = batch.column(0).as_string::<i32>();
    let counts = batch.column(1).as_primitive::<Int64Type>();
    let totals = batch.column(2).as_primitive::<Float64Type>();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{seen} rows in {:?}, {queries} queries meanwhile",
        begun.elapsed()
    )?;
    for row in 0..batch.num_rows() {
        writeln!(
            out,
            "{:<4} {:>8} {:>12}",
            symbols.value(row),
            counts.value(row),
            totals.value(row)
        )?;
    }
    let all: f64 = totals.values().iter().sum();
    let wanted: i64 = (0..ROWS).map(|id| id % 100).sum();
    cluster.shutdown().await;
    stream.shutdown().await;
    std::fs::remove_dir_all(&folder)?;
    if seen != ROWS || all != wanted as f64 {
        return Err(format!("{seen} of {ROWS} rows, {all} of {wanted} shares").into());
    }
    Ok(())
}
