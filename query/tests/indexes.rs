//! An index may change how fast an answer comes, never the answer: random queries over the same rows with and without.
//!
//! Must not know: how any index works. Invariant: every query answers the same rows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use common::{Schema, TableConfig, Value};
use query::{Limits, Plan, stream};
use segment::build::{BuildSettings, seal_rows};
use segment::testing::Random;
use segment::{RowBatch, SealedSegment, Segment};
use serde_json::json;

const ROWS: u64 = 3_000;
const WORDS: [&str; 8] = [
    "java", "rust", "machine", "learning", "fast", "index", "the", "query",
];

fn schema() -> Schema {
    serde_json::from_value(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [
            {"name": "region", "dataType": "STRING"}, {"name": "year", "dataType": "INT"},
            {"name": "city", "dataType": "STRING"}, {"name": "words", "dataType": "STRING"},
            {"name": "doc", "dataType": "JSON"}, {"name": "id", "dataType": "LONG"},
            {"name": "place", "dataType": "BYTES"},
            {"name": "tags", "dataType": "STRING", "singleValueField": false}],
        "metricFieldSpecs": [
            {"name": "price", "dataType": "INT"}, {"name": "cost", "dataType": "LONG"},
            {"name": "weight", "dataType": "DOUBLE"}]
    }))
    .unwrap()
}

fn config(indexes: bool) -> TableConfig {
    let indexing = if indexes {
        json!({
            "invertedIndexColumns": ["region", "city", "tags"], "rangeIndexColumns": ["price", "id", "year"],
            "bloomFilterColumns": ["id", "city"], "jsonIndexColumns": ["doc"],
            "starTreeIndexConfigs": [
                {"dimensionsSplitOrder": ["region", "year"], "maxLeafRecords": 1,
                 "functionColumnPairs": ["COUNT__*", "SUM__price", "MIN__cost"]},
                {"dimensionsSplitOrder": ["city", "region", "year"], "maxLeafRecords": 40,
                 "skipStarNodeCreationForDimensions": ["region"],
                 "functionColumnPairs": ["SUM__price", "SUM__cost", "MIN__cost", "MAX__price"]},
                {"dimensionsSplitOrder": ["region", "city", "year"], "maxLeafRecords": 20,
                 "aggregationConfigs": [
                    {"aggregationFunction": "SUM", "columnName": "weight"},
                    {"aggregationFunction": "MIN", "columnName": "weight"},
                    {"aggregationFunction": "AVG", "columnName": "weight"},
                    {"aggregationFunction": "MINMAXRANGE", "columnName": "price"},
                    {"aggregationFunction": "DISTINCTCOUNTBITMAP", "columnName": "price"},
                    {"aggregationFunction": "DISTINCTCOUNTTHETASKETCH", "columnName": "city"},
                    {"aggregationFunction": "PERCENTILEEST", "columnName": "cost"},
                    {"aggregationFunction": "DISTINCTCOUNTHLL", "columnName": "id",
                     "functionParameters": {"log2m": 10}}]}]
        })
    } else {
        // Without a JSON index there is no JSON_MATCH.
        json!({"jsonIndexColumns": ["doc"]})
    };
    let mut fields = vec![json!({"name": "words", "encodingType": "RAW", "indexTypes": ["TEXT"]})];
    if indexes {
        fields.push(json!({"name": "city", "indexes": {"fst": {}, "ifst": {}}}));
        fields.push(json!({"name": "region", "indexTypes": ["FST"]}));
        fields.push(
            json!({"name": "place", "encodingType": "RAW", "indexTypes": ["H3"],
            "properties": {"resolutions": "5,4"}}),
        );
    }
    serde_json::from_value(json!({
        "tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {}, "tableIndexConfig": indexing,
        "fieldConfigList": fields
    }))
    .unwrap()
}

