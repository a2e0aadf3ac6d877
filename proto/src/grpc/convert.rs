//! Domain types to wire messages and back.
//!
//! Must not know: transport. Invariant: `from(into(x)) == x` for every value that a role may send.

use std::collections::BTreeMap;

use super::wire;
use crate::QueryRequest;
use crate::controller_service::{
    ClusterView, CompletionAnswer, CompletionRequest, Instance, ReplicaReport, ReplicaState,
    Replicas, SegmentRecord, SegmentStatus, TableView,
};

impl From<Instance> for wire::Instance {
    fn from(from: Instance) -> Self {
        Self {
            id: from.id,
            role: from.role,
            host: from.host,
            port: u32::from(from.port),
            admin_port: u32::from(from.admin_port),
            tags: from.tags,
            live: from.live,
            enabled: from.enabled,
        }
    }
}

impl TryFrom<wire::Instance> for Instance {
    type Error = std::num::TryFromIntError;

    fn try_from(from: wire::Instance) -> Result<Self, Self::Error> {
        Ok(Self {
            id: from.id,
            role: from.role,
            host: from.host,
            port: u16::try_from(from.port)?,
            admin_port: u16::try_from(from.admin_port)?,
            tags: from.tags,
            live: from.live,
            enabled: from.enabled,
        })
    }
}

impl From<SegmentRecord> for wire::Segment {
    fn from(from: SegmentRecord) -> Self {
        let status = match from.status {
            SegmentStatus::InProgress => wire::SegmentStatus::InProgress,
            SegmentStatus::Done => wire::SegmentStatus::Done,
            SegmentStatus::Uploaded => wire::SegmentStatus::Uploaded,
        };
        let partitions = from
            .partitions
            .into_iter()
            .map(|(column, (function, count, present))| wire::Partitioning {
                column,
                function,
                count,
                present,
            })
            .collect();
        Self {
            name: from.name,
            status: status.into(),
            partition: from.partition,
            sequence: from.sequence,
            start_offset: from.start_offset,
            end_offset: from.end_offset,
            download_uri: from.download_uri,
            crc: from.crc,
            total_docs: from.total_docs,
            size_bytes: from.size_bytes,
            start_time_ms: from.start_time_ms,
            end_time_ms: from.end_time_ms,
            created_ms: from.created_ms,
            pushed_ms: from.pushed_ms,
            flush_rows: from.flush_rows,
            partitions,
        }
    }
}

impl From<wire::Segment> for SegmentRecord {
    fn from(from: wire::Segment) -> Self {
        let status = match from.status() {
            wire::SegmentStatus::InProgress => SegmentStatus::InProgress,
            wire::SegmentStatus::Done => SegmentStatus::Done,
            wire::SegmentStatus::Uploaded => SegmentStatus::Uploaded,
        };
        Self {
            status,
            name: from.name,
            partition: from.partition,
            sequence: from.sequence,
            start_offset: from.start_offset,
            end_offset: from.end_offset,
            download_uri: from.download_uri,
            crc: from.crc,
            total_docs: from.total_docs,
            size_bytes: from.size_bytes,
            start_time_ms: from.start_time_ms,
            end_time_ms: from.end_time_ms,
            created_ms: from.created_ms,
            pushed_ms: from.pushed_ms,
            flush_rows: from.flush_rows,
            partitions: from
                .partitions
                .into_iter()
                .map(|p| (p.column, (p.function, p.count, p.present)))
                .collect(),
        }
    }
}

impl From<ReplicaState> for wire::ReplicaState {
    fn from(from: ReplicaState) -> Self {
        match from {
            ReplicaState::Online => Self::Online,
            ReplicaState::Consuming => Self::Consuming,
            ReplicaState::Offline => Self::Offline,
            ReplicaState::Error => Self::Error,
            ReplicaState::Dropped => Self::Dropped,
        }
    }
}

impl From<wire::ReplicaState> for ReplicaState {
    fn from(from: wire::ReplicaState) -> Self {
        match from {
            wire::ReplicaState::Online => Self::Online,
            wire::ReplicaState::Consuming => Self::Consuming,
            wire::ReplicaState::Offline => Self::Offline,
            wire::ReplicaState::Error => Self::Error,
            wire::ReplicaState::Dropped => Self::Dropped,
        }
    }
}

fn to_replicas(from: BTreeMap<String, Replicas>) -> Vec<wire::Replica> {
    let mut all = Vec::new();
    for (segment, replicas) in from {
        if replicas.is_empty() {
            // A segment without replicas is told apart from an unknown one.
            let state = wire::ReplicaState::Offline.into();
            all.push(wire::Replica {
                segment,
                instance: String::new(),
                state,
            });
            continue;
        }
        for (instance, state) in replicas {
            let state = wire::ReplicaState::from(state).into();
            all.push(wire::Replica {
                segment: segment.clone(),
                instance,
                state,
            });
        }
    }
    all
}

fn from_replicas(from: Vec<wire::Replica>) -> BTreeMap<String, Replicas> {
    let mut all = BTreeMap::<String, Replicas>::new();
    for replica in from {
        let state = replica.state().into();
        let of_segment = all.entry(replica.segment).or_default();
        if !replica.instance.is_empty() {
            of_segment.insert(replica.instance, state);
        }
    }
    all
}

impl TryFrom<TableView> for wire::Table {
    type Error = serde_json::Error;

    fn try_from(from: TableView) -> Result<Self, Self::Error> {
        Ok(Self {
            name: from.name,
            version: from.version,
            enabled: from.enabled,
            config_json: serde_json::to_vec(&from.config)?,
            schema_json: serde_json::to_vec(&from.schema)?,
            segments: from.segments.into_values().map(Into::into).collect(),
            ideal: to_replicas(from.ideal),
            external: to_replicas(from.external),
            paused: from.paused,
            force_commit: from.force_commit,
            reload_generation: from.reload_generation,
            time_boundary_ms: from.time_boundary_ms,
            hidden: from.hidden,
        })
    }
}

