//! kill -9 of the server while rows stream in: nothing is lost, nothing is counted twice.
//!
//! Must not know: how a server recovers. Invariant: COUNT and SUM afterwards equal exactly what was produced.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use super::Cluster;

const TOPIC: &str = "kill-nine";
const PARTITIONS: i32 = 4;
const KILLS: u32 = 20;

/// Rows to produce; 500,000 unless `TOURIGA_KILL_ROWS` says otherwise.
fn rows() -> i64 {
    std::env::var("TOURIGA_KILL_ROWS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(500_000)
}

fn produce(bootstrap: &str, rows: i64) -> Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "1000000")
        .create()?;
    for id in 0..rows {
        let payload = format!(
            r#"{{"id":{id},"user_id":{},"symbol":"S{}","shares":{},"purchase":{}.25,"update_at":{}}}"#,
            id % 977,
            id % 12,
            id % 1000,
            id % 500,
            1_680_000_000_000_i64 + id
        );
        let record = BaseRecord::<(), str>::to(TOPIC)
            .partition((id % i64::from(PARTITIONS)) as i32)
            .payload(&payload);
        producer.send(record).map_err(|(error, _)| error)?;
        if id % 1000 == 0 {
            producer.poll(Duration::ZERO);
            // Spread over the kills: the stream must not be done before the last one.
            std::thread::sleep(Duration::from_millis(60));
        }
    }
    producer.flush(Duration::from_secs(30)).context("flush")
}

fn schema() -> serde_json::Value {
    json!({
        "schemaName": "kills",
        "dimensionFieldSpecs": [
            {"name": "id", "dataType": "INT"}, {"name": "user_id", "dataType": "INT"}, {"name": "symbol", "dataType": "STRING"}
        ],
        "metricFieldSpecs": [{"name": "shares", "dataType": "INT"}, {"name": "purchase", "dataType": "DOUBLE"}],
        "dateTimeFieldSpecs": [
            {"name": "update_at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:DAYS"}
        ]
    })
}

fn table(bootstrap: &str) -> serde_json::Value {
    json!({
        "tableName": "kills", "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": "update_at", "replication": "1"},
        "tenants": {}, "metadata": {},
        "tableIndexConfig": {"loadMode": "MMAP", "invertedIndexColumns": ["id"]},
        "ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [{
            "streamType": "kafka", "stream.kafka.topic.name": TOPIC, "stream.kafka.broker.list": bootstrap,
            "stream.kafka.consumer.type": "lowlevel",
            "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
            "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
            "realtime.segment.flush.threshold.segment.rows": "9000"
        }]}}
    })
}

async fn create_topic(bootstrap: &str) -> Result<()> {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    for result in admin.create_topics([&topic], &AdminOptions::new()).await? {
        result.map_err(|(name, code)| anyhow::anyhow!("{name}: {code}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_and_double_nothing() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let bootstrap = cluster.stream.addr().to_string();
    create_topic(&bootstrap).await?;
    cluster.post("/schemas", &schema()).await?;
    cluster.post("/tables", &table(&bootstrap)).await?;
    let rows = rows();
    let producing = {
        let bootstrap = bootstrap.clone();
        std::thread::spawn(move || produce(&bootstrap, rows))
    };
    // Random moments from a fixed seed, so that a failing run can be repeated.
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..KILLS {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        tokio::time::sleep(Duration::from_millis(300 + seed % 1500)).await;
        cluster.server.kill()?;
        cluster.server.start()?;
    }
    producing
        .join()
        .map_err(|_| anyhow::anyhow!("the producer panicked"))??;
    let shares: i64 = (0..rows).map(|id| id % 1000).sum();
    let ids: i64 = (0..rows).sum();
    let wanted = json!([[rows, shares as f64, ids as f64, rows]]);
    cluster
        .wait_for(
            "SELECT COUNT(*), SUM(shares), SUM(id), DISTINCTCOUNT(id) FROM kills",
            &wanted,
            120,
        )
        .await?;
    // Once more from cold: what was committed is there without the stream's help.
    cluster.server.kill()?;
    cluster.server.start()?;
    cluster
        .wait_for(
            "SELECT COUNT(*), SUM(shares), SUM(id), DISTINCTCOUNT(id) FROM kills",
            &wanted,
            60,
        )
        .await?;
    assert!(cluster.folder().join("server").exists());
    Ok(())
}