fn batch(schema: &Schema, seed: u64) -> RowBatch {
    let mut batch = RowBatch::new(schema).unwrap();
    let mut random = Random(seed);
    for row in 0..ROWS {
        let r = random.next();
        let pick = |shift: u32, of: u64| (r >> shift) % of;
        let text = |at: u64| WORDS[(r >> (at * 5)) as usize % WORDS.len()].to_owned();
        let tags =
            (0..1 + pick(3, 3)).map(|t| Value::String(format!("t{}", pick(t as u32 * 9, 30))));
        let values = [
            ("region", Value::String(format!("R{}", pick(0, 5)))),
            ("year", Value::Int(2000 + (row / 700) as i32)),
            ("city", Value::String(format!("C{:03}", pick(7, 300)))),
            (
                "words",
                Value::String((0..4).map(text).collect::<Vec<_>>().join(" ")),
            ),
            (
                "doc",
                Value::Json(format!(
                    r#"{{"k":"v{}","n":{},"list":[{{"a":{}}},{{"a":{}}}]}}"#,
                    pick(2, 50),
                    pick(9, 1000),
                    pick(20, 7),
                    pick(30, 7)
                )),
            ),
            ("id", Value::Long((row * 7 + seed) as i64)),
            (
                "tags",
                Value::Array(common::DataType::String, tags.collect()),
            ),
            ("place", Value::Bytes(place(r))),
            ("price", Value::Int(pick(11, 1000) as i32 - 300)),
            ("cost", Value::Long(pick(13, 1 << 30) as i64)),
            ("weight", Value::Double(pick(17, 1000) as f64 / 8.0)),
        ];
        for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
            let value = values.iter().find(|(name, _)| *name == field.name);
            column.push(&value.unwrap().1);
        }
    }
    batch
}

/// A point on the sphere: most of them near São Paulo, some anywhere.
fn place(r: u64) -> Vec<u8> {
    let part = |shift: u32, of: f64| ((r >> shift) % 4096) as f64 / 4096.0 * of;
    let (x, y) = match r % 8 {
        0 => (part(5, 360.0) - 180.0, part(20, 180.0) - 90.0),
        _ => (part(5, 6.0) - 49.0, part(20, 4.0) - 25.0),
    };
    functions::geo::Geometry::point(x, y, true).to_bytes()
}

fn condition(random: &mut Random) -> String {
    let r = random.next();
    let number = |of: u64| (r >> 8) % of;
    match r % 23 {
        0 => format!("region = 'R{}'", number(6)),
        1 => format!("region IN ('R{}','R3')", number(5)),
        2 => format!("region != 'R{}'", number(5)),
        3 => format!("year BETWEEN {} AND {}", 2000 + number(3), 2001 + number(5)),
        4 => format!("city = 'C{:03}'", number(320)),
        5 => format!("city LIKE 'C{}%'", number(4)),
        6 => format!("city NOT IN ('C001','C{:03}')", number(300)),
        7 => format!("price > {}", number(1000) as i64 - 300),
        8 => format!("price BETWEEN {} AND 200", number(400) as i64 - 300),
        9 => format!("id < {}", number(60_000)),
        10 => format!("tags = 't{}'", number(32)),
        11 => format!("tags != 't{}'", number(30)),
        12 => format!("JSON_MATCH(doc, '\"$.k\" = ''v{}''')", number(55)),
        13 => format!(
            "JSON_MATCH(doc, '\"$.list[*].a\" = {} AND \"$.n\" > {}')",
            number(8),
            number(900)
        ),
        14 => format!(
            "TEXT_MATCH(words, '{} AND {}')",
            WORDS[number(8) as usize],
            WORDS[number(7) as usize]
        ),
        15 => format!(
            "TEXT_MATCH(words, '\"{} {}\" mach*')",
            WORDS[number(6) as usize],
            WORDS[number(7) as usize]
        ),
        16 => format!("REGEXP_LIKE(city, '^C0[{}-5]')", number(5)),
        17 => format!("REGEXP_LIKE(city, '^c{}', 'i')", number(4)),
        18 => format!("REGEXP_LIKE(region, '^(R{}|R1)$')", number(4)),
        19 => format!(
            "ST_DISTANCE(place, ST_Point({}, -23.5, 1)) < {}",
            number(9) as i64 - 50,
            number(400) * 1000
        ),
        20 => format!(
            "ST_DISTANCE(ST_Point({}, 10, 1), place) BETWEEN {} AND 9000000",
            number(300) as i64 - 150,
            number(9000) * 1000
        ),
        21 => format!(
            "ST_WITHIN(place, ST_GeogFromText('POLYGON ((-48 -24, -{} -24, -46 -{}, -48 -24))')) = 1",
            40 + number(7),
            20 + number(4)
        ),
        _ => format!("weight < {}", number(120)),
    }
}

