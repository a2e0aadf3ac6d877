//! `PurgeTask`: rows for which a condition is true go, for good.
//!
//! Pinot's purger is code that a user supplies; here it is the setting `purgeCondition`, a condition of SQL over the table's columns.
//! Must not know: servers. Invariant: only sealed segments are rewritten; a condition that cannot be evaluated changes nothing.

use std::sync::Arc;

use async_trait::async_trait;
use common::{Schema, TableConfig};
use query::{Limits, Plan};
use roaring::RoaringBitmap;
use segment::{SealedSegment, Segment};

use super::{Keep, Rewrite, TaskType, View, Work};
use crate::error::ControllerError;

/// How long the condition of one segment may take, milliseconds, and what it may hold, bytes.
const TIME_MS: u64 = 600_000;
const MEMORY: usize = 1 << 30;

pub(super) struct Purge;

#[async_trait]
impl TaskType for Purge {
    fn name(&self) -> &'static str {
        "PurgeTask"
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        let condition = view
            .get("purgeCondition")
            .ok_or_else(|| view.ill("`purgeCondition` is missing, expected a condition of SQL"))?;
        if view.is_upsert() {
            return Err(view.ill(
                "rows of an upsert table are deleted by its `deleteRecordColumn`, not purged",
            ));
        }
        plan(&view.schema, &view.config, condition, view.now_ms)?;
        let again_ms = view.period("lastPurgeTimeThresholdPeriod", "14d")?;
        let due = view
            .sealed()
            .filter(|s| s.pushed_ms <= view.now_ms.saturating_sub(again_ms));
        let works = due.map(|segment| {
            Work::Rewrite(Rewrite {
                segments: vec![(segment.name.clone(), segment.crc)],
                keep: Keep::Unless(condition.to_owned()),
            })
        });
        Ok(works.collect())
    }
}

/// A plan for the rows of a condition.
pub(crate) fn plan(
    schema: &Schema,
    config: &TableConfig,
    condition: &str,
    now_ms: i64,
) -> Result<Plan, ControllerError> {
    let ill = |error: &dyn std::fmt::Display| {
        ControllerError::Invalid(format!("Condition `{condition}`: {error}"))
    };
    let text = format!(
        "SELECT \"$docId\" FROM \"{}\" WHERE ({condition}) LIMIT {}",
        config.raw_name(),
        i32::MAX
    );
    let statement = sql::Statement::split(&text, &sql::Options::default()).map_err(|e| ill(&e))?;
    let query = sql::parse::query(&statement, now_ms).map_err(|e| ill(&e))?;
    Plan::new(query, schema, now_ms).map_err(|e| ill(&e))
}

/// The rows of a segment for which a condition is not true.
pub(super) fn kept(
    segment: Arc<SealedSegment>,
    schema: &Schema,
    config: &TableConfig,
    condition: &str,
    now_ms: i64,
) -> Result<RoaringBitmap, ControllerError> {
    let plan = plan(schema, config, condition, now_ms)?;
    let mut kept = RoaringBitmap::new();
    kept.insert_range(0..segment.doc_count());
    let limits = Limits::new(TIME_MS, MEMORY);
    let failed = |error: query::QueryError| {
        ControllerError::internal(
            format!("evaluate `{condition}` on segment '{}'", segment.name()),
            error,
        )
    };
    let segments = [Arc::clone(&segment) as Arc<dyn Segment>];
    let executed = query::execute(&plan, &segments, &limits, "controller").map_err(failed)?;
    let table = query::reduce(&plan, executed.partial).map_err(failed)?;
    for row in &table.rows {
        if let Some(doc) = row.first().and_then(common::Value::as_i64) {
            kept.remove(u32::try_from(doc).unwrap_or(u32::MAX));
        }
    }
    Ok(kept)
}
