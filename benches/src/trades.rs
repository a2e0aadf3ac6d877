//! The topic of trades: what a message holds, and the table over it.
//!
//! Must not know: who measures. Invariant: row `i` is a function of `i` alone, so that any sum can be stated beforehand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value as Json, json};

const SYMBOLS: &[&str] = &[
    "AAPL", "AMZN", "BBAS3", "BBDC4", "GOOG", "ITUB4", "META", "MGLU3", "MSFT", "NFLX", "NVDA",
    "ORCL", "PETR4", "TSLA", "VALE3", "WEGE3",
];
const FIRST_MS: u64 = 1_679_900_000_000;

/// Row `i` as JSON, with more fields behind where `more` has some (`,"name":value`).
#[must_use]
pub fn message(i: u64, more: &str) -> String {
    let h = (i.wrapping_mul(2_654_435_761).wrapping_add(12_345)) % 4_294_967_296;
    let symbol = SYMBOLS
        .get((h >> 8) as usize % SYMBOLS.len())
        .copied()
        .unwrap_or("AAPL");
    let cents = 100 + (h >> 4) % 99_900;
    format!(
        r#"{{"id":{i},"user_id":{},"symbol":"{symbol}","shares":{},"purchase":{}.{:02},"update_at":{}{more}}}"#,
        h % 5000,
        1 + (h >> 12) % 1000,
        cents / 100,
        cents % 100,
        FIRST_MS.wrapping_add(i.wrapping_mul(10_000)),
    )
}

/// The schema, with LONG columns behind.
#[must_use]
pub fn schema(table: &str, more: &[&str]) -> Json {
    let long = |name: &&str| json!({"name": name, "dataType": "LONG"});
    let mut dimensions = vec![
        json!({"name": "id", "dataType": "INT"}),
        json!({"name": "user_id", "dataType": "INT"}),
        json!({"name": "symbol", "dataType": "STRING"}),
    ];
    dimensions.extend(more.iter().map(long));
    json!({
        "schemaName": table,
        "dimensionFieldSpecs": dimensions,
        "metricFieldSpecs": [{"name": "shares", "dataType": "INT"}, {"name": "purchase", "dataType": "DOUBLE"}],
        "dateTimeFieldSpecs": [
            {"name": "update_at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:DAYS"}
        ]
    })
}

/// The table config over a topic; a segment ends at `rows`.
#[must_use]
pub fn table(table: &str, topic: &str, bootstrap: &str, rows: u64) -> Json {
    json!({
        "tableName": table, "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": "update_at", "replication": "1"},
        "tenants": {}, "metadata": {},
        "tableIndexConfig": {"loadMode": "MMAP", "invertedIndexColumns": ["id"]},
        "ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [{
            "streamType": "kafka", "stream.kafka.topic.name": topic, "stream.kafka.broker.list": bootstrap,
            "stream.kafka.consumer.type": "lowlevel",
            "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
            "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
            "realtime.segment.flush.threshold.segment.rows": rows.to_string(),
            "realtime.segment.flush.threshold.time": "24h"
        }]}}
    })
}

/// Makes a topic; one that is there already is left as it is.
///
/// # Errors
/// Where the stream cannot be reached or refuses.
pub async fn create_topic(bootstrap: &str, topic: &str, partitions: i32) -> Result<()> {
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for result in admin.create_topics([&wanted], &AdminOptions::new()).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => anyhow::bail!("topic `{name}`: {code}"),
        }
    }
    Ok(())
}

/// A producer; `linger_ms` is how long it gathers messages.
///
/// # Errors
/// Where the settings are refused.
pub fn producer(bootstrap: &str, linger_ms: u32) -> Result<BaseProducer> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", linger_ms.to_string())
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .context("cannot make a producer")
}

/// Sends a message to a partition, waiting where the queue is full.
///
/// # Errors
/// Where the producer refuses.
pub fn send(producer: &BaseProducer, topic: &str, partition: i32, message: &str) -> Result<()> {
    let mut record = BaseRecord::<(), str>::to(topic)
        .partition(partition)
        .payload(message);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                producer.poll(Duration::from_millis(20));
                record = again;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Sends rows `0..count` over the partitions in turn.
///
/// # Errors
/// Where the stream cannot be reached.
pub fn produce(bootstrap: &str, topic: &str, partitions: i32, count: u64) -> Result<()> {
    let producer = producer(bootstrap, 20)?;
    for i in 0..count {
        let partition = i32::try_from(i % u64::from(partitions.unsigned_abs().max(1)))?;
        send(&producer, topic, partition, &message(i, ""))?;
        if i % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer
        .flush(Duration::from_secs(120))
        .context("not every message reached the stream")
}

/// Microseconds since the epoch.
#[must_use]
pub fn now_us() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_message_is_json() -> Result<(), serde_json::Error> {
        let json: serde_json::Value = serde_json::from_str(&message(7, r#","made":3"#))?;
        assert_eq!(json["id"], 7);
        assert_eq!(json["made"], 3);
        Ok(())
    }
}
