//! Recorded answers of Apache Pinot 1.5.1 over our own data sets, asked of the multi-stage engine in process.
//!
//! Its leaves are the single-stage queries of the neighbouring test, those that need no merging as streams.
//! Must not know: any single query.
//! Invariant: a suite's share of equal answers never falls below its floor.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::RecordBatch;
use async_trait::async_trait;
use common::{QueryException, Schema};
use multistage::{LeafAnswer, LeafPart, LeafRows, LeafStreams, Leaves, Request};
use query::{Limits, Plan, ResultTable, stream};
use serde_json::Value as Json;
use sql::{Options, Statement};

use super::dataset::{self, Dataset};
use super::{Failure, NOW_MS, compare, root};

/// As for the single stage.
const FLOORS: &[(&str, f64)] = &[
    ("decimals", 83.6),
    ("errors", 98.8),
    ("functions_aggregate", 99.3),
    ("functions_datetime", 99.7),
    ("functions_scalar", 99.4),
    ("functions_window", 99.1),
    ("generated", 99.2),
    ("neighbours", 99.2),
    ("outer_joins", 90.3),
    ("predicates", 98.9),
    ("semantics", 99.5),
];

/// One query's leaves.
struct InProcess {
    datasets: Arc<BTreeMap<String, Dataset>>,
    options: Options,
}

#[async_trait]
impl Leaves for InProcess {
    fn table(&self, name: &str) -> Option<(String, Arc<Schema>)> {
        let raw = name.rsplit('.').next().unwrap_or_default();
        let found = self
            .datasets
            .values()
            .find(|d| d.schema.name.eq_ignore_ascii_case(raw))?;
        Some((found.schema.name.clone(), Arc::new(found.schema.clone())))
    }

    async fn answer(&self, sql: &str) -> Result<LeafAnswer, QueryException> {
        super::ask(sql, &self.options, &self.datasets).map(LeafAnswer::Rows)
    }

    async fn streams(&self, sql: &str) -> Result<LeafStreams, QueryException> {
        let statement = Statement::split(sql, &self.options)?;
        let parsed = sql::parse::query(&statement, NOW_MS)?;
        if sql::subquery::is_needed(&parsed) {
            return Ok(LeafStreams::default());
        }
        let dataset = super::dataset_of(&parsed, &self.datasets)?;
        let plan = Plan::new(parsed, &dataset.schema, NOW_MS)?;
        if !stream::is_streamable(&plan) {
            return Ok(LeafStreams::default());
        }
        let limits = Limits::new(60_000, 1 << 30);
        let (pieces, _) = stream::pieces(&plan, &dataset.segments);
        let mut batches = Vec::new();
        for piece in &pieces {
            let searched = stream::search(&plan, piece, &limits, "localhost");
            match searched {
                Ok((found, _)) => batches.extend(
                    found
                        .into_iter()
                        .map(|rows| multistage::batch_of(rows.columns, rows.rows)),
                ),
                Err(error) => batches.push(Err(error.into())),
            }
        }
        let searched: Arc<dyn LeafPart> = Arc::new(Searched(batches));
        Ok(vec![searched].into())
    }
}

/// The rows of a leaf, searched before.
struct Searched(Vec<Result<RecordBatch, QueryException>>);

impl LeafPart for Searched {
    fn rows(self: Arc<Self>) -> LeafRows {
        Box::pin(futures::stream::iter(self.0.clone()))
    }
}

/// Answers a query of the multi-stage engine over what data sets hold.
pub(crate) async fn ask(
    sql: &str,
    datasets: &Arc<BTreeMap<String, Dataset>>,
) -> Result<ResultTable, QueryException> {
    let statement = Statement::split(sql, &Options::default())?;
    let mut options = statement.options.clone();
    options.set("multistageleaf", "true");
    let leaves = InProcess {
        datasets: Arc::clone(datasets),
        options,
    };
    let request = Request {
        statement,
        now_ms: NOW_MS,
        memory: Arc::default(),
        statistics: Arc::default(),
    };
    multistage::answer(&request, Arc::new(leaves))
        .await
        .map_err(QueryException::from)
}

async fn check(case: &Json, datasets: &Arc<BTreeMap<String, Dataset>>) -> Option<Failure> {
    let sql = case["sql"].as_str().unwrap_or_default().to_owned();
    let (asked, datasets) = (sql.clone(), Arc::clone(datasets));
    let answered = tokio::spawn(async move { ask(&asked, &datasets).await }).await;
    let difference = match answered {
        Ok(answer) => compare::difference(case, &answer),
        Err(_) => Some("PANIC".to_owned()),
    };
    difference.map(|difference| Failure {
        id: case["id"].as_str().unwrap_or_default().to_owned(),
        sql,
        difference,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn multi_stage_answers_equal_the_recorded_ones() -> Result<()> {
    let root = root();
    let datasets = Arc::new(dataset::load_all(&root.join("datasets"))?);
    let show: usize = std::env::var("TOURIGA_SHOW")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let only = std::env::var("TOURIGA_SUITE").ok();
    let mut below = Vec::new();
    for (suite, cases) in dataset::suites(&root.join("suites"))? {
        if only.as_ref().is_some_and(|only| *only != suite) {
            continue;
        }
        let (mut total, mut failures) = (0, Vec::new());
        for case in &cases {
            if dataset::is_multi_stage(case) && dataset::has_data(case, &datasets) {
                total += 1;
                failures.extend(check(case, &datasets).await);
            }
        }
        if total == 0 {
            continue;
        }
        let share = 100.0 * (total - failures.len()) as f64 / total as f64;
        println!(
            "{suite:22} {:5} of {total:5}  {share:6.2} %",
            total - failures.len()
        );
        for failure in failures.iter().take(show) {
            println!(
                "   {}  {}\n      {}",
                failure.id, failure.sql, failure.difference
            );
        }
        let floor = FLOORS.iter().find(|(name, _)| *name == suite);
        let floor = floor.map_or(100.0, |(_, floor)| *floor);
        if share < floor {
            below.push(format!(
                "{suite}: {share:.2} % is below its floor of {floor} %"
            ));
        }
    }
    anyhow::ensure!(below.is_empty(), "{}", below.join("\n"));
    Ok(())
}
