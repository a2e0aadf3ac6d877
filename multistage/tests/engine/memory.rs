//! Queries that need more memory than they may take.
//!
//! Must not know: operators. Invariant: no query leaves memory taken or a spill file behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use common::{ErrorCode, Value};
use multistage::{Memory, MemorySettings};
use serde_json::json;

use crate::held::{Held, Tables, ask};

const ROWS: i64 = 500_000;

/// `l` and `r`: as many rows, keys once each in different orders, and a text.
fn tables() -> Result<Arc<Tables>> {
    let mut tables = Tables::default();
    for (name, step) in [("l", 1_i64), ("r", 7)] {
        let schema = json!({"schemaName": name, "dimensionFieldSpecs": [
            {"name": "k", "dataType": "LONG"}, {"name": "t", "dataType": "STRING"}]});
        let config = json!({"tableName": name, "tableType": "OFFLINE", "tenants": {}, "metadata": {}, "segmentsConfig":
            {"replication": "1"}, "tableIndexConfig": {"noDictionaryColumns": ["k", "t"]}});
        let held = Held::new(schema, config, |schema, batch| {
            for row in 0..ROWS {
                let key = row * step % ROWS;
                let values = [
                    ("k", Value::Long(key)),
                    ("t", Value::String(format!("{name} has a text of {key}"))),
                ];
                let named = schema.fields.iter();
                for ((_, field), column) in named.zip(batch.columns_mut()) {
                    if let Some((_, value)) = values.iter().find(|(n, _)| *n == field.name) {
                        column.push(value);
                    }
                }
            }
            Ok(())
        })?;
        tables.0.insert(name.to_owned(), held);
    }
    Ok(Arc::new(tables))
}

fn memory(folder: &Path, query_bytes: usize) -> Arc<Memory> {
    Arc::new(Memory::new(MemorySettings {
        total_bytes: 1 << 30,
        query_bytes,
        // As of a role that starts for the first time: what is above the folder is not there yet either.
        spill_folder: Some(folder.join("broker").join("spill")),
        spill_bytes: 1 << 30,
    }))
}

/// Files below a folder.
fn files(folder: &Path) -> Result<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        found += if path.is_dir() { files(&path)? } else { 1 };
    }
    Ok(found)
}

/// Waits until nothing of a query is left.
async fn nothing_left(memory: &Memory, folder: &Path) -> Result<()> {
    for _ in 0..500 {
        if memory.taken_bytes() == 0 && memory.spilled_bytes() == 0 && files(folder)? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!(
        "{} bytes taken, {} bytes spilled, {} files",
        memory.taken_bytes(),
        memory.spilled_bytes(),
        files(folder)?
    );
}

const JOIN: &str = "SELECT COUNT(*), SUM(l.k), MIN(LENGTH(l.t || r.t)), MAX(LENGTH(l.t || r.t)) FROM l JOIN r ON l.k = r.k";

/// The join's hash table: rows with their texts, and a place and a chain for each.
const HASH_TABLE: usize = ROWS as usize * (8 + 4 + 20 + 24);

#[tokio::test(flavor = "multi_thread")]
async fn a_join_four_times_its_budget_spills_and_answers_right() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = tables()?;
    let enough = memory(folder.path(), 1 << 30);
    let expected = ask(JOIN, &tables, &enough).await?;
    ensure!(expected.rows[0][0] == Value::Long(ROWS), "{expected:?}");
    let little = memory(folder.path(), HASH_TABLE / 4);
    let answered = ask(JOIN, &tables, &little).await?;
    assert_eq!(answered.rows, expected.rows);
    nothing_left(&little, folder.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn other_operators_spill_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = tables()?;
    let (enough, little) = (
        memory(folder.path(), 1 << 30),
        memory(folder.path(), 16 << 20),
    );
    for sql in [
        "SELECT COUNT(*), SUM(k), MAX(n) FROM (SELECT l.k, l.t, COUNT(*) AS n FROM l JOIN r ON l.k = r.k GROUP BY l.k, l.t) AS x",
        "SELECT COUNT(*), SUM(k), MAX(n) FROM (SELECT k, t, ROW_NUMBER() OVER (ORDER BY t) AS n FROM l) AS x",
        "SELECT COUNT(*), SUM(l.k) FROM l LEFT JOIN r ON l.k = r.k + 100000 WHERE r.k IS NULL",
        "SELECT COUNT(*), SUM(k) FROM l WHERE k NOT IN (SELECT k FROM r WHERE k < 1000)",
        "SELECT COUNT(*), SUM(k) FROM l WHERE EXISTS (SELECT 1 FROM r WHERE r.k = l.k AND r.t <> l.t)",
    ] {
        let expected = ask(sql, &tables, &enough).await?;
        let answered = ask(sql, &tables, &little)
            .await
            .map_err(|error| anyhow::anyhow!("{sql}: {error}"))?;
        ensure!(answered.rows == expected.rows, "{sql}");
    }
    nothing_left(&little, folder.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_over_its_budget_fails_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = tables()?;
    let memory = memory(folder.path(), 1 << 30);
    let other = tokio::spawn({
        let (tables, memory) = (Arc::clone(&tables), Arc::clone(&memory));
        async move { ask(JOIN, &tables, &memory).await }
    });
    // Rows that the answer holds have nowhere to go.
    let sql = "SET queryMemoryMaxBytes=8000000; SELECT l.k, l.t, r.t FROM l JOIN r ON l.k = r.k";
    let refused = ask(sql, &tables, &memory).await;
    let Err(error) = refused else {
        anyhow::bail!("8 MB are enough?");
    };
    assert_eq!(error.code, ErrorCode::ServerResourceLimitExceeded);
    ensure!(error.message.contains("budget of 8.0 MB"), "{error}");
    // Nor have the groups of a leaf, which are merged before they are joined.
    let sql = "SET queryMemoryMaxBytes=8000000; SELECT COUNT(*) FROM (SELECT k, t, COUNT(*) AS n FROM l GROUP BY k, t) x \
        JOIN r ON x.k = r.k";
    let refused = ask(sql, &tables, &memory).await;
    let Err(error) = refused else {
        anyhow::bail!("8 MB are enough for {ROWS} groups?");
    };
    assert_eq!(error.code, ErrorCode::ServerResourceLimitExceeded);
    ensure!(error.message.contains("`Leaf` asks for"), "{error}");
    let answered = other.await??;
    assert_eq!(answered.rows[0][0], Value::Long(ROWS));
    nothing_left(&memory, folder.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_query_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tables = tables()?;
    let memory = memory(folder.path(), HASH_TABLE / 4);
    let running = tokio::spawn({
        let (tables, memory) = (Arc::clone(&tables), Arc::clone(&memory));
        async move { ask(JOIN, &tables, &memory).await }
    });
    for _ in 0..6000 {
        if memory.spilled_bytes() > 0 || running.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.abort();
    nothing_left(&memory, folder.path()).await
}
