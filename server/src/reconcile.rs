//! From what the cluster wants to what this server does: consume, load, unload, drop.
//!
//! Must not know: how any of it is done. Invariant: [`decide`] is pure, and following it again and again leads to the wanted state
//! from any state, whatever was missed between.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::controller_service::{
    ClusterView, ReplicaState, SegmentRecord, SegmentStatus, TableView,
};

use crate::shared::Shared;
use crate::tables::Table;
use crate::{consume, load, reload, upsert};

/// What is done about one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// It is as wanted, or on its way there.
    Nothing,
    /// Start to consume.
    Consume,
    /// Tell the consumer where the segment ends.
    EndAt,
    /// Have the file and publish it.
    Load,
    /// Take it away and keep the file.
    Unload,
    /// Take it away with its file.
    Drop,
}

/// What is there of a segment.
#[derive(Debug, Clone, Copy, Default)]
struct Here {
    /// Published from a file; the checksum that the cluster knows it under.
    sealed: Option<u32>,
    /// Published from memory.
    growing: bool,
    consumed: bool,
    loading: bool,
    finished: bool,
}

fn decide(wanted: Option<ReplicaState>, record: Option<&SegmentRecord>, here: Here) -> Action {
    let Some(record) = record else {
        return Action::Drop;
    };
    match wanted {
        None | Some(ReplicaState::Dropped) => Action::Drop,
        Some(ReplicaState::Offline | ReplicaState::Error) => Action::Unload,
        Some(ReplicaState::Consuming) => {
            if here.consumed {
                Action::EndAt
            } else if here.sealed.is_some() || here.finished {
                Action::Nothing
            } else {
                Action::Consume
            }
        }
        Some(ReplicaState::Online) => {
            if here.consumed {
                Action::EndAt
            } else if here.loading || here.sealed == Some(record.crc) {
                Action::Nothing
            } else if record.status == SegmentStatus::InProgress {
                Action::Consume
            } else {
                Action::Load
            }
        }
    }
}

/// Follows a new view of the cluster. `whole` says that tables which it does not name are none of this server's.
pub(crate) fn follow(shared: &Arc<Shared>, view: ClusterView, whole: bool) {
    let named: Vec<String> = view.tables.iter().map(|t| t.name.clone()).collect();
    for table in view.tables {
        follow_table(shared, table);
    }
    let unnamed = shared.tables.all().into_iter().map(|t| t.name.clone());
    let gone: Vec<String> = unnamed
        .filter(|name| view.removed.contains(name) || (whole && !named.contains(name)))
        .filter(|name| !named.contains(name))
        .collect();
    for name in gone {
        remove_table(shared, &name);
    }
    if !shared.informed.swap(true, Ordering::SeqCst) {
        load::sweep(shared);
    }
}

fn follow_table(shared: &Arc<Shared>, view: TableView) {
    let me = &shared.instance_id;
    let table = match shared.tables.get(&view.name) {
        Some(table) => {
            table.set_view(view);
            table
        }
        None => {
            if !view
                .ideal
                .values()
                .any(|replicas| replicas.contains_key(me))
            {
                return;
            }
            let table = Arc::new(Table::new(view, &shared.data_dir));
            shared.tables.insert(Arc::clone(&table));
            table
        }
    };
    settle(shared, &table);
    reload::follow(shared, &table);
}

/// Does what is to be done about every segment of a table.
pub(crate) fn settle(shared: &Arc<Shared>, table: &Arc<Table>) {
    if table.is_gone() || shared.is_stopping() {
        return;
    }
    let view = table.view();
    let mut names: Vec<String> = table.segments.all().keys().cloned().collect();
    names.extend(table.consumers.lock().keys().cloned());
    names.extend(
        view.ideal
            .iter()
            .filter(|(_, replicas)| replicas.contains_key(&shared.instance_id))
            .map(|(name, _)| name.clone()),
    );
    // Across the partitions: segments of one partition wait for each other where their keys are read.
    names.sort_by_cached_key(|name| (upsert::place_of(name).1, name.clone()));
    names.dedup();
    for name in names {
        settle_segment(shared, table, &view, &name);
    }
}

