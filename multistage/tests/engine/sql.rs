//! SQL that the planner at hand does not have: UNNEST, correlated subqueries by inequality, notation.
//!
//! Must not know: plans.

use std::sync::Arc;

use anyhow::Result;
use common::{DataType, Value};
use serde_json::json;

use crate::held::{Held, Tables, ask};

/// `t`: three rows with arrays of 2, 0 (Pinot's one null value) and 1 elements.
fn tables() -> Result<Arc<Tables>> {
    let schema = json!({"schemaName": "t", "dimensionFieldSpecs": [
        {"name": "k", "dataType": "INT"}, {"name": "flag", "dataType": "BOOLEAN"},
        {"name": "mv", "dataType": "INT", "singleValueField": false},
        {"name": "mt", "dataType": "STRING", "singleValueField": false}]});
    let config = json!({"tableName": "t", "tableType": "OFFLINE", "tenants": {}, "metadata": {},
        "segmentsConfig": {"replication": "1"}, "tableIndexConfig": {}});
    let held = Held::new(schema, config, |schema, batch| {
        let texts = |list: &[&str]| {
            let values = list.iter().map(|v| Value::String((*v).to_owned()));
            Value::Array(DataType::String, values.collect())
        };
        let rows = [
            (1, true, vec![10, 20], texts(&["a", "b", "c"])),
            (2, false, vec![30], texts(&["d"])),
            (3, true, vec![10], texts(&["e"])),
        ];
        for (k, flag, mv, mt) in rows {
            let mv = Value::Array(DataType::Int, mv.into_iter().map(Value::Int).collect());
            let (k, flag) = (Value::Int(k), Value::Boolean(flag));
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                column.push(match field.name.as_str() {
                    "k" => &k,
                    "flag" => &flag,
                    "mv" => &mv,
                    _ => &mt,
                });
            }
        }
        Ok(())
    })?;
    let mut tables = Tables::default();
    tables.0.insert("t".to_owned(), held);
    Ok(Arc::new(tables))
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_standard() -> Result<()> {
    let (tables, memory) = (tables()?, Arc::default());
    let cases = [
        (
            "SELECT v, COUNT(*) FROM t CROSS JOIN UNNEST(mv) AS u (v) GROUP BY v ORDER BY v",
            "10,2;20,1;30,1",
        ),
        (
            "SELECT k, v, o FROM t CROSS JOIN UNNEST(t.mv) WITH ORDINALITY AS u (v, o) ORDER BY k, o",
            "1,10,1;1,20,2;2,30,1;3,10,1",
        ),
        (
            "SELECT k, a, b FROM t, UNNEST(mv, mt) AS u (a, b) WHERE k = 1 ORDER BY b",
            "1,10,a;1,20,b;1,null,c",
        ),
        (
            "SELECT u FROM t CROSS JOIN UNNEST(mt) AS u WHERE k > 1 ORDER BY u",
            "d;e",
        ),
        (
            "SELECT x FROM UNNEST(ARRAY[3, 1, 2]) AS u (x) ORDER BY x",
            "1;2;3",
        ),
        (
            "SELECT k, (SELECT COUNT(*) FROM t AS s WHERE s.k < t.k) AS n FROM t ORDER BY k",
            "1,0;2,1;3,2",
        ),
        (
            "SELECT k FROM t WHERE k > (SELECT 1 + MIN(s.k) FROM t AS s WHERE s.k <= t.k) ORDER BY k",
            "3",
        ),
        (
            "SELECT k FROM t WHERE k BETWEEN SYMMETRIC 3 AND 2 ORDER BY k LIMIT 1.5",
            "2",
        ),
        ("SELECT k FROM t WHERE k BETWEEN ASYMMETRIC 3 AND 2", ""),
        (
            "SELECT COUNT(*), MIN(k) FROM t WHERE k > 2 AND k < 1",
            "0,null",
        ),
        (
            "SELECT k, CONCAT('is ', flag) FROM t WHERE k < 3 ORDER BY k",
            "1,is true;2,is false",
        ),
        ("SELECT U&'d\\0061ta' FROM t WHERE k = 1", "data"),
        (
            "SELECT a.k FROM t AS a, t AS b, t AS c WHERE a.k = b.k AND b.k = c.k AND c.k + a.k > 2 ORDER BY 1",
            "2;3",
        ),
        (
            "SELECT COUNT(*) FROM t WHERE k IS DISTINCT FROM CAST(k AS BIG_DECIMAL)",
            "0",
        ),
    ];
    all_answer(&cases, &tables, &memory).await
}

