//! What a short query is, and that it wakes nobody.
//!
//! Must not know: servers. Invariant: outside of a pool a query runs on the thread that asks, and starts none.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use common::{Schema, TableConfig, Value};
use query::{Limits, Plan};
use segment::build::{BuildSettings, seal_rows};
use segment::{RowBatch, SealedSegment, Segment};
use serde_json::json;

const SEGMENTS: i64 = 3;
/// More rows of all segments than one task has.
const ROWS: i64 = 30_000;

fn schema() -> Schema {
    serde_json::from_value(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [{"name": "id", "dataType": "LONG"}, {"name": "name", "dataType": "STRING"}],
        "metricFieldSpecs": [{"name": "price", "dataType": "INT"}]
    }))
    .unwrap()
}

fn segments(schema: &Schema, folder: &std::path::Path) -> Vec<Arc<dyn Segment>> {
    let config: TableConfig = serde_json::from_value(json!({
        "tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {}, "tableIndexConfig": {}
    }))
    .unwrap();
    let sealed = |at: i64| {
        let mut batch = RowBatch::new(schema).unwrap();
        for row in at * ROWS..(at + 1) * ROWS {
            let values = [
                ("id", Value::Long(row)),
                ("name", Value::String(format!("n{}", row % 7))),
                ("price", Value::Int((row % 1000) as i32)),
            ];
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                let value = values.iter().find(|(name, _)| *name == field.name);
                column.push(&value.unwrap().1);
            }
        }
        let path = folder.join(format!("s{at}"));
        seal_rows([batch], schema, &config, &BuildSettings::default(), &path).unwrap();
        Arc::new(SealedSegment::open(&path).unwrap()) as Arc<dyn Segment>
    };
    (0..SEGMENTS).map(sealed).collect()
}

fn plan(sql: &str, schema: &Schema) -> Plan {
    let statement = sql::Statement::split(sql, &sql::Options::default()).unwrap();
    Plan::new(sql::parse::query(&statement, 0).unwrap(), schema, 0).unwrap()
}

#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[cfg(not(target_os = "linux"))]
fn threads() -> usize {
    0
}

/// One test, so that no other one's thread comes or goes meanwhile.
#[test]
fn short_queries_start_no_thread() {
    let schema = schema();
    let folder = tempfile::tempdir().unwrap();
    let segments = segments(&schema, folder.path());
    let before = threads();
    for (sql, short, rows) in [
        ("SELECT COUNT(*) FROM t", true, "[[Long(90000)]]"),
        (
            "SELECT SUM(price), MAX(id), DISTINCTCOUNT(name) FROM t",
            true,
            "[[Double(44955000.0), Double(89999.0), Int(7)]]",
        ),
        (
            "SELECT name, COUNT(*), SUM(price) FROM t WHERE price < 500 GROUP BY name ORDER BY name LIMIT 1",
            true,
            "[[String(\"n0\"), Long(6429), Double(1603929.0)]]",
        ),
        ("SELECT id FROM t WHERE id = 61234", true, "[[Long(61234)]]"),
        ("SELECT MAX(LENGTH(name)) FROM t", false, "[[Double(2.0)]]"),
        (
            "SELECT COUNT(*) FROM t WHERE name LIKE '%6'",
            false,
            "[[Long(12857)]]",
        ),
    ] {
        let plan = plan(sql, &schema);
        assert_eq!(query::is_short(&plan, &segments), short, "{sql}");
        let limits = Limits::new(60_000, 1 << 30);
        let done = query::execute(&plan, &segments, &limits, "here").unwrap();
        let table = query::reduce(&plan, done.partial).unwrap();
        assert_eq!(format!("{:?}", table.rows), rows, "{sql}");
    }
    assert_eq!(threads(), before);
}
