//! Recorded answers of Apache Pinot 1.5.1 over our own data sets, asked of the single-stage engine in process.
//!
//! `TOURIGA_CONFORMANCE=DIR` runs another folder of `datasets/` and `suites/` instead, `TOURIGA_SHOW=N` prints failures,
//! `TOURIGA_SUITE=name` runs one suite. Must not know: any single query.
//! Invariant: a suite's share of equal answers never falls below its floor.

pub(crate) mod compare;
pub(crate) mod dataset;
pub(crate) mod multi_stage;
mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use common::QueryException;
use query::{Limits, Plan, QueryError, ResultTable};
use rayon::prelude::*;
use serde_json::Value as Json;
use sql::{Options, Statement};

use dataset::Dataset;

/// Share of answers, in percent, that a suite must reach that is not wholly right; raised as the engine grows, never lowered.
const FLOORS: &[(&str, f64)] = &[
    ("conditions", 91.6),
    ("decimals", 90.0),
    ("errors", 99.3),
    ("functions_aggregate", 99.6),
    ("functions_datetime", 99.8),
    ("generated", 99.1),
    ("neighbours", 99.3),
    ("outer_joins", 50.0),
    ("predicates", 99.5),
    ("semantics", 99.8),
];

/// The query time of every test.
const NOW_MS: i64 = 1_795_222_909_000;

/// The folder of the recorded corpus.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("TOURIGA_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/conformance"),
        PathBuf::from,
    )
}

/// Answers a query as the broker and one server would.
pub(crate) fn ask(
    sql: &str,
    options: &Options,
    datasets: &BTreeMap<String, Dataset>,
) -> Result<ResultTable, QueryException> {
    let statement = Statement::split(sql, options)?;
    if let Some(gapfill) = sql::gapfill::split(&statement)? {
        let table = ask(&gapfill.inner, &statement.options, datasets)?;
        let context = functions::scalar::EvalContext::at(NOW_MS);
        return query::gapfill::fill(&gapfill, table, &context).map_err(QueryException::from);
    }
    let parsed = sql::parse::query(&statement, NOW_MS)?;
    let parsed = sql::subquery::resolve(parsed, &mut |text| id_set(text, options, datasets))?;
    if let Some(answer) = query::literals::answer(&parsed) {
        return Ok(answer);
    }
    let dataset = dataset_of(&parsed, datasets)?;
    let execute = || -> Result<ResultTable, QueryError> {
        let plan = Plan::new(parsed, &dataset.schema, NOW_MS)?;
        let limits = Limits::new(60_000, 1 << 30);
        let executed =
            rayon::scope(|_| query::execute(&plan, &dataset.segments, &limits, "localhost"))?;
        // Over the wire and back, as between processes.
        let bytes = query::wire::encode(&executed);
        let executed = query::wire::decode(&plan, &bytes)?;
        let mut table = query::reduce(&plan, executed.partial)?;
        if executed.stats.num_segments_processed == 0 && table.rows.is_empty() {
            table.types = plan.types_without_segments();
        }
        Ok(table)
    };
    execute().map_err(QueryException::from)
}

/// The data that a query reads.
fn dataset_of<'a>(
    parsed: &sql::Query,
    datasets: &'a BTreeMap<String, Dataset>,
) -> Result<&'a Dataset, QueryException> {
    let name = parsed.table.clone().unwrap_or_default();
    let raw = name.rsplit('.').next().unwrap_or_default();
    datasets
        .values()
        .find(|d| {
            d.schema
                .name
                .eq_ignore_ascii_case(raw.strip_suffix("_OFFLINE").unwrap_or(raw))
        })
        .ok_or_else(|| QueryException::new(common::ErrorCode::TableDoesNotExist, name))
}

/// The serialised id set that an inner query answers.
fn id_set(
    sql: &str,
    options: &Options,
    datasets: &BTreeMap<String, Dataset>,
) -> Result<String, QueryException> {
    let refused = || {
        let message = format!("`{sql}` does not answer an id set");
        QueryException::new(common::ErrorCode::QueryExecution, message)
    };
    let table = ask(sql, options, datasets).map_err(|_| refused())?;
    match table.rows.first().and_then(|row| row.first()) {
        Some(common::Value::String(text)) => Ok(text.clone()),
        _ => Err(refused()),
    }
}

struct Failure {
    id: String,
    sql: String,
    difference: String,
}

fn check(case: &Json, datasets: &BTreeMap<String, Dataset>) -> Option<Failure> {
    let sql = case["sql"].as_str().unwrap_or_default();
    let mut options = Options::default();
    for (key, value) in case["options"].as_object().into_iter().flatten() {
        options.set(key, value.as_str().unwrap_or_default());
    }
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ask(sql, &options, datasets)
    }));
    let difference = match caught {
        Ok(answer) => compare::difference(case, &answer),
        Err(_) => Some("PANIC".to_owned()),
    };
    difference.map(|difference| Failure {
        id: case["id"].as_str().unwrap_or_default().to_owned(),
        sql: sql.to_owned(),
        difference,
    })
}

#[test]
fn answers_equal_the_recorded_ones() -> Result<()> {
    let root = root();
    let datasets = dataset::load_all(&root.join("datasets"))?;
    let show: usize = std::env::var("TOURIGA_SHOW")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let only = std::env::var("TOURIGA_SUITE").ok();
    let (mut total, mut total_passed, mut below) = (0, 0, Vec::new());
    for (suite, cases) in dataset::suites(&root.join("suites"))? {
        if only.as_ref().is_some_and(|only| *only != suite) {
            continue;
        }
        let cases: Vec<&Json> = cases
            .iter()
            .filter(|case| dataset::usable(case, &datasets))
            .collect();
        if cases.is_empty() {
            continue;
        }
        let failures: Vec<Failure> = cases
            .par_iter()
            .filter_map(|case| check(case, &datasets))
            .collect();
        let passed = cases.len() - failures.len();
        let share = 100.0 * passed as f64 / cases.len() as f64;
        println!("{suite:22} {passed:5} of {:5}  {share:6.2} %", cases.len());
        for failure in failures.iter().take(show) {
            println!(
                "   {}  {}\n      {}",
                failure.id, failure.sql, failure.difference
            );
        }
        let floor = FLOORS
            .iter()
            .find(|(name, _)| *name == suite)
            .map_or(100.0, |(_, floor)| *floor);
        if share < floor {
            below.push(format!(
                "{suite}: {share:.2} % is below its floor of {floor} %"
            ));
        }
        total += cases.len();
        total_passed += passed;
    }
    println!("{:22} {total_passed:5} of {total:5}", "all");
    anyhow::ensure!(total > 0, "no query was found in {}", root.display());
    anyhow::ensure!(below.is_empty(), "{}", below.join("\n"));
    Ok(())
}
