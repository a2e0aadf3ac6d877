//! The rows of the tables about the cluster, out of what the broker knows.
//!
//! Must not know: SQL. Invariant: a row about a table is there only for those who may read that table; what is about no table is for
//! those who are not limited to some.

use std::sync::Arc;

use cluster::Principal;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use proto::controller_service::{ReplicaState, Replicas, SegmentRecord, SegmentStatus, TableView};

use crate::execution::Core;

/// Every name.
pub(super) const ALL: &[&str] = &[
    "segments",
    "tables",
    "ingestion",
    "instances",
    "queries",
    "metrics",
];

/// Columns by name, filled row by row.
#[derive(Default)]
struct Columns(Vec<(&'static str, Cells)>);

enum Cells {
    Text(Vec<Option<String>>),
    Whole(Vec<Option<i64>>),
    Fraction(Vec<Option<f64>>),
    Truth(Vec<Option<bool>>),
}

/// One cell.
enum Cell {
    Text(Option<String>),
    Whole(Option<i64>),
    Fraction(Option<f64>),
    Truth(bool),
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(Some(value.into()))
}

fn whole(value: impl TryInto<i64>) -> Cell {
    Cell::Whole(value.try_into().ok())
}

impl Columns {
    /// Adds a row; its cells are of the same columns in every row.
    fn add<const N: usize>(&mut self, row: [(&'static str, Cell); N]) {
        for (at, (name, cell)) in row.into_iter().enumerate() {
            if self.0.len() <= at {
                let empty = match cell {
                    Cell::Text(_) => Cells::Text(Vec::new()),
                    Cell::Whole(_) => Cells::Whole(Vec::new()),
                    Cell::Fraction(_) => Cells::Fraction(Vec::new()),
                    Cell::Truth(_) => Cells::Truth(Vec::new()),
                };
                self.0.push((name, empty));
            }
            match (self.0.get_mut(at).map(|(_, cells)| cells), cell) {
                (Some(Cells::Text(cells)), Cell::Text(value)) => cells.push(value),
                (Some(Cells::Whole(cells)), Cell::Whole(value)) => cells.push(value),
                (Some(Cells::Fraction(cells)), Cell::Fraction(value)) => cells.push(value),
                (Some(Cells::Truth(cells)), Cell::Truth(value)) => cells.push(Some(value)),
                _ => {}
            }
        }
    }

    /// The columns without the first row, which only told what there is.
    fn finish(self) -> Option<RecordBatch> {
        let columns = self.0.into_iter().map(|(name, cells)| {
            let array: ArrayRef = match cells {
                Cells::Text(cells) => Arc::new(StringArray::from(cells)),
                Cells::Whole(cells) => Arc::new(Int64Array::from(cells)),
                Cells::Fraction(cells) => Arc::new(Float64Array::from(cells)),
                Cells::Truth(cells) => Arc::new(BooleanArray::from(cells)),
            };
            (name, array, true)
        });
        let whole = RecordBatch::try_from_iter_with_nullable(columns).ok()?;
        Some(whole.slice(1, whole.num_rows().saturating_sub(1)))
    }
}

/// The rows of one of the tables.
pub(super) fn rows(core: &Core, name: &str, principal: Option<&Principal>) -> Option<RecordBatch> {
    let routing = core.routing.load();
    let mut views: Vec<Arc<TableView>> = routing
        .views()
        .filter(|view| principal.is_none_or(|p| p.may_touch(&view.name)))
        .cloned()
        .collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    let unlimited = principal.is_none_or(|p| !p.is_limited_to_tables());
    let mut columns = Columns::default();
    match name {
        "segments" => segments(&views, &mut columns),
        "tables" => tables(&views, &mut columns),
        "ingestion" => ingestion(&views, &mut columns),
        "instances" => {
            let known = routing.instances().filter(|_| unlimited);
            instances(known, &mut columns);
        }
        "queries" => {
            let running = core.running.list();
            let shown = running.into_iter().filter(|_| unlimited);
            queries(core, shown, &mut columns);
        }
        "metrics" => {
            let told = core.metrics.text(core.clock.now_ms());
            metrics(if unlimited { &told } else { "" }, &mut columns);
        }
        _ => return None,
    }
    columns.finish()
}

fn serving(replicas: Option<&Replicas>) -> usize {
    let serves =
        |state: &&ReplicaState| matches!(state, ReplicaState::Online | ReplicaState::Consuming);
    replicas.map_or(0, |replicas| replicas.values().filter(serves).count())
}

fn status(record: &SegmentRecord) -> &'static str {
    match record.status {
        SegmentStatus::InProgress => "IN_PROGRESS",
        SegmentStatus::Done => "DONE",
        SegmentStatus::Uploaded => "UPLOADED",
    }
}

fn segments(views: &[Arc<TableView>], out: &mut Columns) {
    let mut add = |table: &str, record: &SegmentRecord, wanted: usize, there: usize| {
        out.add([
            ("table_name", text(table)),
            ("segment_name", text(&record.name)),
            ("status", text(status(record))),
            ("partition", Cell::Whole(record.partition.map(i64::from))),
            ("sequence", Cell::Whole(record.sequence.map(i64::from))),
            ("total_docs", whole(record.total_docs)),
            ("size_bytes", whole(record.size_bytes)),
            ("start_time_ms", Cell::Whole(record.start_time_ms)),
            ("end_time_ms", Cell::Whole(record.end_time_ms)),
            ("created_ms", Cell::Whole(Some(record.created_ms))),
            ("pushed_ms", Cell::Whole(Some(record.pushed_ms))),
            ("crc", whole(record.crc)),
            ("replicas", whole(wanted)),
            ("serving_replicas", whole(there)),
        ]);
    };
    add("", &nothing(), 0, 0);
    for view in views {
        for (name, record) in &view.segments {
            let wanted = view.ideal.get(name).map_or(0, Replicas::len);
            add(&view.name, record, wanted, serving(view.external.get(name)));
        }
    }
}

fn nothing() -> SegmentRecord {
    SegmentRecord {
        name: String::new(),
        status: SegmentStatus::Done,
        partition: None,
        sequence: None,
        start_offset: None,
        end_offset: None,
        download_uri: String::new(),
        crc: 0,
        total_docs: 0,
        size_bytes: 0,
        start_time_ms: None,
        end_time_ms: None,
        created_ms: 0,
        pushed_ms: 0,
        flush_rows: None,
        partitions: std::collections::BTreeMap::new(),
    }
}

fn tables(views: &[Arc<TableView>], out: &mut Columns) {
    let mut add = |view: Option<&TableView>| {
        let records = || view.into_iter().flat_map(|v| v.segments.values());
        let kind = view.map_or("", |v| match v.config.table_type {
            common::TableType::Offline => "OFFLINE",
            common::TableType::Realtime => "REALTIME",
        });
        out.add([
            ("table_name", text(view.map_or("", |v| v.config.raw_name()))),
            ("table_type", text(kind)),
            ("enabled", Cell::Truth(view.is_some_and(|v| v.enabled))),
            ("paused", Cell::Truth(view.is_some_and(|v| v.paused))),
            ("columns", whole(view.map_or(0, |v| v.schema.fields.len()))),
            ("segments", whole(records().count())),
            (
                "total_docs",
                whole(records().map(|r| r.total_docs).sum::<u64>()),
            ),
            (
                "size_bytes",
                whole(records().map(|r| r.size_bytes).sum::<u64>()),
            ),
            (
                "time_boundary_ms",
                Cell::Whole(view.and_then(|v| v.time_boundary_ms)),
            ),
        ]);
    };
    add(None);
    views.iter().for_each(|view| add(Some(view)));
}

fn ingestion(views: &[Arc<TableView>], out: &mut Columns) {
    let mut add = |view: Option<&TableView>, record: &SegmentRecord, consuming: usize| {
        out.add([
            ("table_name", text(view.map_or("", |v| &v.name))),
            ("partition", Cell::Whole(record.partition.map(i64::from))),
            ("segment_name", text(&record.name)),
            ("sequence", Cell::Whole(record.sequence.map(i64::from))),
            ("start_offset", Cell::Text(record.start_offset.clone())),
            ("consuming_replicas", whole(consuming)),
            ("since_ms", Cell::Whole(Some(record.created_ms))),
            ("paused", Cell::Truth(view.is_some_and(|v| v.paused))),
        ]);
    };
    add(None, &nothing(), 0);
    for view in views {
        let open = view.segments.iter();
        for (name, record) in open.filter(|(_, r)| r.status == SegmentStatus::InProgress) {
            let replicas = view.external.get(name);
            let consuming = replicas.map_or(0, |replicas| {
                let states = replicas.values();
                states.filter(|s| **s == ReplicaState::Consuming).count()
            });
            add(Some(view), record, consuming);
        }
    }
}

fn instances<'a>(known: impl Iterator<Item = (&'a str, &'a str, u16)>, out: &mut Columns) {
    let mut add = |(id, host, port): (&str, &str, u16)| {
        let role = id.split('_').next().unwrap_or_default().to_lowercase();
        out.add([
            ("instance_id", text(id)),
            ("role", text(role)),
            ("host", text(host)),
            ("port", whole(port)),
        ]);
    };
    add(("", "", 0));
    known.for_each(add);
}

fn queries(core: &Core, running: impl Iterator<Item = (String, String)>, out: &mut Columns) {
    let mut add = |id: String, sql: String| {
        out.add([
            ("request_id", text(id)),
            ("broker_id", text(&core.id)),
            ("sql", text(sql)),
        ]);
    };
    add(String::new(), String::new());
    running.for_each(|(id, sql)| add(id, sql));
}

/// Lines of Prometheus' text form.
fn metrics(told: &str, out: &mut Columns) {
    let mut add = |name: &str, labels: &str, value: Option<f64>| {
        out.add([
            ("name", text(name)),
            ("labels", text(labels)),
            ("value", Cell::Fraction(value)),
        ]);
    };
    add("", "", None);
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let Some((what, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = what.split_once('{').unwrap_or((what, ""));
        add(name, labels.trim_end_matches('}'), value.parse().ok());
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, metrics};

    #[test]
    fn lines_become_rows() -> Result<(), Box<dyn std::error::Error>> {
        let mut columns = Columns::default();
        metrics("# HELP a\na{t=\"x y\"} 1.5\nb 2\n", &mut columns);
        let batch = columns.finish().ok_or("no rows")?;
        assert_eq!((batch.num_rows(), batch.num_columns()), (2, 3));
        Ok(())
    }
}
