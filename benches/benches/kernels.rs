//! The kernels of the segment and of the engine over one million rows: reading, matching, indexes, dictionaries, whole queries.
//!
//! `cargo bench --workspace --bench kernels [FILTER]`. Must not know: servers. Invariant: the data are the same in every run.
#![allow(clippy::expect_used, reason = "a bench ends where its data are wrong")]
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use std::hint::black_box;
use std::sync::Arc;

use common::{Schema, TableConfig, Value};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use query::{Limits, Plan};
use segment::build::{BuildSettings, seal_rows};
use segment::{Bound, Column, Docs, IdSet, Predicate, RowBatch, SealedSegment, Segment};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: u32 = 1 << 20;
const BLOCK: u32 = 8192;

/// The columns: name, type, whether multi-value, and the value of a row.
type Make = fn(u64) -> Value;
const COLUMNS: &[(&str, &str, bool, Make)] = &[
    ("ship", "STRING", false, |n| {
        Value::String(format!("MODE {}", n % 7))
    }),
    ("city", "STRING", false, |n| {
        Value::String(format!("CITY_{:03}", n % 250))
    }),
    ("customer", "INT", false, |n| {
        Value::Int((n % 30_000) as i32)
    }),
    ("part", "LONG", false, |n| Value::Long((n % 200_000) as i64)),
    ("revenue", "INT", false, |n| {
        Value::Int((n % 9_000_000) as i32)
    }),
    ("price", "DOUBLE", false, |n| {
        Value::Double((n % 100_000) as f64 / 7.0)
    }),
    ("note", "STRING", false, |n| {
        Value::String(format!(
            "order {} of customer {}",
            n % 1_000_003,
            n % 30_000
        ))
    }),
    ("tags", "INT", true, |n| {
        Value::Array(
            common::DataType::Int,
            vec![
                Value::Int((n % 50) as i32),
                Value::Int((n / 50 % 50) as i32),
            ],
        )
    }),
    ("facts", "JSON", false, |n| {
        Value::String(format!(r#"{{"kind":"k{}","size":{}}}"#, n % 20, n % 1000))
    }),
];

/// Numbers without an order that any compression could use.
fn mixed(row: u64) -> u64 {
    let mut n = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    n ^= n >> 29;
    n.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

fn sealed(folder: &std::path::Path) -> (Schema, SealedSegment) {
    let fields: Vec<serde_json::Value> = COLUMNS
        .iter()
        .map(|(name, kind, multi, _)| json!({"name": name, "dataType": kind, "singleValueField": !multi}))
        .collect();
    let time = json!([{"name": "at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]);
    let schema: Schema = serde_json::from_value(
        json!({"schemaName": "kernels", "dimensionFieldSpecs": fields, "dateTimeFieldSpecs": time}),
    )
    .expect("the schema is one");
    let table: TableConfig = serde_json::from_value(json!({
        "tableName": "kernels", "tableType": "OFFLINE", "segmentsConfig": {"timeColumnName": "at"}, "tenants": {}, "metadata": {},
        "tableIndexConfig": {
            "invertedIndexColumns": ["city", "customer", "tags"], "rangeIndexColumns": ["revenue"], "jsonIndexColumns": ["facts"],
            "bloomFilterColumns": ["part"], "noDictionaryColumns": ["revenue", "price", "note"], "sortedColumn": ["at"],
            "starTreeIndexConfigs": [{"dimensionsSplitOrder": ["city", "ship"], "functionColumnPairs": ["COUNT__*", "SUM__revenue"], "maxLeafRecords": 1000}]
        },
        "fieldConfigList": [{"name": "note", "encodingType": "RAW", "indexTypes": ["TEXT"]}]
    }))
    .expect("the table config is one");
    let mut batches = Vec::new();
    for from in (0..ROWS).step_by(BLOCK as usize) {
        let mut batch = RowBatch::new(&schema).expect("a batch of the schema");
        for row in from..(from + BLOCK).min(ROWS) {
            let n = mixed(u64::from(row));
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                let make = COLUMNS.iter().find(|(name, ..)| *name == field.name);
                column.push(&make.map_or(Value::Long(i64::from(row)), |(.., make)| make(n)));
            }
        }
        batches.push(batch);
    }
    let settings = BuildSettings {
        name: "kernels_0".to_owned(),
        ..BuildSettings::default()
    };
    let path = folder.join("kernels_0");
    seal_rows(&batches, &schema, &table, &settings, &path).expect("the segment is written");
    let segment = SealedSegment::open(&path).expect("the segment opens");
    (schema, segment)
}

fn column<'a>(segment: &'a dyn Segment, name: &str) -> &'a dyn Column {
    segment.column(name).expect("a column of the schema")
}

/// Calls `f` with every block of the segment.
fn blocks(mut f: impl FnMut(std::ops::Range<u32>)) {
    (0..ROWS)
        .step_by(BLOCK as usize)
        .for_each(|from| f(from..from + BLOCK));
}

fn reading(criterion: &mut Criterion, segment: &dyn Segment) {
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    let (mut ids, mut longs, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for name in ["ship", "city", "customer", "part"] {
        let read = column(segment, name);
        group.bench_function(format!("ids {name}"), |b| {
            b.iter(|| blocks(|rows| read.ids(Docs::Range(rows), black_box(&mut ids))));
        });
    }
    let revenue = column(segment, "revenue");
    group.bench_function("longs revenue", |b| {
        b.iter(|| blocks(|rows| assert!(revenue.longs(&Docs::Range(rows), &mut longs))));
    });
    for name in ["price", "note", "city"] {
        let read = column(segment, name);
        group.bench_function(format!("values {name}"), |b| {
            b.iter(|| blocks(|rows| drop(black_box(read.values(Docs::Range(rows))))));
        });
    }
    let tags = column(segment, "tags");
    group.bench_function("id lists tags", |b| {
        b.iter(|| blocks(|rows| tags.id_lists(Docs::Range(rows), &mut offsets, &mut ids)));
    });
    let few: Vec<u32> = (0..ROWS).step_by(97).collect();
    group.throughput(Throughput::Elements(few.len() as u64));
    for name in ["city", "part"] {
        let read = column(segment, name);
        group.bench_function(format!("ids {name}, one row in 97"), |b| {
            b.iter(|| read.ids(Docs::List(black_box(&few)), &mut ids));
        });
    }
}

fn matching(criterion: &mut Criterion, segment: &dyn Segment) {
    let mut group = criterion.benchmark_group("match");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    let mut words = Vec::new();
    let sets = [
        ("ship", IdSet::Run(2..3)),
        ("city", IdSet::Run(20..60)),
        ("city", IdSet::from_ids(250, &[3, 77, 200])),
        ("part", IdSet::Run(0..1000)),
    ];
    for (name, ids) in sets {
        let tested = column(segment, name);
        let form = if matches!(ids, IdSet::Run(_)) {
            "run"
        } else {
            "set"
        };
        group.bench_function(format!("ids {name} by {form}"), |b| {
            b.iter(|| blocks(|rows| _ = black_box(tested.match_ids(rows, &ids, &mut words))));
        });
    }
    let revenue = column(segment, "revenue");
    group.bench_function("longs revenue", |b| {
        b.iter(|| {
            blocks(|rows| _ = black_box(revenue.match_longs(rows, 1000, 90_000, &mut words)))
        });
    });
}

fn indexes(criterion: &mut Criterion, segment: &dyn Segment) {
    let mut group = criterion.benchmark_group("index");
    let range = Predicate::Range {
        lower: Bound::Included(Value::Int(1000)),
        upper: Bound::Excluded(Value::Int(90_000)),
    };
    let asked = [
        (
            "inverted, one value",
            "customer",
            Predicate::Ids(IdSet::Run(77..78)),
        ),
        (
            "inverted, 40 values",
            "city",
            Predicate::Ids(IdSet::Run(10..50)),
        ),
        (
            "inverted, multi-value",
            "tags",
            Predicate::Ids(IdSet::Run(7..8)),
        ),
        ("range", "revenue", range),
        (
            "JSON",
            "facts",
            Predicate::JsonMatch("\"$.kind\" = 'k7'".to_owned()),
        ),
        (
            "text",
            "note",
            Predicate::TextMatch("customer AND 777".to_owned()),
        ),
    ];
    for (name, of, predicate) in asked {
        let of = column(segment, of);
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut found = of
                    .indexes()
                    .iter()
                    .filter_map(|index| index.matching(&predicate));
                assert!(found.next().is_some(), "no index answers {name}");
            });
        });
    }
    let city = column(segment, "city").dictionary().expect("a dictionary");
    group.bench_function("dictionary, find", |b| {
        b.iter(|| city.find(black_box(&Value::String("CITY_123".to_owned()))));
    });
    group.bench_function("dictionary, test every text", |b| {
        b.iter(|| city.matching_text(&mut |text| text.ends_with('7')));
    });
}

