//! A table's segments with the servers that can answer for them.
//!
//! Must not know: queries. Invariant: only live, enabled servers that report the segment as served are candidates; one that is
//! leaving stands beside them, for want of any.

use std::collections::HashMap;
use std::sync::Arc;

use common::Schema;
use proto::controller_service::{ReplicaState, SegmentRecord, TableView};
use serde_json::Value as Json;

use super::Server;

/// How a replica is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Any replica, in turn.
    Balanced,
    /// The same position of the sorted replicas for every segment.
    ReplicaGroup,
    /// One server for all segments of a partition.
    StrictReplicaGroup,
}

/// A segment.
pub(crate) struct RoutedSegment {
    pub(crate) name: String,
    /// Positions in [`RoutedTable::servers`], ordered by instance id.
    pub(crate) candidates: Vec<u32>,
    /// The same of those that live no more, by the last that was heard of them.
    pub(crate) gone: Vec<u32>,
    /// Stream partition, or the only value of its partition metadata.
    pub(crate) partition: Option<u32>,
    /// Created at, milliseconds.
    pub(crate) created_ms: i64,
    /// No server ever answered for it, and one that shall have it lives: it is about to.
    pub(crate) awaited: bool,
    /// Position of its record in the view, `None` where it has none.
    pub(crate) record: Option<SegmentRecord>,
}

/// A table.
pub(crate) struct RoutedTable {
    pub(crate) view: Arc<TableView>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) segments: Vec<RoutedSegment>,
    pub(crate) selector: Selector,
}

impl RoutedTable {
    /// Routes a table. The schema of `old` is kept where it is the same, so that plans over it stay valid.
    pub(super) fn new(
        view: Arc<TableView>,
        servers: &HashMap<String, Arc<Server>>,
        old: Option<&Self>,
    ) -> Self {
        let schema = match old {
            Some(old) if *old.schema == view.schema => Arc::clone(&old.schema),
            _ => Arc::new(view.schema.clone()),
        };
        let mut table = Self {
            selector: selector_of(&view),
            view,
            schema,
            servers: Vec::new(),
            segments: Vec::new(),
        };
        table.route(servers);
        table
    }

    /// The same table with other servers.
    pub(super) fn rebuilt(&self, servers: &HashMap<String, Arc<Server>>) -> Self {
        Self::new(Arc::clone(&self.view), servers, Some(self))
    }

    fn route(&mut self, servers: &HashMap<String, Arc<Server>>) {
        let view = Arc::clone(&self.view);
        let mut positions: HashMap<&str, u32> = HashMap::new();
        for (name, ideal) in &view.ideal {
            let wanted: Vec<bool> = ideal
                .iter()
                .filter(|(_, s)| matches!(s, ReplicaState::Online | ReplicaState::Consuming))
                .map(|(id, _)| servers.get(id).is_some_and(|s| s.serves()))
                .collect();
            if wanted.is_empty() || view.hidden.contains(name) {
                continue;
            }
            let awaited = wanted.contains(&true)
                && view.external.get(name).is_none_or(|known| known.is_empty());
            let (mut candidates, mut gone) = (Vec::new(), Vec::new());
            for (id, state) in view.external.get(name).into_iter().flatten() {
                let up = matches!(state, ReplicaState::Online | ReplicaState::Consuming);
                let kept = !matches!(
                    ideal.get(id),
                    Some(ReplicaState::Offline | ReplicaState::Dropped | ReplicaState::Error)
                );
                let Some(server) = servers.get(id).filter(|_| up && kept) else {
                    continue;
                };
                let position = *positions.entry(id).or_insert_with(|| {
                    self.servers.push(Arc::clone(server));
                    (self.servers.len() - 1) as u32
                });
                if server.serves() {
                    candidates.push(position);
                } else {
                    gone.push(position);
                }
            }
            let record = view.segments.get(name);
            self.segments.push(RoutedSegment {
                name: name.clone(),
                candidates,
                gone,
                partition: record.and_then(partition_of),
                created_ms: record.map_or(0, |r| r.created_ms.max(r.pushed_ms)),
                awaited,
                record: record.cloned(),
            });
        }
    }

    /// The name without type.
    pub(crate) fn raw_name(&self) -> &str {
        self.view.config.raw_name()
    }

    /// The time column.
    pub(crate) fn time_column(&self) -> Option<&str> {
        self.view.config.segments_config.time_column_name.as_deref()
    }
}

fn partition_of(record: &SegmentRecord) -> Option<u32> {
    record.partition.or_else(|| {
        let mut lists = record.partitions.values();
        match (lists.next(), lists.next()) {
            (Some((_, _, present)), None) => match present.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
            _ => None,
        }
    })
}

fn selector_of(view: &TableView) -> Selector {
    let named = view
        .config
        .extra
        .get("routing")
        .and_then(|routing| routing.get("instanceSelectorType"))
        .and_then(Json::as_str);
    match named {
        Some("strictReplicaGroup" | "multiStageReplicaGroup") => Selector::StrictReplicaGroup,
        Some("replicaGroup") => Selector::ReplicaGroup,
        // Rows of one key must be judged by one server.
        _ if view.config.upsert_config.is_some() => Selector::StrictReplicaGroup,
        _ => Selector::Balanced,
    }
}
