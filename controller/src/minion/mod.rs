//! Tasks that change segments by themselves: merged, moved offline, compacted, purged, refreshed. Pinot gives these to minions; here the
//! controller does them, one at a time.
//!
//! A task type is one file and one line in [`TYPES`]. Must not know: HTTP. Invariants: a task that fails, is stopped or dies with its
//! process leaves the table as it was; one that is begun again by another leader does nothing twice.

mod merge;
mod merge_rollup;
mod output;
mod purge;
mod realtime_to_offline;
mod refresh;
mod rewrite;
mod runner;
pub(crate) mod schedule;
mod segment_generation;
mod task;
mod upsert_compact_merge;
mod upsert_compaction;

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{Schema, TableConfig};
use proto::controller_service::{SegmentRecord, SegmentStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::core::Core;
use crate::error::ControllerError;

use merge::Merge;
use rewrite::{Keep, Rewrite};
pub(crate) use runner::{Minion, forget, hold, is_held, remove, start, task, tasks};
pub(crate) use schedule::{execute, schedule};
use segment_generation::Ingest;
pub(crate) use task::{State, Task};

/// Settings of a task type on a table.
pub(crate) type Settings = BTreeMap<String, String>;

/// What there is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Rows of segments go into new segments.
    Merge(Merge),
    /// Segments are written anew under their names.
    Rewrite(Rewrite),
    /// Segments without a row that counts go.
    Drop(Vec<String>),
    /// A file becomes a segment.
    Ingest(Ingest),
}

/// A type of task.
#[async_trait]
pub(crate) trait TaskType: Send + Sync {
    /// Pinot's name.
    fn name(&self) -> &'static str;
    /// What there is to do now on a table; at most a few works, each of which stands alone.
    ///
    /// # Errors
    /// Where the settings make no sense for the table.
    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError>;
    /// Works that are taken up at once where the settings say nothing.
    fn most(&self) -> usize {
        1
    }
}

/// Every type.
pub(crate) const TYPES: &[&dyn TaskType] = &[
    &merge_rollup::MergeRollup,
    &realtime_to_offline::RealtimeToOffline,
    &upsert_compaction::UpsertCompaction,
    &upsert_compact_merge::UpsertCompactMerge,
    &purge::Purge,
    &refresh::Refresh,
    &segment_generation::SegmentGeneration,
];

/// The type of a name.
pub(crate) fn task_type(name: &str) -> Option<&'static dyn TaskType> {
    TYPES.iter().copied().find(|t| t.name() == name)
}

/// A table as planning sees it.
pub(crate) struct View<'a> {
    pub(crate) core: &'a Core,
    /// Name with type.
    pub(crate) table: String,
    pub(crate) config: TableConfig,
    pub(crate) schema: Schema,
    pub(crate) settings: Settings,
    /// Segments that queries see, sealed and growing.
    pub(crate) segments: Vec<SegmentRecord>,
    pub(crate) modified_ms: i64,
    pub(crate) now_ms: i64,
}

impl<'a> View<'a> {
    pub(crate) fn of(core: &'a Core, table: &str, settings: Settings) -> Option<Self> {
        core.read(|state| {
            let entry = state.table(table)?;
            let hidden = entry.record.hidden();
            let seen = entry.segments.values().map(|s| &s.record);
            Some(Self {
                core,
                table: table.to_owned(),
                config: entry.record.config.clone(),
                schema: state.schema_of(table)?.clone(),
                settings,
                segments: seen
                    .filter(|s| !hidden.contains(&s.name))
                    .cloned()
                    .collect(),
                modified_ms: entry
                    .record
                    .modified_ms
                    .max(entry.record.schema_changed_ms.unwrap_or(0)),
                now_ms: core.now_ms(),
            })
        })
    }

    /// Segments that take no more rows.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &SegmentRecord> {
        self.segments
            .iter()
            .filter(|s| s.status != SegmentStatus::InProgress)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(|text| text.trim())
    }

    /// A period such as `1d`, in milliseconds.
    pub(crate) fn period(&self, key: &str, default: &str) -> Result<i64, ControllerError> {
        let text = self.get(key).unwrap_or(default);
        common::time_format::parse_period(text)
            .map_err(|error| self.ill(format!("`{key}`: {error}, expected a period such as 1d")))
    }

    pub(crate) fn number(&self, key: &str, default: u64) -> Result<u64, ControllerError> {
        match self.get(key) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| self.ill(format!("`{key}` is `{text}`, expected a number"))),
        }
    }

    /// An error about the settings.
    pub(crate) fn ill(&self, why: impl std::fmt::Display) -> ControllerError {
        ControllerError::Invalid(format!("Task of table {}: {why}", self.table))
    }

    /// The time up to which a task of this table has come.
    pub(crate) fn watermark(&self, kind: &str, level: &str) -> Option<i64> {
        self.core.read(|state| {
            let record = state
                .watermarks
                .get(&(self.table.clone(), kind.to_owned()))?;
            record.at_ms.get(level).copied()
        })
    }

    pub(crate) fn is_upsert(&self) -> bool {
        self.config.upsert_config.is_some()
    }
}

/// The settings of every type that a table configures.
pub(crate) fn configured(config: &TableConfig) -> BTreeMap<String, Settings> {
    let map = config
        .extra
        .get("task")
        .and_then(|task| task.get("taskTypeConfigsMap"))
        .and_then(Json::as_object);
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    map.into_iter()
        .flatten()
        .map(|(name, settings)| {
            let settings = settings.as_object().into_iter().flatten();
            let settings = settings.map(|(key, value)| (key.clone(), text(value)));
            (name.clone(), settings.collect())
        })
        .collect()
}