fn filter(random: &mut Random) -> String {
    let (a, b, c) = (condition(random), condition(random), condition(random));
    match random.next() % 7 {
        0 => String::new(),
        1 => format!("WHERE {a}"),
        2 => format!("WHERE {a} AND {b}"),
        3 => format!("WHERE {a} AND ({b} OR {c})"),
        4 => format!("WHERE {a} AND NOT {b}"),
        5 => format!("WHERE {a} AND {b} AND {c}"),
        _ => format!("WHERE {a} OR {b}"),
    }
}

fn query(random: &mut Random) -> String {
    let filter = filter(random);
    match random.next() % 14 {
        0 => format!("SELECT COUNT(*) FROM t {filter}"),
        12 => {
            format!("SELECT price, COUNT(*), SUM(cost) FROM t {filter} GROUP BY price LIMIT 90000")
        }
        13 => format!(
            "SELECT cost, region, MAX(price) FROM t {filter} GROUP BY cost, region LIMIT 90000"
        ),
        9 => format!("SELECT SUM(weight), MIN(weight), COUNT(*), AVG(weight) FROM t {filter}"),
        10 => format!(
            "SELECT region, DISTINCTCOUNTHLL(id, 10), DISTINCTCOUNTBITMAP(price), SUM(weight) FROM t {filter} GROUP BY region LIMIT 9000"
        ),
        11 => format!(
            "SELECT year, MINMAXRANGE(price), DISTINCTCOUNTRAWHLL(id, 10), DISTINCTCOUNTTHETASKETCH(city), PERCENTILEEST(cost, 90) FROM t {filter} GROUP BY year LIMIT 9000"
        ),
        1 => format!(
            "SELECT region, COUNT(*), SUM(price) FROM t {filter} GROUP BY region LIMIT 9000"
        ),
        2 => format!(
            "SELECT region, year, SUM(price - cost), AVG(price) FROM t {filter} GROUP BY region, year LIMIT 9000"
        ),
        3 => format!("SELECT SUM(price * 2), MIN(cost), MAX(price), AVG(cost) FROM t {filter}"),
        4 => format!(
            "SELECT city, year, MIN(cost), MAX(price) FROM t {filter} GROUP BY city, year LIMIT 9000"
        ),
        5 => format!("SELECT id, price FROM t {filter} ORDER BY price DESC, id LIMIT 30"),
        6 => format!("SELECT DISTINCTCOUNT(city), SUM(price * cost), SUM(weight) FROM t {filter}"),
        7 => format!(
            "SELECT city, SUM(cost) AS s FROM t {filter} GROUP BY city ORDER BY s DESC, city LIMIT 20"
        ),
        _ => format!("SELECT id FROM t {filter} ORDER BY id DESC LIMIT 25"),
    }
}