/// Rules of Pinot's planner and of its leaves that the standard has not.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_planner() -> Result<()> {
    let (tables, memory) = (tables()?, Arc::default());
    let cases = [
        // A BOOLEAN that no row decides has its name in capitals.
        (
            "SELECT CAST(true AS STRING), CONCAT(1 = 2, '!'), CAST(k = 1 AS STRING) FROM t WHERE k = 1",
            "TRUE,FALSE!,true",
        ),
        (
            "SELECT COUNT(*) FROM t WHERE flag IN (false, true) OR flag = true",
            "3",
        ),
        (
            "SELECT k, flag FROM t ORDER BY 1.75 DESC",
            "3,true;2,false;1,true",
        ),
        ("SELECT k FROM t ORDER BY -3, k LIMIT 2", "1;2"),
        // A segment keeps the fraction of a quotient within an expression, wherever its value is needed.
        ("SELECT k / 2 * 4 FROM t ORDER BY k", "2;4;6"),
        (
            "SELECT k / 2 * 4 + (SELECT COUNT(*) FROM t) FROM t ORDER BY k",
            "5;7;9",
        ),
        (
            "SELECT a.k / 2 * 4, b.k FROM t AS a JOIN t AS b ON a.k = b.k ORDER BY b.k",
            "2,1;4,2;6,3",
        ),
        (
            "SELECT k, FIRST_VALUE(k / 2 * 4) OVER (ORDER BY k / 2 * 4 DESC) FROM t ORDER BY k",
            "1,6;2,6;3,6",
        ),
        (
            "SELECT k, PERCENTILESMARTTDIGEST(k, 50) FROM t WHERE 1 = 2 GROUP BY k",
            "",
        ),
    ];
    all_answer(&cases, &tables, &memory).await
}

pub(crate) async fn all_answer(
    cases: &[(&str, &str)],
    tables: &Arc<Tables>,
    memory: &Arc<multistage::Memory>,
) -> Result<()> {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let answered = match ask(sql, tables, memory).await {
            Ok(table) => table
                .rows
                .iter()
                .map(|row| row.iter().map(Value::to_text).collect::<Vec<_>>().join(","))
                .collect::<Vec<_>>()
                .join(";"),
            Err(error) => format!("{}: {}", error.code.number(), error.message),
        };
        if answered != *expected {
            wrong.push(format!("{sql}\n   {answered}, not {expected}"));
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_codes() -> Result<()> {
    let (tables, memory) = (tables()?, Arc::default());
    for (sql, code) in [
        ("SELECT mv, COUNT(*) FROM t GROUP BY mv", 720),
        (
            "SELECT mv, COUNT(*) FROM t WHERE mt LIKE 'a%' GROUP BY mv",
            700,
        ),
        ("SELECT COUNT(*) FROM t WHERE REGEXP_LIKE(mt, 'a')", 700),
        ("SELECT PERCENTILESMARTTDIGEST(k, 50) FROM t", 720),
        ("SELECT PERCENTILESMARTTDIGEST(k, 50), nosuch FROM t", 700),
        ("SELECT k, k FROM t ORDER BY k", 700),
        ("SELECT *, k FROM t ORDER BY k", 700),
        ("SELECT k, FROM t", 150),
        ("SELECT k AS select FROM t", 150),
        ("SELECT greatest(k, 1, 2) FROM t", 700),
        ("SELECT PERCENTILE101(k) FROM t", 700),
        ("SELECT COUNT(DISTINCT k, flag) FROM t", 200),
        ("SELECT k FROM t WHERE k = SOME (SELECT k FROM t)", 720),
        ("SELECT nosuchfunction(k) FROM t", 700),
    ] {
        let found = ask(sql, &tables, &memory)
            .await
            .map_err(|error| error.code.number());
        anyhow::ensure!(
            matches!(found, Err(found) if found == code),
            "{sql}: {found:?}"
        );
    }
    Ok(())
}
