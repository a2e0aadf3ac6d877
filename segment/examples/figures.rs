//! Prints how fast segments take rows, seal, open and decode: `cargo run --release -p segment --example figures`.
//!
//! Must not know: anything but the crate's public face. Invariant: the same rows every time.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints figures"
)]

use std::time::Instant;

use common::{Schema, TableConfig, Values};
use segment::build::{BuildSettings, seal};
use segment::testing::Random;
use segment::{Docs, IdSet, MutableSegment, Predicate, RowBatch, SealedSegment, Segment};

const ROWS: usize = 4_000_000;
const BATCH: usize = 4096;
const SYMBOLS: [&str; 12] = [
    "AAPL", "AMZN", "GOOG", "MSFT", "TSLA", "NVDA", "META", "NFLX", "INTC", "AMD", "ORCL", "IBM",
];

fn configs() -> (Schema, TableConfig) {
    let schema = serde_json::json!({
        "schemaName": "stock_transactions",
        "dimensionFieldSpecs": [
            {"name": "id", "dataType": "INT"}, {"name": "user_id", "dataType": "INT"},
            {"name": "symbol", "dataType": "STRING"}],
        "metricFieldSpecs": [
            {"name": "shares", "dataType": "INT"}, {"name": "purchase", "dataType": "DOUBLE"}],
        "dateTimeFieldSpecs": [{"name": "update_at", "dataType": "LONG",
            "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]
    });
    let config = serde_json::json!({
        "tableName": "stock_transactions", "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": "update_at"},
        "tableIndexConfig": {"invertedIndexColumns": ["id"]}
    });
    (
        serde_json::from_value(schema).unwrap(),
        serde_json::from_value(config).unwrap(),
    )
}

fn fill(batch: &mut RowBatch, first: usize, random: &mut Random) {
    batch.clear();
    let [id, user, symbol, shares, purchase, updated] = batch.columns_mut() else {
        return;
    };
    let (
        Values::Int(id),
        Values::Int(user),
        Values::Text(symbol),
        Values::Int(shares),
        Values::Double(purchase),
        Values::Long(updated),
    ) = (
        &mut id.values,
        &mut user.values,
        &mut symbol.values,
        &mut shares.values,
        &mut purchase.values,
        &mut updated.values,
    )
    else {
        return;
    };
    for row in first..first + BATCH {
        let r = random.next();
        id.push(row as i32);
        user.push((r % 10_000) as i32);
        symbol.push(SYMBOLS[(r >> 32) as usize % SYMBOLS.len()]);
        shares.push((r >> 20) as i32 & 0x3FF);
        purchase.push((r >> 11) as f64 / 1e9);
        updated.push(1_700_000_000_000 + row as i64 / 50);
    }
}

fn main() {
    let (schema, config) = configs();
    let (mut writer, segment) = MutableSegment::create("figures", &schema, &config).unwrap();
    let mut batch = RowBatch::new(&schema).unwrap();
    let mut random = Random(7);
    let mut append = 0.0;
    for first in (0..ROWS).step_by(BATCH) {
        fill(&mut batch, first, &mut random);
        let start = Instant::now();
        writer.append(&batch).unwrap();
        writer.publish(1);
        append += start.elapsed().as_secs_f64();
    }
    let rows = f64::from(writer.rows());
    println!("append       {:>10.2} million rows/s", rows / append / 1e6);
    println!(
        "memory       {:>10.1} bytes/row",
        segment.memory_bytes() as f64 / rows
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figures");
    let start = Instant::now();
    let settings = BuildSettings::default();
    seal(&*segment.snapshot(), &schema, &config, &settings, &path).unwrap();
    println!(
        "seal         {:>10.2} million rows/s",
        rows / start.elapsed().as_secs_f64() / 1e6
    );

    let start = Instant::now();
    let sealed = SealedSegment::open(&path).unwrap();
    println!(
        "open         {:>10.0} microseconds",
        start.elapsed().as_secs_f64() * 1e6
    );
    println!(
        "file         {:>10.1} bytes/row",
        sealed.size_bytes() as f64 / rows
    );
    let start = Instant::now();
    sealed.verify().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "verify       {:>10.2} GB/s",
        sealed.size_bytes() as f64 / seconds / 1e9
    );
    for (name, segment) in [
        ("mutable", &*segment.snapshot()),
        ("sealed", &sealed as &dyn Segment),
    ] {
        scans(name, segment);
    }
}

fn scans(form: &str, segment: &dyn Segment) {
    let rows = segment.doc_count();
    for name in ["user_id", "symbol", "id", "update_at"] {
        let column = segment.column(name).unwrap();
        let mut ids = Vec::new();
        let start = Instant::now();
        let mut sum = 0_u64;
        for from in (0..rows).step_by(8192) {
            column.ids(Docs::Range(from..rows.min(from + 8192)), &mut ids);
            sum = sum.wrapping_add(u64::from(ids[0]));
        }
        let rate = f64::from(rows) * 4.0 / start.elapsed().as_secs_f64() / 1e9;
        println!("{form:8} ids    {name:10} {rate:>8.2} GB/s ({})", sum % 10);
    }
    for (name, width) in [
        ("user_id", 4.0),
        ("symbol", 4.0),
        ("purchase", 8.0),
        ("update_at", 8.0),
    ] {
        let column = segment.column(name).unwrap();
        let start = Instant::now();
        let mut count = 0;
        for from in (0..rows).step_by(8192) {
            count += column
                .values(Docs::Range(from..rows.min(from + 8192)))
                .len();
        }
        let rate = count as f64 * width / start.elapsed().as_secs_f64() / 1e9;
        println!("{form:8} values {name:10} {rate:>8.2} GB/s");
    }
    let column = segment.column("id").unwrap();
    for count in [1, 1000, 1_000_000] {
        let predicate = Predicate::Ids(IdSet::Run(1000..1000 + count));
        let start = Instant::now();
        let found = column
            .indexes()
            .iter()
            .find_map(|index| index.matching(&predicate));
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{form:8} inverted index, {count} ids: {:.1} microseconds ({})",
            seconds * 1e6,
            found.is_some()
        );
    }
}