fn answer(sql: &str, schema: &Schema, segments: &[Arc<dyn Segment>]) -> Vec<String> {
    let statement = sql::Statement::split(sql, &sql::Options::default()).unwrap();
    let plan = Plan::new(sql::parse::query(&statement, 0).unwrap(), schema, 0).unwrap();
    let limits = Limits::new(60_000, 1 << 30);
    let done = rayon::scope(|_| query::execute(&plan, segments, &limits, "here")).unwrap();
    let table = query::reduce(&plan, done.partial).unwrap();
    let mut rows: Vec<String> = table.rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// The rows in a segment that grows, published piece by piece.
fn growing(batch: &RowBatch, schema: &Schema, config: &TableConfig) -> Arc<dyn Segment> {
    let (mut writer, segment) = segment::MutableSegment::create("g", schema, config).unwrap();
    for start in (0..batch.rows()).step_by(700) {
        let mut piece = batch.clone();
        let rows: Vec<u32> = (start as u32..batch.rows().min(start + 700) as u32).collect();
        piece.keep(&rows);
        writer.append(&piece).unwrap();
        writer.publish(start as i64);
    }
    segment.snapshot()
}

/// Values that the filter looked at, and rows or records that were read.
fn effort(sql: &str, schema: &Schema, segments: &[Arc<dyn Segment>]) -> (u64, u64) {
    let statement = sql::Statement::split(sql, &sql::Options::default()).unwrap();
    let plan = Plan::new(sql::parse::query(&statement, 0).unwrap(), schema, 0).unwrap();
    let limits = Limits::new(60_000, 1 << 30);
    let done = rayon::scope(|_| query::execute(&plan, segments, &limits, "here")).unwrap();
    let stats = done.stats;
    (stats.num_entries_scanned_in_filter, stats.num_docs_scanned)
}

#[test]
fn an_index_spares_what_a_scan_reads() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema();
    let path = folder.path().join("s");
    let rows = [batch(&schema, 1)];
    seal_rows(
        rows,
        &schema,
        &config(true),
        &BuildSettings::default(),
        &path,
    )
    .unwrap();
    let segments = [Arc::new(SealedSegment::open(&path).unwrap()) as Arc<dyn Segment>];
    // Few enough candidates of a block are tested one by one.
    let near = "SELECT COUNT(*) FROM t WHERE ST_DISTANCE(place, ST_Point(-46.5, -23.5, 1)) < 2000";
    let (scanned, _) = effort(near, &schema, &segments);
    assert!(scanned < ROWS / 8, "{scanned}");
    let inside = "SELECT COUNT(*) FROM t WHERE ST_WITHIN(place, ST_GeogFromText('POLYGON ((10 10, 30 10, 30 40, 10 10))')) = 1";
    assert!(effort(inside, &schema, &segments).0 < ROWS / 10);
    for sql in [
        "SELECT region, SUM(weight), AVG(weight), DISTINCTCOUNTHLL(id, 10) FROM t GROUP BY region",
        "SELECT PERCENTILEEST(cost, 50), MINMAXRANGE(price), MIN(weight) FROM t WHERE region = 'R1'",
    ] {
        let (_, read) = effort(sql, &schema, &segments);
        assert!(read < 50, "{read}: {sql}");
    }
    // Another parameter, another sketch: the rows themselves.
    let other = "SELECT region, DISTINCTCOUNTHLL(id) FROM t GROUP BY region";
    assert_eq!(effort(other, &schema, &segments).1, ROWS);
}

/// The same rows, piece by piece.
fn streamed(sql: &str, schema: &Schema, segments: &[Arc<dyn Segment>]) -> Vec<String> {
    let statement = sql::Statement::split(sql, &sql::Options::default()).unwrap();
    let plan = Plan::new(sql::parse::query(&statement, 0).unwrap(), schema, 0).unwrap();
    assert!(stream::is_streamable(&plan));
    let limits = Limits::new(60_000, 1 << 30);
    let (pieces, mut stats) = stream::pieces(&plan, segments);
    let mut rows = Vec::new();
    for piece in &pieces {
        let (found, counted) = stream::search(&plan, piece, &limits, "here").unwrap();
        stats.add(&counted);
        for part in found {
            assert!(part.columns.iter().all(|c| c.rows() == part.rows));
            rows.extend((0..part.rows).map(|row| {
                let values: Vec<Value> = part.columns.iter().map(|c| c.value(row)).collect();
                format!("{values:?}")
            }));
        }
    }
    assert_eq!(stats.num_docs_scanned, rows.len() as u64);
    assert_eq!(stats.num_segments_queried, segments.len() as u64);
    rows.sort();
    rows
}