fn settle_segment(shared: &Arc<Shared>, table: &Arc<Table>, view: &TableView, name: &str) {
    let wanted = view
        .ideal
        .get(name)
        .and_then(|replicas| replicas.get(&shared.instance_id))
        .copied();
    let record = view.segments.get(name);
    let held = table.segments.get(name);
    let here = Here {
        sealed: held
            .as_ref()
            .and_then(|h| h.sealed())
            .map(|s| load::known_crc(s)),
        growing: held.as_ref().is_some_and(|h| h.sealed().is_none()),
        consumed: table.consumers.lock().contains_key(name),
        loading: table.loading.lock().contains(name),
        finished: table.finished.lock().contains(name),
    };
    match (decide(wanted, record, here), record) {
        (Action::Consume, Some(record)) => consume::start(shared, table, record),
        (Action::EndAt, Some(record)) => end_at(table, view, record),
        (Action::Load, Some(record)) => load::start(shared, table, record.clone()),
        (Action::Unload, _) => {
            stop_consumer(table, name);
            table.take_away(name);
            shared
                .reports
                .set(&table.name, name, ReplicaState::Offline, None);
        }
        (Action::Drop, _) => {
            stop_consumer(table, name);
            table.take_away(name);
            load::delete_file(table, name);
            if here.sealed.is_some() || here.growing || here.consumed {
                shared
                    .reports
                    .set(&table.name, name, ReplicaState::Dropped, None);
            }
        }
        _ => {}
    }
}

fn end_at(table: &Table, view: &TableView, record: &SegmentRecord) {
    let Some(consumer) = table.consumers.lock().get(&record.name).cloned() else {
        return;
    };
    if let Some(end) = record.end_offset.as_ref().and_then(|end| end.parse().ok()) {
        consumer.fix_end(end);
    }
    if view.paused || view.force_commit.contains(&record.name) {
        consumer.force();
    }
}

fn stop_consumer(table: &Table, segment: &str) {
    if let Some(consumer) = table.consumers.lock().remove(segment) {
        consumer.stop();
    }
}

fn remove_table(shared: &Arc<Shared>, name: &str) {
    let Some(table) = shared.tables.remove(name) else {
        return;
    };
    table.mark_gone();
    for (_, consumer) in table.consumers.lock().drain() {
        consumer.stop();
    }
    table.parked.lock().clear();
    shared.reports.forget(name);
    load::delete_folder(&table);
    tracing::info!(table = name, "table removed");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(status: SegmentStatus) -> SegmentRecord {
        SegmentRecord {
            name: "s".to_owned(),
            status,
            partition: Some(0),
            sequence: Some(0),
            start_offset: Some("0".to_owned()),
            end_offset: None,
            download_uri: String::new(),
            crc: 7,
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

    #[test]
    fn decisions() {
        let (open, done) = (
            record(SegmentStatus::InProgress),
            record(SegmentStatus::Done),
        );
        let nothing = Here::default();
        let sealed = |crc| Here {
            sealed: Some(crc),
            ..nothing
        };
        let consumed = Here {
            consumed: true,
            growing: true,
            ..nothing
        };
        let online = Some(ReplicaState::Online);
        let consuming = Some(ReplicaState::Consuming);
        assert_eq!(decide(consuming, Some(&open), nothing), Action::Consume);
        assert_eq!(decide(consuming, Some(&open), consumed), Action::EndAt);
        assert_eq!(decide(consuming, Some(&open), sealed(7)), Action::Nothing);
        assert_eq!(decide(online, Some(&done), nothing), Action::Load);
        assert_eq!(decide(online, Some(&done), consumed), Action::EndAt);
        assert_eq!(decide(online, Some(&done), sealed(7)), Action::Nothing);
        assert_eq!(decide(online, Some(&done), sealed(8)), Action::Load);
        assert_eq!(decide(None, Some(&done), sealed(7)), Action::Drop);
        assert_eq!(decide(online, None, sealed(7)), Action::Drop);
        let offline = Some(ReplicaState::Offline);
        assert_eq!(decide(offline, Some(&done), sealed(7)), Action::Unload);
    }
}