fn queries(criterion: &mut Criterion, segment: &Arc<dyn Segment>, schema: &Schema) {
    let mut group = criterion.benchmark_group("query");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    let asked = [
        ("sum", "SELECT SUM(revenue), MAX(price) FROM kernels"),
        (
            "group by 7",
            "SELECT ship, COUNT(*), SUM(revenue) FROM kernels GROUP BY ship LIMIT 10 OPTION(useStarTree=false)",
        ),
        (
            "group by 30,000",
            "SELECT customer, SUM(revenue) FROM kernels GROUP BY customer ORDER BY SUM(revenue) DESC LIMIT 10",
        ),
        (
            "group by nearly every row",
            "SELECT part, customer, COUNT(*) FROM kernels GROUP BY part, customer ORDER BY COUNT(*) DESC LIMIT 10",
        ),
        (
            "group by fractions",
            "SELECT price, COUNT(*) FROM kernels GROUP BY price ORDER BY COUNT(*) DESC LIMIT 10",
        ),
        (
            "group by multi-value",
            "SELECT tags, COUNT(*) FROM kernels GROUP BY tags LIMIT 100",
        ),
        (
            "star-tree",
            "SELECT ship, SUM(revenue) FROM kernels WHERE city = 'CITY_007' GROUP BY ship LIMIT 10",
        ),
        (
            "inverted index",
            "SELECT SUM(revenue) FROM kernels WHERE customer = 4242",
        ),
        (
            "two inverted indexes",
            "SELECT SUM(revenue) FROM kernels WHERE customer < 900 AND city = 'CITY_007'",
        ),
        (
            "distinct count",
            "SELECT DISTINCTCOUNT(part) FROM kernels WHERE ship = 'MODE 3'",
        ),
        (
            "first of many",
            "SELECT at, part FROM kernels WHERE ship = 'MODE 3' ORDER BY revenue DESC, at LIMIT 20",
        ),
        (
            "like",
            "SELECT COUNT(*) FROM kernels WHERE note LIKE '%777%'",
        ),
        (
            "expression",
            "SELECT SUM(price * (1 - revenue / 10000000.0)) FROM kernels",
        ),
    ];
    let pool = rayon::ThreadPoolBuilder::new().build().expect("a pool");
    let segments = [Arc::clone(segment)];
    for (name, text) in asked {
        group.bench_function(name, |b| {
            b.iter(|| {
                let options = sql::statement::Options::default();
                let statement = sql::Statement::split(text, &options).expect("a statement");
                let parsed = sql::parse::query(&statement, 0).expect("a query");
                let plan = Plan::new(parsed, schema, 0).expect("a plan");
                let limits = Limits::new(60_000, usize::MAX / 2);
                let run = || query::execute(&plan, &segments, &limits, "here");
                let done = pool.install(run).expect("an answer");
                black_box(query::reduce(&plan, done.partial).expect("a result"))
            });
        });
    }
}

fn all(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (schema, sealed) = sealed(folder.path());
    let segment: Arc<dyn Segment> = Arc::new(sealed);
    reading(criterion, segment.as_ref());
    matching(criterion, segment.as_ref());
    indexes(criterion, segment.as_ref());
    queries(criterion, &segment, &schema);
}

criterion_group!(kernels, all);
criterion_main!(kernels);
