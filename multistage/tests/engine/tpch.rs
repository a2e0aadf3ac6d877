//! TPC-H's queries at a small scale: answers equal those that DuckDB gave over the same rows.
//!
//! Must not know: the engine. Invariant: a number may differ in its last digits, as sums of DOUBLE do; nothing else may.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use common::{DataType, Value};
use serde_json::Value as Json;
use tpch::{TABLES, Table};

use crate::held::{Held, Tables, ask};

const SCALE: f64 = 0.01;

fn loaded(table: &Table) -> Result<Held> {
    Held::new(table.schema(), table.config(), |schema, batch| {
        let order: Vec<(usize, DataType)> = schema
            .fields
            .iter()
            .map(|(_, field)| {
                let mut names = table.columns.iter().map(|(name, _)| *name);
                let at = names.position(|name| name == field.name);
                Ok((at.context("a column is missing")?, field.data_type))
            })
            .collect::<Result<_>>()?;
        let mut result = Ok(());
        table.lines(SCALE, 1, 1, |line| {
            let values: Vec<&str> = line.split('|').collect();
            for ((at, data_type), column) in order.iter().zip(batch.columns_mut()) {
                match value(values[*at], *data_type) {
                    Ok(value) => column.push(&value),
                    Err(error) => result = Err(error),
                }
            }
        });
        result
    })
}

fn value(text: &str, data_type: DataType) -> Result<Value> {
    Ok(match data_type {
        DataType::Int => Value::Int(text.parse()?),
        DataType::Long => Value::Long(text.parse()?),
        DataType::Double => Value::Double(text.parse()?),
        _ => Value::String(text.to_owned()),
    })
}

fn answers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/tpch/answers")
}

/// Whether a value is the recorded one.
fn same(ours: &Value, recorded: &Json) -> bool {
    match recorded {
        Json::Null => matches!(ours, Value::Null),
        Json::Number(number) => {
            let (a, b) = (ours.as_f64().unwrap_or(f64::NAN), number.as_f64());
            let b = b.unwrap_or(f64::NAN);
            (a - b).abs() <= 1e-9 * b.abs().max(1.0)
        }
        Json::String(text) => ours.to_text() == *text,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_queries_answer_as_duckdb_does() -> Result<()> {
    let mut tables = Tables::default();
    for table in &TABLES {
        tables.0.insert(table.name.to_owned(), loaded(table)?);
    }
    let (tables, memory) = (Arc::new(tables), Arc::default());
    let only = std::env::var("TOURIGA_QUERY").ok();
    let mut wrong = Vec::new();
    for (at, sql) in tpch::queries(SCALE).iter().enumerate() {
        let name = format!("q{:02}", at + 1);
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let text = std::fs::read_to_string(answers().join(format!("{name}.json")))?;
        let recorded: Vec<Vec<Json>> = serde_json::from_str(&text)?;
        let ours = match ask(sql, &tables, &memory).await {
            Ok(table) => table.rows,
            Err(error) => {
                wrong.push(format!("{name}: {}", error.message));
                continue;
            }
        };
        if ours.len() != recorded.len() {
            wrong.push(format!(
                "{name}: {} rows, not {}",
                ours.len(),
                recorded.len()
            ));
            continue;
        }
        let rows = ours.iter().zip(&recorded);
        let different = rows.enumerate().find(|(_, (a, b))| {
            a.len() != b.len() || !a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        });
        if let Some((row, (a, b))) = different {
            wrong.push(format!("{name}: row {row} is {a:?}, not {b:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn few_rows_are_joined_first() -> Result<()> {
    let mut tables = Tables::default();
    for table in &TABLES {
        tables.0.insert(table.name.to_owned(), loaded(table)?);
    }
    let (tables, memory) = (Arc::new(tables), Arc::default());
    let queries = tpch::queries(SCALE);
    for (number, first, then) in [
        // The parts that are wanted before the key of two columns, of which every line has one.
        (
            9,
            "part.p_partkey = lineitem.l_partkey",
            "lineitem.l_suppkey = partsupp.ps_suppkey",
        ),
        // The few orders that are wanted before their lines.
        (
            18,
            "LeftSemi Join",
            "orders.o_orderkey = lineitem.l_orderkey",
        ),
    ] {
        let sql = format!("EXPLAIN PLAN FOR {}", queries[number - 1]);
        let answer = ask(&sql, &tables, &memory).await?;
        let plan = answer.rows[0][1].to_text();
        let depth = |text: &str| {
            let line = plan
                .lines()
                .find(|line| line.contains(" Join: ") && line.contains(text));
            line.map(|line| line.len() - line.trim_start().len())
        };
        ensure!(
            depth(first) > depth(then) && depth(then).is_some(),
            "q{number}: {plan}"
        );
    }
    Ok(())
}
