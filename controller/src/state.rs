//! The cluster's state in memory, changed only by [`Change`]s that are already durable.
//!
//! Must not know: the store, time, network. Invariant: `version` grows with every applied batch, and a table's version is the one of
//! the last batch that touched it, its schema, its segments or its counterpart of the other type.

use std::collections::{BTreeMap, BTreeSet};

use cluster::Write;
use common::Schema;
use common::ids::split_type;
use proto::controller_service::{ClusterView, Instance, ReplicaState, SegmentStatus, TableView};

use crate::boundary;
use crate::minion::Task;
use crate::rebalances;
use crate::records::{JobRecord, SegmentEntry, TableRecord, WatermarkRecord, keys};

/// One change of the state, and one write of the store.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Schema(Box<Schema>),
    SchemaGone(String),
    Table(Box<TableRecord>),
    TableGone(String),
    Segment(String, Box<SegmentEntry>),
    SegmentGone(String, String),
    Instance(Instance),
    InstanceGone(String),
    Config(String, String),
    ConfigGone(String),
    Job(JobRecord),
    JobGone(String),
    Watermark(WatermarkRecord),
    WatermarkGone(String, String),
    Task(Box<Task>),
    TaskGone(String),
    /// Whether tasks of a type wait.
    Held(String, bool),
}

impl Change {
    /// The change as writes of the metadata store.
    pub(crate) fn writes(&self, out: &mut Vec<Write>) -> Result<(), serde_json::Error> {
        match self {
            Self::Schema(schema) => {
                let key = keys::of(keys::SCHEMAS, &schema.name);
                out.push(Write::put(key, serde_json::to_vec(schema)?));
            }
            Self::SchemaGone(name) => out.push(Write::delete(keys::of(keys::SCHEMAS, name))),
            Self::Table(table) => {
                let key = keys::of(keys::TABLES, &table.name);
                out.push(Write::put(key, serde_json::to_vec(table)?));
                out.push(Write::delete(keys::of(keys::REMOVED, &table.name)));
            }
            Self::TableGone(name) => {
                out.push(Write::delete(keys::of(keys::TABLES, name)));
                out.push(Write::put(keys::of(keys::REMOVED, name), Vec::new()));
            }
            Self::Segment(table, entry) => {
                let key = keys::segment(table, &entry.record.name);
                out.push(Write::put(key, serde_json::to_vec(entry)?));
            }
            Self::SegmentGone(table, name) => out.push(Write::delete(keys::segment(table, name))),
            Self::Instance(instance) => {
                let key = keys::of(keys::INSTANCES, &instance.id);
                out.push(Write::put(key, serde_json::to_vec(instance)?));
            }
            Self::InstanceGone(id) => out.push(Write::delete(keys::of(keys::INSTANCES, id))),
            Self::Config(name, value) => {
                let key = keys::of(keys::CONFIGS, name);
                out.push(Write::put(key, value.clone().into_bytes()));
            }
            Self::ConfigGone(name) => out.push(Write::delete(keys::of(keys::CONFIGS, name))),
            Self::Job(job) => {
                let key = keys::of(keys::JOBS, &job.id);
                out.push(Write::put(key, serde_json::to_vec(job)?));
            }
            Self::JobGone(id) => out.push(Write::delete(keys::of(keys::JOBS, id))),
            Self::Watermark(record) => {
                let key = keys::watermark(&record.table, &record.task_type);
                out.push(Write::put(key, serde_json::to_vec(record)?));
            }
            Self::WatermarkGone(table, kind) => {
                out.push(Write::delete(keys::watermark(table, kind)));
            }
            Self::Task(task) => {
                let key = keys::of(keys::TASKS, &task.name);
                out.push(Write::put(key, serde_json::to_vec(task)?));
            }
            Self::TaskGone(name) => out.push(Write::delete(keys::of(keys::TASKS, name))),
            Self::Held(kind, held) => {
                let key = keys::of(keys::HELD, kind);
                out.push(if *held {
                    Write::put(key, Vec::new())
                } else {
                    Write::delete(key)
                });
            }
        }
        Ok(())
    }
}

/// A table with its segments.
#[derive(Debug, Clone)]
pub(crate) struct TableEntry {
    pub(crate) record: TableRecord,
    pub(crate) segments: BTreeMap<String, SegmentEntry>,
    pub(crate) version: u64,
}