#[test]
fn an_index_never_changes_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema();
    let segments = |indexes: bool| -> Vec<Arc<dyn Segment>> {
        let build = |seed: u64| {
            let name = format!("s{seed}_{indexes}");
            let path = folder.path().join(&name);
            let settings = BuildSettings {
                name,
                ..BuildSettings::default()
            };
            let rows = [batch(&schema, seed)];
            seal_rows(rows, &schema, &config(indexes), &settings, &path).unwrap();
            Arc::new(SealedSegment::open(&path).unwrap()) as Arc<dyn Segment>
        };
        (1..4).map(build).collect()
    };
    let (plain, indexed) = (segments(false), segments(true));
    let growing: Vec<Arc<dyn Segment>> = (1..4)
        .map(|seed| growing(&batch(&schema, seed), &schema, &config(true)))
        .collect();
    assert_eq!(indexed[0].star_trees().len(), 3);
    let mut random = Random(11);
    for _ in 0..400 {
        let sql = query(&mut random);
        let expected = answer(&sql, &schema, &plain);
        assert_eq!(answer(&sql, &schema, &indexed), expected, "{sql}");
        assert_eq!(answer(&sql, &schema, &growing), expected, "growing: {sql}");
        let without = format!("SET useStarTree=false; {sql}");
        assert_eq!(answer(&without, &schema, &indexed), expected, "{without}");
        let filter = filter(&mut random);
        let sql = format!("SELECT id, price * 2, city, tags FROM t {filter} LIMIT 100000");
        let expected = answer(&sql, &schema, &plain);
        assert_eq!(streamed(&sql, &schema, &indexed), expected, "{sql}");
    }
}

#[test]
fn the_nearest_vectors_are_found_in_every_segment() {
    let schema: Schema = serde_json::from_value(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [{"name": "id", "dataType": "INT"},
            {"name": "place", "dataType": "FLOAT", "singleValueField": false}]
    }))
    .unwrap();
    let config: TableConfig = serde_json::from_value(json!({
        "tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {}, "tableIndexConfig": {},
        "fieldConfigList": [{"name": "place", "encodingType": "RAW", "indexType": "VECTOR",
            "properties": {"vectorDimension": "2", "vectorDistanceFunction": "EUCLIDEAN"}}]
    }))
    .unwrap();
    let mut batch = RowBatch::new(&schema).unwrap();
    for row in 0..50 {
        let place = [row as f32, 50.0 - row as f32].map(Value::Float).to_vec();
        for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
            column.push(&match field.name.as_str() {
                "id" => Value::Int(row),
                _ => Value::Array(common::DataType::Float, place.clone()),
            });
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v");
    let settings = BuildSettings::default();
    seal_rows([&batch], &schema, &config, &settings, &path).unwrap();
    let (mut writer, growing) = segment::MutableSegment::create("g", &schema, &config).unwrap();
    writer.append(&batch).unwrap();
    writer.publish(1);
    let sealed: Arc<dyn Segment> = Arc::new(SealedSegment::open(&path).unwrap());
    let sql = "SELECT id FROM t WHERE VECTOR_SIMILARITY(place, ARRAY[10.0, 40.0], 3)";
    for segment in [sealed, growing.snapshot()] {
        let rows = answer(sql, &schema, &[segment]);
        assert_eq!(rows, ["[Int(10)]", "[Int(11)]", "[Int(9)]"]);
    }
}

