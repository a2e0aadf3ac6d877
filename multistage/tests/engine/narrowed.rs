//! Leaves read what the other sides of joins want, and answers are the same.
//!
//! Must not know: operators.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use common::Value;
use serde_json::json;

use crate::held::{Held, Tables, ask};

/// `facts`: 20,000 rows of 5,000 keys, four each; `names`: the same keys with a name, and the key that follows.
fn tables() -> Result<Arc<Tables>> {
    let config = |name: &str| {
        json!({"tableName": name, "tableType": "OFFLINE", "tenants": {}, "metadata": {},
            "segmentsConfig": {"replication": "1"}, "tableIndexConfig": {}})
    };
    let schema = json!({"schemaName": "facts", "dimensionFieldSpecs": [
        {"name": "k", "dataType": "INT"}, {"name": "big", "dataType": "LONG"},
        {"name": "v", "dataType": "LONG"}]});
    let facts = Held::new(schema, config("facts"), |schema, batch| {
        for row in 0..20_000_i32 {
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                let value = match field.name.as_str() {
                    "k" => Value::Int(row % 5_000),
                    "big" => Value::Long(i64::from(row % 5_000) << 33),
                    _ => Value::Long(1),
                };
                column.push(&value);
            }
        }
        Ok(())
    })?;
    let schema = json!({"schemaName": "names", "dimensionFieldSpecs": [
        {"name": "k", "dataType": "INT"}, {"name": "big", "dataType": "LONG"},
        {"name": "follower", "dataType": "INT"}, {"name": "name", "dataType": "STRING"}]});
    let names = Held::new(schema, config("names"), |schema, batch| {
        for key in 0..5_000_i32 {
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                let value = match field.name.as_str() {
                    "k" => Value::Int(key),
                    "big" => Value::Long(i64::from(key) << 33),
                    "follower" => Value::Int(key + 1),
                    _ => Value::String(format!("n{}", key % 10)),
                };
                column.push(&value);
            }
        }
        Ok(())
    })?;
    let mut tables = Tables::default();
    tables.0.insert("facts".to_owned(), facts);
    tables.0.insert("names".to_owned(), names);
    Ok(Arc::new(tables))
}

