//! What the controller keeps of schemas, tables, segments, instances and jobs, and the keys it keeps them under.
//!
//! Must not know: how a store works. Invariant: a record is plain data that reads back from its own JSON.

use std::collections::BTreeMap;

use common::TableConfig;
use proto::controller_service::{Replicas, SegmentRecord};
use serde::{Deserialize, Serialize};

/// Why and since when a table is paused, or was resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRecord {
    /// True while no new consuming segment is to begin.
    pub paused: bool,
    /// Free text of the operator.
    pub comment: Option<String>,
    /// When it was last set, milliseconds; `None` where it never was.
    pub at_ms: Option<i64>,
}

/// A batch of segments that replaces others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageEntry {
    /// Id that the client names again at the end.
    pub id: String,
    /// Segments that go.
    pub from: Vec<String>,
    /// Segments that come.
    pub to: Vec<String>,
    /// `IN_PROGRESS`, `COMPLETED` or `REVERTED`.
    pub state: String,
    /// When it began or ended, milliseconds.
    pub at_ms: i64,
}

/// A table without its segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRecord {
    /// Name with type.
    pub name: String,
    /// Config, its name with type.
    pub config: TableConfig,
    /// The config as clients see it, in Pinot's form.
    pub form: serde_json::Value,
    /// Creation time, milliseconds.
    pub created_ms: i64,
    /// Time of the last change of the config, milliseconds.
    pub modified_ms: i64,
    /// Time of the last change of the schema since the table is there, milliseconds.
    #[serde(default)]
    pub schema_changed_ms: Option<i64>,
    /// False where it was disabled.
    pub enabled: bool,
    /// Pause state.
    #[serde(default)]
    pub pause: PauseRecord,
    /// Consuming segments that are to be committed now.
    #[serde(default)]
    pub force_commit: Vec<String>,
    /// Counts up with each reload request.
    #[serde(default)]
    pub reload_generation: u64,
    /// A time boundary set by an operator, milliseconds.
    #[serde(default)]
    pub explicit_boundary_ms: Option<i64>,
    /// Replacements under way or done.
    #[serde(default)]
    pub lineage: Vec<LineageEntry>,
    /// Why rows cannot be taken from the stream now.
    #[serde(default)]
    pub ingestion_error: Option<String>,
}

impl TableRecord {
    /// The raw name.
    #[must_use]
    pub fn raw_name(&self) -> &str {
        self.config.raw_name()
    }

    /// Segments that a query must not see: those being loaded for a replacement, and those that were replaced.
    #[must_use]
    pub fn hidden(&self) -> Vec<String> {
        let mut hidden = Vec::new();
        for entry in &self.lineage {
            match entry.state.as_str() {
                "COMPLETED" => hidden.extend(entry.from.iter().cloned()),
                _ => hidden.extend(entry.to.iter().cloned()),
            }
        }
        hidden
    }
}

/// Where a rebalance moves a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Id of the job.
    pub job: String,
    /// Servers that had it; they keep it where the job is cancelled.
    pub before: Vec<String>,
    /// Servers that are to have it.
    pub after: Vec<String>,
}

/// A segment with its replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// What it is.
    pub record: SegmentRecord,
    /// Wanted replicas.
    pub ideal: Replicas,
    /// Reported replicas.
    #[serde(default)]
    pub external: Replicas,
    /// Last errors by instance.
    #[serde(default)]
    pub errors: BTreeMap<String, String>,
    /// Set while a rebalance moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Moving>,
}

/// How far a rebalance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebalanceRecord {
    /// Replicas that are to come.
    pub total: usize,
    /// Those that were missing when it ended.
    pub remaining: usize,
    /// The controller that carries it on, or did last.
    pub by: String,
    /// How often a controller went on with it that had not begun it.
    pub resumed: u32,
    /// Asked to end early.
    pub cancelled: bool,
    /// How it ended, `DONE`, `CANCELLED` or `FAILED`, with a text and when, milliseconds.
    pub ended: Option<(String, String, i64)>,
}

/// A job that a client may ask about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Id.
    pub id: String,
    /// `FORCE_COMMIT`, `RELOAD_SEGMENT` and the like.
    pub kind: String,
    /// Table with type.
    pub table: String,
    /// Segments concerned.
    pub segments: Vec<String>,
    /// Start, milliseconds.
    pub submitted_ms: i64,
    /// The table's reload generation that the job waits for.
    #[serde(default)]
    pub generation: u64,
    /// Set for a rebalance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceRecord>,
}

/// How far the tasks of a type have come on a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkRecord {
    /// Table with type.
    pub table: String,
    /// Task type.
    pub task_type: String,
    /// Milliseconds by level; the level of a type without levels is empty.
    pub at_ms: BTreeMap<String, i64>,
}

impl WatermarkRecord {
    /// Nothing done yet.
    #[must_use]
    pub fn new(table: &str, task_type: &str) -> Self {
        Self {
            table: table.to_owned(),
            task_type: task_type.to_owned(),
            at_ms: BTreeMap::new(),
        }
    }
}

/// Keys in the metadata store.
pub(crate) mod keys {
    /// Which cluster this is.
    pub(crate) const CLUSTER_ID: &str = "cluster-id";
    pub(crate) const SCHEMAS: &str = "schemas/";
    pub(crate) const TABLES: &str = "tables/";
    pub(crate) const SEGMENTS: &str = "segments/";
    pub(crate) const INSTANCES: &str = "instances/";
    pub(crate) const CONFIGS: &str = "configs/";
    pub(crate) const JOBS: &str = "jobs/";
    pub(crate) const REMOVED: &str = "removed/";
    pub(crate) const WATERMARKS: &str = "watermarks/";
    pub(crate) const TASKS: &str = "tasks/";
    /// Types whose tasks wait.
    pub(crate) const HELD: &str = "held/";

    pub(crate) fn of(prefix: &str, name: &str) -> String {
        format!("{prefix}{name}")
    }

    pub(crate) fn watermark(table: &str, task_type: &str) -> String {
        format!("{WATERMARKS}{table}/{task_type}")
    }

    pub(crate) fn segment(table: &str, name: &str) -> String {
        format!("{SEGMENTS}{table}/{name}")
    }
}