/// The cluster.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) version: u64,
    /// Which cluster this is, as long as its metadata lives.
    pub(crate) cluster_id: String,
    pub(crate) schemas: BTreeMap<String, Schema>,
    pub(crate) tables: BTreeMap<String, TableEntry>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) jobs: BTreeMap<String, JobRecord>,
    /// By table with type and task type.
    pub(crate) watermarks: BTreeMap<(String, String), WatermarkRecord>,
    pub(crate) tasks: BTreeMap<String, Task>,
    /// Types whose tasks wait.
    pub(crate) held: BTreeSet<String>,
    /// Ids of the jobs that are rebalances and go on.
    pub(crate) rebalances: BTreeSet<String>,
    /// Tables that are gone, with the version that removed them.
    removed: BTreeMap<String, u64>,
    /// Version of the last change of instances or configs.
    common_version: u64,
}

impl State {
    /// An empty state whose versions grow from there.
    pub(crate) fn starting_at(version: u64) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    /// Applies a batch under one new version.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        self.version = self.version.saturating_add(1);
        let version = self.version;
        let mut touched = BTreeSet::new();
        for change in changes {
            match change {
                Change::Schema(schema) => {
                    touched.insert(schema.name.clone());
                    self.schemas.insert(schema.name.clone(), *schema);
                }
                Change::SchemaGone(name) => {
                    self.schemas.remove(&name);
                }
                Change::Table(record) => {
                    touched.insert(record.raw_name().to_owned());
                    self.put_table(*record, version);
                }
                Change::TableGone(name) => {
                    touched.insert(split_type(&name).0.to_owned());
                    self.tables.remove(&name);
                    self.removed.insert(name, version);
                }
                Change::Segment(table, entry) => {
                    touched.insert(split_type(&table).0.to_owned());
                    if let Some(table) = self.tables.get_mut(&table) {
                        table.segments.insert(entry.record.name.clone(), *entry);
                    }
                }
                Change::SegmentGone(table, name) => {
                    touched.insert(split_type(&table).0.to_owned());
                    if let Some(table) = self.tables.get_mut(&table) {
                        table.segments.remove(&name);
                    }
                }
                Change::Watermark(record) => {
                    let key = (record.table.clone(), record.task_type.clone());
                    self.watermarks.insert(key, record);
                }
                Change::WatermarkGone(table, kind) => {
                    self.watermarks.remove(&(table, kind));
                }
                Change::Task(task) => {
                    self.tasks.insert(task.name.clone(), *task);
                }
                Change::TaskGone(name) => {
                    self.tasks.remove(&name);
                }
                Change::Held(kind, true) => {
                    self.held.insert(kind);
                }
                Change::Held(kind, false) => {
                    self.held.remove(&kind);
                }
                other => {
                    self.common_version = version;
                    self.apply_common(other);
                }
            }
        }
        for raw in touched {
            for table_type in ["OFFLINE", "REALTIME"] {
                if let Some(table) = self.tables.get_mut(&format!("{raw}_{table_type}")) {
                    table.version = version;
                }
            }
        }
    }

    fn apply_common(&mut self, change: Change) {
        match change {
            Change::Instance(instance) => {
                self.instances.insert(instance.id.clone(), instance);
            }
            Change::InstanceGone(id) => {
                self.instances.remove(&id);
            }
            Change::Config(name, value) => {
                self.configs.insert(name, value);
            }
            Change::ConfigGone(name) => {
                self.configs.remove(&name);
            }
            Change::Job(job) => {
                if rebalances::is_open(&job) {
                    self.rebalances.insert(job.id.clone());
                } else {
                    self.rebalances.remove(&job.id);
                }
                self.jobs.insert(job.id.clone(), job);
            }
            Change::JobGone(id) => {
                self.rebalances.remove(&id);
                self.jobs.remove(&id);
            }
            _ => {}
        }
    }

    fn put_table(&mut self, record: TableRecord, version: u64) {
        self.removed.remove(&record.name);
        match self.tables.get_mut(&record.name) {
            Some(entry) => entry.record = record,
            None => {
                let entry = TableEntry {
                    segments: BTreeMap::new(),
                    version,
                    record,
                };
                self.tables.insert(entry.record.name.clone(), entry);
            }
        }
    }

    /// Remembers a table that went before this process began.
    pub(crate) fn remember_removed(&mut self, name: &str) {
        self.removed.insert(name.to_owned(), self.version);
    }

    /// The table of that exact name with type.
    pub(crate) fn table(&self, name: &str) -> Option<&TableEntry> {
        self.tables.get(name)
    }

    /// The schema of a table.
    pub(crate) fn schema_of(&self, table: &str) -> Option<&Schema> {
        self.schemas.get(split_type(table).0)
    }

    /// Names with type behind a raw or full name, in the order OFFLINE, REALTIME.
    pub(crate) fn resolve(&self, name: &str) -> Vec<String> {
        if self.tables.contains_key(name) {
            return vec![name.to_owned()];
        }
        ["OFFLINE", "REALTIME"]
            .iter()
            .map(|table_type| format!("{name}_{table_type}"))
            .filter(|name| self.tables.contains_key(name))
            .collect()
    }

    /// Live and enabled instances of a role that carry a tag.
    pub(crate) fn tagged(&self, role: &str, tag: &str) -> Vec<&Instance> {
        self.instances
            .values()
            .filter(|i| i.role == role && i.tags.iter().any(|t| t == tag))
            .collect()
    }

    /// What changed since `version` as one instance sees it; `None` where nothing of interest did.
    pub(crate) fn view_since(&self, instance_id: &str, version: u64) -> Option<ClusterView> {
        if version >= self.version && version != 0 {
            return None;
        }
        let only = self
            .instances
            .get(instance_id)
            .filter(|i| i.role == "server")
            .map(|i| i.id.as_str());
        let tables: Vec<TableView> = self
            .tables
            .values()
            .filter(|t| t.version > version)
            .filter(|t| only.is_none_or(|id| t.concerns(id)))
            .filter_map(|t| self.table_view(t))
            .collect();
        let removed: Vec<String> = self
            .removed
            .iter()
            .filter(|(_, at)| **at > version)
            .map(|(name, _)| name.clone())
            .collect();
        let common_changed = self.common_version > version || version == 0;
        if tables.is_empty() && removed.is_empty() && !common_changed {
            return None;
        }
        Some(ClusterView {
            version: self.version,
            instances: self.instances.values().cloned().collect(),
            tables,
            removed,
            configs: self.configs.clone(),
        })
    }

    fn table_view(&self, table: &TableEntry) -> Option<TableView> {
        let record = &table.record;
        let mut schema = self.schema_of(&record.name)?.clone();
        let mut config = record.config.clone();
        common::timestamp_index::add_columns(&mut schema, &mut config);
        let in_progress = |name: &&String| {
            table
                .segments
                .get(*name)
                .is_some_and(|s| s.record.status == SegmentStatus::InProgress)
        };
        Some(TableView {
            name: record.name.clone(),
            version: table.version,
            enabled: record.enabled,
            config,
            schema,
            segments: collect(table, |entry| entry.record.clone()),
            ideal: collect(table, |entry| entry.ideal.clone()),
            external: collect(table, |entry| entry.external.clone()),
            paused: record.pause.paused,
            force_commit: record
                .force_commit
                .iter()
                .filter(in_progress)
                .cloned()
                .collect(),
            reload_generation: record.reload_generation,
            time_boundary_ms: boundary::of(self, record.raw_name()),
            hidden: record.hidden(),
        })
    }
}

fn collect<T>(table: &TableEntry, of: impl Fn(&SegmentEntry) -> T) -> BTreeMap<String, T> {
    table
        .segments
        .iter()
        .map(|(name, entry)| (name.clone(), of(entry)))
        .collect()
}

impl TableEntry {
    /// True where an instance is to hold, or says that it holds, a replica.
    pub(crate) fn concerns(&self, instance_id: &str) -> bool {
        self.segments.values().any(|segment| {
            segment.ideal.contains_key(instance_id) || segment.external.contains_key(instance_id)
        })
    }

    /// Names of the consuming segments.
    pub(crate) fn consuming(&self) -> Vec<String> {
        self.segments
            .values()
            .filter(|s| {
                s.record.status == SegmentStatus::InProgress
                    && s.ideal
                        .values()
                        .any(|state| *state == ReplicaState::Consuming)
            })
            .map(|s| s.record.name.clone())
            .collect()
    }
}