#[test]
fn a_timestamp_index_answers_as_the_calls_that_it_replaces() {
    let read = |fields: serde_json::Value| -> (Schema, TableConfig) {
        let schema = json!({"schemaName": "t", "dateTimeFieldSpecs": [
            {"name": "ts", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]});
        let config = json!({"tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {},
            "tableIndexConfig": {}, "fieldConfigList": fields});
        let mut schema: Schema = serde_json::from_value(schema).unwrap();
        let mut config: TableConfig = serde_json::from_value(config).unwrap();
        common::timestamp_index::add_columns(&mut schema, &mut config);
        (schema, config)
    };
    let asked = json!([{"name": "ts", "timestampConfig": {"granularities": ["DAY", "MONTH"]}}]);
    let (plain, with_index) = (read(json!([])), read(asked));
    let mut batch = RowBatch::new(&plain.0).unwrap();
    let mut random = Random(3);
    for _ in 0..2_000 {
        let ts = 1_600_000_000_000 + random.below(200 * 86_400_000) as i64;
        batch.columns_mut()[0].push(&Value::Long(ts));
    }
    let (mut writer, segment) = segment::MutableSegment::create("g", &plain.0, &plain.1).unwrap();
    writer.append(&batch).unwrap();
    writer.publish(1);
    let segments = [segment.snapshot()];
    let mut numbers = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM t WHERE dateTrunc('DAY', ts) > 1603929600000",
        "SELECT COUNT(*) FROM t WHERE dateTrunc('month', ts, 'MILLISECONDS') = 1604188800000",
        "SELECT dateTrunc('DAY', ts), COUNT(*) FROM t GROUP BY dateTrunc('DAY', ts) ORDER BY dateTrunc('DAY', ts) LIMIT 500",
        "SELECT MAX(dateTrunc('MONTH', ts)) - MIN(dateTrunc('WEEK', ts)) FROM t",
    ] {
        let expected = answer(sql, &plain.0, &segments);
        let found = answer(sql, &with_index.0, &segments);
        let found: Vec<String> = found
            .iter()
            .map(|r| r.replace("Timestamp(", "Long("))
            .collect();
        assert_eq!(found, expected, "{sql}");
        numbers.push(expected.len());
        let statement = sql::Statement::split(sql, &sql::Options::default()).unwrap();
        let parsed = sql::parse::query(&statement, 0).unwrap();
        let names = |schema: &Schema| Plan::new(parsed.clone(), schema, 0).unwrap().names;
        assert_eq!(names(&with_index.0), names(&plain.0));
    }
    assert!(numbers[2] > 150);
    assert_eq!(
        answer("SELECT * FROM t LIMIT 1", &with_index.0, &segments).len(),
        1
    );
}

#[test]
fn two_columns_compare_by_rank_as_by_text() {
    let schema: Schema = serde_json::from_value(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [
            {"name": "a", "dataType": "STRING"}, {"name": "b", "dataType": "STRING"}]
    }))
    .unwrap();
    let config: TableConfig = serde_json::from_value(json!({
        "tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {}, "tableIndexConfig": {}
    }))
    .unwrap();
    let texts = [
        "",
        "A",
        "Z",
        "a",
        "ab",
        "b",
        "é",
        "z",
        "\u{ffff}",
        "\u{1f600}",
    ];
    let mut batch = RowBatch::new(&schema).unwrap();
    let mut random = Random(5);
    for _ in 0..2_000 {
        let r = random.next() as usize;
        let pair = [texts[r % 10], texts[(r >> 9) % 9]];
        for (text, column) in pair.into_iter().zip(batch.columns_mut()) {
            column.push(&Value::String(text.to_owned()));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    seal_rows([batch], &schema, &config, &BuildSettings::default(), &path).unwrap();
    let segments = [Arc::new(SealedSegment::open(&path).unwrap()) as Arc<dyn Segment>];
    for operation in [
        "equals",
        "notEquals",
        "lessThan",
        "lessThanOrEqual",
        "greaterThan",
        "greaterThanOrEqual",
    ] {
        for truth in [0, 1] {
            let counted = |left: &str| {
                let test = format!("{operation}({left}, b) = {truth} AND b != 'ab'");
                let sql = format!("SELECT COUNT(*), MAX(LENGTH(b)) FROM t WHERE {test}");
                answer(&sql, &schema, &segments)
            };
            assert_eq!(
                counted("a"),
                counted("concat(a, '')"),
                "{operation} = {truth}"
            );
        }
    }
}
