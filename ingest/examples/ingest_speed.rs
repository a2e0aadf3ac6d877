//! Rows a second: JSON messages into columns, and, with a broker and topic as arguments, messages out of Kafka.
//!
//! `cargo run --release -p ingest --example ingest_speed [127.0.0.1:9092 topic]`

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, Instant};

use common::{Schema, TableConfig};
use ingest::decoder::{self, Properties};
use ingest::stream::{self, FetchLimit, OffsetCriteria};
use ingest::{MessageBatch, Pipeline};
use serde_json::json;

fn pipeline(ingestion: serde_json::Value) -> Result<Pipeline, Box<dyn Error>> {
    let schema: Schema = serde_json::from_value(json!({
        "schemaName": "trades",
        "dimensionFieldSpecs": [
            {"name": "id", "dataType": "LONG"}, {"name": "user_id", "dataType": "LONG"},
            {"name": "symbol", "dataType": "STRING"}, {"name": "market", "dataType": "STRING"}
        ],
        "metricFieldSpecs": [
            {"name": "shares", "dataType": "INT"}, {"name": "purchase", "dataType": "DOUBLE"}
        ],
        "dateTimeFieldSpecs": [
            {"name": "update_at", "dataType": "LONG", "format": "EPOCH|MILLISECONDS", "granularity": "MILLISECONDS|1"}
        ]
    }))?;
    let table: TableConfig = serde_json::from_value(json!({
        "tableName": "trades", "tableType": "REALTIME", "segmentsConfig": {"timeColumnName": "update_at"},
        "ingestionConfig": ingestion
    }))?;
    let decoder = decoder::make("JSONMessageDecoder", &Properties::new())?;
    Ok(Pipeline::new(
        &schema,
        &table,
        decoder,
        common::clock::system(),
    )?)
}

fn messages(count: u64) -> MessageBatch {
    let symbols = ["AAPL", "MSFT", "PETR4", "VALE3", "ITUB4"];
    let mut batch = MessageBatch::default();
    for id in 0..count {
        let text = format!(
            "{{\"id\":{},\"user_id\":{},\"symbol\":\"{}\",\"shares\":{},\"purchase\":{}.{:02},\"update_at\":{}}}",
            1_000_000 + id,
            id * 7919 % 100_000,
            symbols[(id % 5) as usize],
            id % 900 + 1,
            id % 400 + 10,
            id % 100,
            1_714_521_600_000 + id
        );
        batch.push(&ingest::Message::of(text.as_bytes()));
    }
    batch
}

fn decoding(what: &str, ingestion: serde_json::Value) -> Result<(), Box<dyn Error>> {
    let mut pipeline = pipeline(ingestion)?;
    let batch = messages(10_000);
    let mut rows = pipeline.new_batch();
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(2) {
        rows.clear();
        count += pipeline.decode_into(batch.iter(), &mut rows).rows;
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let bytes = batch.bytes() / batch.len();
    println!("{what}: {:.2} million rows/s of {bytes} bytes", rate / 1e6);
    Ok(())
}

fn consuming(brokers: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let config = [
        ("streamType", "kafka"),
        ("stream.kafka.topic.name", topic),
        ("stream.kafka.broker.list", brokers),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let connector = stream::connect(&config)?;
    let mut pipeline = pipeline(json!(null))?;
    for partition in connector.partitions()? {
        let start = connector.resolve(partition, &OffsetCriteria::Smallest, 0)?;
        let (_, end) = connector.range(partition)?;
        let mut consumer = connector.consumer(partition, start)?;
        let (mut batch, mut rows) = (MessageBatch::default(), pipeline.new_batch());
        let (begin, mut count, mut fetches, mut decoding) = (Instant::now(), 0, 0, Duration::ZERO);
        let mut next = start.0;
        while next < end.0 {
            consumer.fetch(&mut batch, FetchLimit::default())?;
            next = batch.next_offset().unwrap_or(next);
            fetches += 1;
            rows.clear();
            let decode = Instant::now();
            count += pipeline.decode_into(batch.iter(), &mut rows).rows;
            decoding += decode.elapsed();
        }
        let elapsed = begin.elapsed();
        println!(
            "partition {partition}: {count} rows in {elapsed:?} ({fetches} fetches, {decoding:?} decoding), {:.2} million rows/s",
            count as f64 / elapsed.as_secs_f64() / 1e6
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    decoding("straight into columns", json!(null))?;
    decoding(
        "with a transform and a filter",
        json!({
            "transformConfigs": [{"columnName": "market", "transformFunction": "lower(symbol)"}],
            "filterConfig": {"filterFunction": "shares > 800"}
        }),
    )?;
    decoding("flattened", json!({"complexTypeConfig": {}}))?;
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, brokers, topic] = arguments.as_slice() {
        consuming(brokers, topic)?;
    }
    Ok(())
}
