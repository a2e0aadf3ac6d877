//! What numbers are compared as, and what becomes of NaN and of nulls without null handling.
//!
//! Must not know: plans.

use std::sync::Arc;

use anyhow::Result;
use common::Value;
use serde_json::json;

use crate::held::{Held, Tables};
use crate::sql::all_answer;

/// `n`: a FLOAT that is no short DOUBLE, NaN twice, a text that is null.
fn tables() -> Result<Arc<Tables>> {
    let schema = json!({"schemaName": "n", "dimensionFieldSpecs": [
        {"name": "k", "dataType": "INT"}, {"name": "f", "dataType": "FLOAT"},
        {"name": "d", "dataType": "DOUBLE"}, {"name": "s", "dataType": "STRING"}]});
    let config = json!({"tableName": "n", "tableType": "OFFLINE", "tenants": {}, "metadata": {},
        "segmentsConfig": {"replication": "1"}, "tableIndexConfig": {"nullHandlingEnabled": true}});
    let held = Held::new(schema, config, |schema, batch| {
        let text = |text: &str| Value::String(text.to_owned());
        let rows = [
            (1, 0.1, f64::NAN, text("a")),
            (2, 0.25, 1.5, Value::Null),
            (3, 2.0, f64::NAN, text("b")),
        ];
        for (k, f, d, s) in rows {
            let (k, f, d) = (Value::Int(k), Value::Float(f), Value::Double(d));
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                column.push(match field.name.as_str() {
                    "k" => &k,
                    "f" => &f,
                    "d" => &d,
                    _ => &s,
                });
            }
        }
        Ok(())
    })?;
    let mut tables = Tables::default();
    tables.0.insert("n".to_owned(), held);
    Ok(Arc::new(tables))
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_planner() -> Result<()> {
    let (tables, memory) = (tables()?, Arc::default());
    let cases = [
        // A FLOAT and an exact number meet as FLOATs, at a leaf and above it.
        ("SELECT COUNT(*) FROM n WHERE f = k / 10.0", "1"),
        (
            "SELECT COUNT(*) FROM n WHERE f = CAST(k AS DOUBLE) / 10",
            "0",
        ),
        (
            "SELECT COUNT(*) FROM n WHERE (f NOT IN (0.1, 0.25)) IS NOT TRUE",
            "2",
        ),
        (
            "SELECT COUNT(*) FROM (SELECT * FROM n LIMIT 10) WHERE f = 0.1",
            "1",
        ),
        (
            "SELECT COUNT(*) FROM (SELECT * FROM n LIMIT 10) WHERE f IN (0.1, 0.25)",
            "2",
        ),
        (
            "SELECT CASE WHEN f BETWEEN 0.1 AND 0.1 THEN 1 ELSE 0 END FROM n ORDER BY k",
            "1;0;0",
        ),
        // NaN is one value among distinct ones, and greater than a number above a leaf.
        (
            "SELECT d FROM n UNION SELECT d / 2 FROM n ORDER BY 1 LIMIT 2",
            "0.75;1.5",
        ),
        (
            "SELECT k FROM n GROUP BY k HAVING SKEWNESS(k) > 2 ORDER BY k",
            "1;2;3",
        ),
        (
            "SELECT CASE WHEN d > 1 THEN 1 ELSE 0 END FROM n ORDER BY k",
            "0;1;0",
        ),
        // A key that is null counts as its default where it is a key, not where a function asks for null.
        (
            "SELECT s, coalesce(s, 'none'), COUNT(*) FROM n GROUP BY s, coalesce(s, 'none') ORDER BY s",
            "a,a,1;b,b,1;null,none,1",
        ),
        // Texts of numbers are those of a leaf's kernels.
        (
            "SELECT CAST(CEIL(k / 6.0) AS STRING) FROM n WHERE k = 1",
            "1.0",
        ),
        (
            "SELECT CAST(k BETWEEN 3 AND 1 AS STRING) FROM n WHERE k = 1",
            "FALSE",
        ),
        (
            "SELECT ST_AsText(ST_Point(k / 30.0, k)) FROM n WHERE k = 1",
            "POINT (0.0333333333333333 1)",
        ),
        (
            "SELECT COUNT(*) FROM n WHERE REGEXP_LIKE(toUtf8(s), '^61$')",
            "1",
        ),
        // What a group's FILTER leaves out is not evaluated.
        (
            "SELECT k, SUM(CAST(s AS DOUBLE)) FILTER (WHERE k > 9), COUNT(*) FILTER (WHERE k > 1) FROM n GROUP BY k ORDER BY k",
            "1,null,0;2,null,1;3,null,1",
        ),
        // A test for null alone calls no function.
        (
            "SELECT COUNT(*) FROM n WHERE k <> 2 AND codepoint(substr(s, 9)) IS NOT NULL",
            "2",
        ),
    ];
    all_answer(&cases, &tables, &memory).await
}