impl TryFrom<wire::Table> for TableView {
    type Error = serde_json::Error;

    fn try_from(from: wire::Table) -> Result<Self, Self::Error> {
        Ok(Self {
            name: from.name,
            version: from.version,
            enabled: from.enabled,
            config: serde_json::from_slice(&from.config_json)?,
            schema: serde_json::from_slice(&from.schema_json)?,
            segments: from
                .segments
                .into_iter()
                .map(|segment| (segment.name.clone(), segment.into()))
                .collect(),
            ideal: from_replicas(from.ideal),
            external: from_replicas(from.external),
            paused: from.paused,
            force_commit: from.force_commit,
            reload_generation: from.reload_generation,
            time_boundary_ms: from.time_boundary_ms,
            hidden: from.hidden,
        })
    }
}

impl TryFrom<ClusterView> for wire::ClusterView {
    type Error = serde_json::Error;

    fn try_from(from: ClusterView) -> Result<Self, Self::Error> {
        Ok(Self {
            version: from.version,
            instances: from.instances.into_iter().map(Into::into).collect(),
            tables: from
                .tables
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            removed: from.removed,
            configs: from.configs.into_iter().collect(),
        })
    }
}

impl TryFrom<wire::ClusterView> for ClusterView {
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn try_from(from: wire::ClusterView) -> Result<Self, Self::Error> {
        let instances: Result<_, std::num::TryFromIntError> =
            from.instances.into_iter().map(TryInto::try_into).collect();
        let tables: Result<_, serde_json::Error> =
            from.tables.into_iter().map(TryInto::try_into).collect();
        Ok(Self {
            version: from.version,
            instances: instances?,
            tables: tables?,
            removed: from.removed,
            configs: from.configs.into_iter().collect(),
        })
    }
}

impl From<ReplicaReport> for wire::ReplicaReport {
    fn from(from: ReplicaReport) -> Self {
        Self {
            table: from.table,
            segment: from.segment,
            state: wire::ReplicaState::from(from.state).into(),
            error: from.error,
        }
    }
}

impl From<wire::ReplicaReport> for ReplicaReport {
    fn from(from: wire::ReplicaReport) -> Self {
        Self {
            state: from.state().into(),
            table: from.table,
            segment: from.segment,
            error: from.error,
        }
    }
}

impl From<CompletionRequest> for wire::CompletionRequest {
    fn from(from: CompletionRequest) -> Self {
        Self {
            instance: from.instance,
            table: from.table,
            segment: from.segment,
            offset: from.offset,
            rows: from.rows,
            reason: from.reason,
        }
    }
}

impl From<wire::CompletionRequest> for CompletionRequest {
    fn from(from: wire::CompletionRequest) -> Self {
        Self {
            instance: from.instance,
            table: from.table,
            segment: from.segment,
            offset: from.offset,
            rows: from.rows,
            reason: from.reason,
        }
    }
}

impl From<CompletionAnswer> for wire::CompletionAnswer {
    fn from(from: CompletionAnswer) -> Self {
        use wire::CompletionKind as Kind;
        let (kind, detail) = match from {
            CompletionAnswer::Hold => (Kind::Hold, String::new()),
            CompletionAnswer::CatchUp(offset) => (Kind::CatchUp, offset),
            CompletionAnswer::Commit(offset) => (Kind::Commit, offset),
            CompletionAnswer::Keep(offset) => (Kind::Keep, offset),
            CompletionAnswer::Discard => (Kind::Discard, String::new()),
            CompletionAnswer::NotLeader => (Kind::NotLeader, String::new()),
            CompletionAnswer::Failed(reason) => (Kind::Failed, reason),
        };
        Self {
            kind: kind.into(),
            detail,
        }
    }
}

impl From<wire::CompletionAnswer> for CompletionAnswer {
    fn from(from: wire::CompletionAnswer) -> Self {
        use wire::CompletionKind as Kind;
        match from.kind() {
            Kind::Hold => Self::Hold,
            Kind::CatchUp => Self::CatchUp(from.detail),
            Kind::Commit => Self::Commit(from.detail),
            Kind::Keep => Self::Keep(from.detail),
            Kind::Discard => Self::Discard,
            Kind::NotLeader => Self::NotLeader,
            Kind::Failed => Self::Failed(from.detail),
        }
    }
}

impl From<QueryRequest> for wire::QueryRequest {
    fn from(from: QueryRequest) -> Self {
        Self {
            request_id: from.request_id,
            broker_id: from.broker_id,
            table: from.table,
            segments: from.segments,
            sql: from.sql,
            options: from
                .options
                .into_iter()
                .map(|(key, value)| wire::QueryOption { key, value })
                .collect(),
            time_boundary: from.time_boundary.map(|(column, value, offline_side)| {
                wire::TimeBoundary {
                    column,
                    value,
                    offline_side,
                }
            }),
            timeout_ms: from.timeout_ms,
            now_ms: from.now_ms,
        }
    }
}

impl From<wire::QueryRequest> for QueryRequest {
    fn from(from: wire::QueryRequest) -> Self {
        Self {
            request_id: from.request_id,
            broker_id: from.broker_id,
            table: from.table,
            segments: from.segments,
            sql: from.sql,
            options: from.options.into_iter().map(|o| (o.key, o.value)).collect(),
            time_boundary: from
                .time_boundary
                .map(|b| (b.column, b.value, b.offline_side)),
            timeout_ms: from.timeout_ms,
            now_ms: from.now_ms,
            plan: None,
        }
    }
}
