//! Tables held in this process, and leaves over them.
//!
//! Must not know: what is tested. Invariant: a table is one sealed segment, opened from its file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use async_trait::async_trait;
use common::{QueryException, Schema, TableConfig};
use futures::{StreamExt, TryStreamExt};
use multistage::{
    LeafAnswer, LeafPart, LeafRows, LeafStreams, Leaves, Memory, MultiStageError, Request, batch_of,
};
use query::{Limits, Plan, QueryError, ResultTable};
use segment::build::{self, BuildSettings};
use segment::{RowBatch, SealedSegment, Segment};
use serde_json::Value as Json;
use sql::{Options, Statement};

/// A table.
pub(crate) struct Held {
    schema: Arc<Schema>,
    segment: Arc<dyn Segment>,
    _folder: tempfile::TempDir,
}

impl Held {
    /// A table of rows that `fill` appends.
    pub(crate) fn new(
        schema: Json,
        config: Json,
        fill: impl FnOnce(&Schema, &mut RowBatch) -> Result<()>,
    ) -> Result<Self> {
        let schema: Schema = serde_json::from_value(schema)?;
        let mut config: TableConfig = serde_json::from_value(config)?;
        config.normalise();
        let mut batch = RowBatch::new(&schema)?;
        fill(&schema, &mut batch)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("segment");
        let settings = BuildSettings {
            name: format!("{}_0", schema.name),
            ..BuildSettings::default()
        };
        build::seal_rows([Box::new(batch)], &schema, &config, &settings, &file)?;
        Ok(Self {
            schema: Arc::new(schema),
            segment: Arc::new(SealedSegment::open(&file)?),
            _folder: folder,
        })
    }
}

/// All tables, and what leaf queries asked of them.
#[derive(Default)]
pub(crate) struct Tables(
    pub(crate) BTreeMap<String, Held>,
    pub(crate) Mutex<Vec<String>>,
);

struct InProcess {
    tables: Arc<Tables>,
    options: Options,
}

#[async_trait]
impl Leaves for InProcess {
    fn table(&self, name: &str) -> Option<(String, Arc<Schema>)> {
        let found = self.tables.0.get(&name.to_lowercase())?;
        Some((found.schema.name.clone(), Arc::clone(&found.schema)))
    }

    async fn answer(&self, sql: &str) -> Result<LeafAnswer, QueryException> {
        let (plan, segment) = self.planned(sql)?;
        let execute = || -> Result<ResultTable, QueryError> {
            let segments = std::slice::from_ref(&segment);
            let executed = query::execute(&plan, segments, &limits(), "localhost")?;
            query::reduce(&plan, executed.partial)
        };
        execute()
            .map(LeafAnswer::Rows)
            .map_err(QueryException::from)
    }

    async fn streams(&self, sql: &str) -> Result<LeafStreams, QueryException> {
        let (plan, segment) = self.planned(sql)?;
        if !query::stream::is_streamable(&plan) {
            return Ok(LeafStreams::default());
        }
        let plan = Arc::new(plan);
        let rows: Arc<dyn LeafPart> = Arc::new(Rows { plan, segment });
        Ok(vec![rows].into())
    }
}

impl InProcess {
    fn planned(&self, sql: &str) -> Result<(Plan, Arc<dyn Segment>), QueryException> {
        if let Ok(mut asked) = self.tables.1.lock() {
            asked.push(sql.to_owned());
        }
        let statement = Statement::split(sql, &self.options)?;
        let parsed = sql::parse::query(&statement, 0)?;
        let name = parsed.table.clone().unwrap_or_default();
        let held = self.tables.0.get(&name).ok_or_else(|| {
            QueryException::new(common::ErrorCode::TableDoesNotExist, name.clone())
        })?;
        let plan = Plan::new(parsed, &held.schema, 0)?;
        Ok((plan, Arc::clone(&held.segment)))
    }
}

fn limits() -> Limits {
    Limits::new(60_000, 1 << 30)
}

/// Rows of a table, piece by piece.
struct Rows {
    plan: Arc<Plan>,
    segment: Arc<dyn Segment>,
}

impl LeafPart for Rows {
    fn rows(self: Arc<Self>) -> LeafRows {
        let segments = std::slice::from_ref(&self.segment);
        let (pieces, _) = query::stream::pieces(&self.plan, segments);
        let plan = Arc::clone(&self.plan);
        let found = futures::stream::iter(pieces).map(move |piece| {
            let (found, _) = query::stream::search(&plan, &piece, &limits(), "localhost")?;
            let batches = found
                .into_iter()
                .map(|rows| batch_of(rows.columns, rows.rows));
            Ok::<_, QueryException>(futures::stream::iter(batches))
        });
        Box::pin(found.try_flatten())
    }
}

/// Asks a query.
pub(crate) async fn ask(
    sql: &str,
    tables: &Arc<Tables>,
    memory: &Arc<Memory>,
) -> Result<ResultTable, MultiStageError> {
    let statement = Statement::split(sql, &Options::default())?;
    let mut options = statement.options.clone();
    options.set("multistageleaf", "true");
    options.set("numgroupslimit", "100000000");
    let leaves = InProcess {
        tables: Arc::clone(tables),
        options,
    };
    let request = Request {
        statement,
        now_ms: 0,
        memory: Arc::clone(memory),
        statistics: Arc::default(),
    };
    multistage::answer(&request, Arc::new(leaves)).await
}