/// The number that a query answers, and the last leaf query of `facts`.
async fn asked(sql: &str) -> Result<(f64, String)> {
    let tables = tables()?;
    let answer = ask(sql, &tables, &Arc::default())
        .await
        .map_err(|error| anyhow::anyhow!("{sql}: {}", error.message))?;
    let value = answer.rows.first().and_then(|row| row.first());
    let value = value.and_then(Value::as_f64).context("no number")?;
    let asked = tables.1.lock().ok().context("a lock")?;
    let last = asked.iter().rfind(|sql| sql.contains("FROM \"facts\""));
    Ok((value, last.context("no leaf of `facts`")?.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_reads_what_a_join_wants() -> Result<()> {
    let few = "SELECT SUM(f.v) FROM facts f JOIN names n ON f.k = n.k WHERE n.k BETWEEN 7 AND 9";
    let (sum, leaf) = asked(few).await?;
    ensure!(
        sum == 12.0 && leaf.contains("\"k\" IN (7, 8, 9)"),
        "{sum}: {leaf}"
    );
    let many = "SELECT SUM(f.v) FROM facts f JOIN names n ON f.k = n.k WHERE n.name = 'n3'";
    let (sum, leaf) = asked(many).await?;
    ensure!(
        sum == 2_000.0 && leaf.contains("inIdSet(\"k\", '"),
        "{sum}: {leaf}"
    );
    let wide = "SELECT SUM(f.v) FROM facts f JOIN names n ON f.big = n.big WHERE n.name = 'n3'";
    let (sum, leaf) = asked(wide).await?;
    ensure!(
        sum == 2_000.0 && leaf.contains("inIdSet(\"big\", '"),
        "{sum}: {leaf}"
    );
    let both =
        "SELECT SUM(f.v) FROM facts f JOIN names n ON f.big = n.big AND f.k = n.k WHERE n.k < 2";
    let (sum, leaf) = asked(both).await?;
    ensure!(
        sum == 8.0 && leaf.contains("\"k\" IN (0, 1)"),
        "{sum}: {leaf}"
    );
    // A table that is asked by a subquery alone is read first.
    let member = "SELECT COUNT(*) FROM names WHERE k < 2 AND k IN (SELECT k FROM facts)";
    let (count, leaf) = asked(member).await?;
    ensure!(
        count == 2.0 && leaf.starts_with("SELECT DISTINCT \"k\""),
        "{count}: {leaf}"
    );
    let facts = "SELECT SUM(v) FROM facts WHERE k IN (SELECT k FROM names WHERE k BETWEEN 7 AND 9)";
    let (sum, leaf) = asked(facts).await?;
    ensure!(
        sum == 12.0 && leaf.contains("\"k\" IN (7, 8, 9)") && leaf.contains("sum("),
        "{sum}: {leaf}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_left_out_whole() -> Result<()> {
    let sql = "SELECT SUM(g.s) FROM (SELECT k, SUM(v) AS s FROM facts GROUP BY k) g \
        JOIN names n ON g.k = n.k WHERE n.k IN (5, 6)";
    let (sum, leaf) = asked(sql).await?;
    ensure!(sum == 8.0, "{sum}: {leaf}");
    // What a join wants of a sum says nothing of the rows that are added.
    let sql = "SELECT COUNT(*) FROM (SELECT k, SUM(v) AS s FROM facts GROUP BY k) g \
        JOIN names n ON g.s = n.k WHERE n.k = 4";
    let (count, leaf) = asked(sql).await?;
    ensure!(
        count == 5_000.0 && !leaf.contains("\"v\" IN"),
        "{count}: {leaf}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_below_groups_and_joins_reads_what_one_key_of_two_wants() -> Result<()> {
    // The least of `big` is worked out above a join, so that the filter of both keys does not come down to the leaf.
    let least = |join: &str| {
        format!(
            "SELECT COUNT(*) FROM names n WHERE n.k IN (5, 6) AND n.big = \
             (SELECT MIN(f.big) FROM facts f {join} WHERE f.k = n.k AND o.follower > 3)"
        )
    };
    for (join, expected) in [
        ("JOIN names o ON f.big = o.big", 2.0),
        ("LEFT JOIN names o ON f.big = o.big", 2.0),
        ("JOIN names o ON f.big = o.big AND f.k <> o.k", 0.0),
    ] {
        let (count, leaf) = asked(&least(join)).await?;
        ensure!(
            count == expected && leaf.contains("\"k\" IN (5, 6)"),
            "{join} {count}: {leaf}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_filled_with_nulls_are_not_left_out() -> Result<()> {
    let sql = "SELECT COUNT(*) FROM names n JOIN \
        (SELECT o.k AS k, MIN(f.v) AS least, o.follower AS follower FROM names o LEFT JOIN facts f ON o.follower = f.k \
         GROUP BY o.k, o.follower) s ON n.k = s.k AND n.follower = s.follower WHERE n.k >= 4998 AND COALESCE(s.least, 9) > 0";
    ensure!(asked(sql).await?.0 == 2.0);
    let sql = "SELECT COUNT(*) FROM (SELECT k FROM names WHERE k < 3) n RIGHT JOIN \
        (SELECT f.k AS k, MIN(o.big) AS big FROM facts f JOIN names o ON f.k = o.k GROUP BY f.k) s ON n.k = s.k";
    ensure!(asked(sql).await?.0 == 5_000.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_partner_stay_where_they_count() -> Result<()> {
    let sql = "SELECT COUNT(*) FROM facts f LEFT JOIN names n ON f.k = n.k AND n.k = 7";
    ensure!(asked(sql).await?.0 == 20_000.0);
    let sql = "SELECT COUNT(*) FROM facts f WHERE NOT EXISTS \
        (SELECT 1 FROM names n WHERE n.k = f.k AND n.k < 4990)";
    ensure!(asked(sql).await?.0 == 40.0);
    Ok(())
}
