//! A query that makes many rows of few lets others run, and ends when its time is over.
//!
//! Must not know: operators.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::Value;
use serde_json::json;

use crate::held::{Held, Tables, ask};

/// `same`: 20,000 rows of one key, whose join with themselves has 400 million rows.
fn tables() -> Result<Arc<Tables>> {
    let schema = json!({"schemaName": "same", "dimensionFieldSpecs": [
        {"name": "k", "dataType": "INT"}, {"name": "v", "dataType": "LONG"}]});
    let config = json!({"tableName": "same", "tableType": "OFFLINE", "tenants": {}, "metadata": {},
        "segmentsConfig": {"replication": "1"}, "tableIndexConfig": {}});
    let same = Held::new(schema, config, |schema, batch| {
        for row in 0..20_000_i64 {
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                column.push(&match field.name.as_str() {
                    "k" => Value::Int(7),
                    _ => Value::Long(row),
                });
            }
        }
        Ok(())
    })?;
    let mut tables = Tables::default();
    tables.0.insert("same".to_owned(), same);
    Ok(Arc::new(tables))
}

#[tokio::test]
async fn a_query_of_many_rows_is_cut_short() -> Result<()> {
    const GIVEN: Duration = Duration::from_millis(300);
    const LATEST: Duration = Duration::from_secs(5);
    let (tables, memory) = (tables()?, Arc::default());
    for sql in [
        "SELECT SUM(a.v + b.v) FROM same a JOIN same b ON a.k = b.k",
        "SELECT SUM(a.v + b.v) FROM same a FULL OUTER JOIN same b ON a.k = b.k",
        "SELECT COUNT(*) FROM same a JOIN same b ON a.k = b.k AND a.v + b.v < 0",
        "SELECT COUNT(*) FROM same a LEFT JOIN same b ON a.k = b.k AND a.v + b.v < 0",
        "SELECT SUM(a.v) FROM same a JOIN same b ON a.v < b.v",
        "SELECT COUNT(*) FROM same a JOIN same b ON a.v + b.v < 0",
        "SELECT MIN(a.v), LISTAGG(b.v, ',') FROM same a JOIN same b ON a.k = b.k",
        "SELECT COUNT(*) FROM (SELECT v FROM same UNION SELECT a.v * b.v FROM same a, same b)",
        "SELECT COUNT(*) FROM same a WHERE a.v NOT IN \
         (SELECT b.v + c.v FROM same b JOIN same c ON b.k = c.k)",
    ] {
        let began = Instant::now();
        let asked = tokio::time::timeout(GIVEN, ask(sql, &tables, &memory)).await;
        let took = began.elapsed();
        ensure!(asked.is_err(), "answered within {took:?}: {sql}");
        ensure!(took < LATEST, "ended after {took:?}: {sql}");
    }
    Ok(())
}
