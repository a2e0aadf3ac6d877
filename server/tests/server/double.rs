//! A controller in memory with one table, one partition a topic partition, one replica.
//!
//! Must not know: servers' insides. Invariant: it names the next consuming segment when a commit starts, as the real one does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use common::ids::RealtimeSegmentName;
use common::{Schema, TableConfig};
use parking_lot::Mutex;
use proto::controller_service::{
    CLUSTER_ID, ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, Instance,
    ReplicaReport, ReplicaState, SegmentRecord, SegmentStatus, TableView,
};
use proto::{ControllerService, ServiceError};
use tokio::sync::watch;

pub(crate) struct Double {
    view: Mutex<TableView>,
    version: watch::Sender<u64>,
    pub(crate) away: AtomicBool,
    instance: String,
    cluster: Mutex<String>,
    registered: AtomicU64,
}

impl Double {
    pub(crate) fn new(
        instance: &str,
        schema: Schema,
        config: TableConfig,
        partitions: u32,
    ) -> Self {
        let mut view = TableView {
            name: config.table_name.clone(),
            version: 1,
            enabled: true,
            config,
            schema,
            segments: BTreeMap::new(),
            ideal: BTreeMap::new(),
            external: BTreeMap::new(),
            paused: false,
            force_commit: Vec::new(),
            reload_generation: 0,
            time_boundary_ms: None,
            hidden: Vec::new(),
        };
        for partition in 0..partitions {
            add(&mut view, instance, partition, 0, "0");
        }
        Self {
            view: Mutex::new(view),
            version: watch::channel(1).0,
            away: AtomicBool::new(false),
            instance: instance.to_owned(),
            cluster: Mutex::new("own".to_owned()),
            registered: AtomicU64::new(0),
        }
    }

    pub(crate) fn become_cluster(&self, id: &str) {
        id.clone_into(&mut self.cluster.lock());
    }

    /// How often a server has registered.
    pub(crate) fn registered(&self) -> u64 {
        self.registered.load(Ordering::SeqCst)
    }

    pub(crate) fn view(&self) -> TableView {
        self.view.lock().clone()
    }

    pub(crate) fn change(&self, f: impl FnOnce(&mut TableView)) {
        f(&mut self.view.lock());
        self.version.send_modify(|version| *version += 1);
    }

    /// What a broker would ask this server for.
    pub(crate) fn routed(&self) -> Vec<String> {
        let view = self.view.lock();
        let answers =
            |state: &ReplicaState| matches!(state, ReplicaState::Online | ReplicaState::Consuming);
        let routed = view.ideal.keys().filter(|segment| {
            let state = view
                .external
                .get(*segment)
                .and_then(|r| r.get(&self.instance));
            state.is_some_and(answers)
        });
        routed.cloned().collect()
    }

    /// Names the segment that follows another, from an offset on.
    pub(crate) fn add_next(&self, segment: &str, offset: &str) {
        let instance = self.instance.clone();
        self.change(|view| {
            let place = view
                .segments
                .get(segment)
                .and_then(|s| Some((s.partition?, s.sequence?)));
            if let Some((partition, sequence)) = place {
                add(view, &instance, partition, sequence + 1, offset);
            }
        });
    }

    pub(crate) fn sealed(&self) -> Vec<SegmentRecord> {
        let view = self.view.lock();
        let done = view
            .segments
            .values()
            .filter(|s| s.status == SegmentStatus::Done);
        done.cloned().collect()
    }

    fn reachable(&self) -> Result<(), ServiceError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(ServiceError::Unreachable("controller".to_owned()));
        }
        Ok(())
    }
}

fn add(view: &mut TableView, instance: &str, partition: u32, sequence: u32, offset: &str) {
    let raw = view.config.raw_name().to_owned();
    let name = RealtimeSegmentName::new(&raw, partition, sequence, 1_700_000_000_000).to_string();
    view.segments.insert(
        name.clone(),
        SegmentRecord {
            name: name.clone(),
            status: SegmentStatus::InProgress,
            partition: Some(partition),
            sequence: Some(sequence),
            start_offset: Some(offset.to_owned()),
            end_offset: None,
            download_uri: String::new(),
            crc: 0,
            total_docs: 0,
            size_bytes: 0,
            start_time_ms: None,
            end_time_ms: None,
            created_ms: common::clock::system().now_ms(),
            pushed_ms: 0,
            flush_rows: None,
            partitions: BTreeMap::new(),
        },
    );
    let replica = BTreeMap::from([(instance.to_owned(), ReplicaState::Consuming)]);
    view.ideal.insert(name, replica);
}

#[async_trait]
impl ControllerService for Double {
    async fn cluster_id(&self) -> Result<String, ServiceError> {
        self.reachable()?;
        Ok(self.cluster.lock().clone())
    }

    async fn register(&self, _: Instance) -> Result<(), ServiceError> {
        self.reachable()?;
        self.registered.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn heartbeat(&self, _: &str) -> Result<(), ServiceError> {
        self.reachable()
    }

    async fn watch(&self, _: &str, version: u64) -> Result<ClusterView, ServiceError> {
        self.reachable()?;
        let mut versions = self.version.subscribe();
        let newer = versions.wait_for(|now| *now > version);
        let newest = match tokio::time::timeout(Duration::from_millis(500), newer).await {
            Ok(Ok(version)) => *version,
            _ => version,
        };
        let tables = (newest > version).then(|| self.view());
        Ok(ClusterView {
            version: newest,
            tables: tables.into_iter().collect(),
            configs: BTreeMap::from([(CLUSTER_ID.to_owned(), self.cluster.lock().clone())]),
            ..ClusterView::default()
        })
    }

    async fn report(
        &self,
        instance: &str,
        reports: Vec<ReplicaReport>,
    ) -> Result<(), ServiceError> {
        self.reachable()?;
        self.change(|view| {
            for report in reports {
                let replicas = view.external.entry(report.segment).or_default();
                replicas.insert(instance.to_owned(), report.state);
            }
        });
        Ok(())
    }

    async fn segment_consumed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.reachable()?;
        let view = self.view.lock();
        Ok(match view.segments.get(&request.segment) {
            None => CompletionAnswer::NotLeader,
            Some(record) if record.status == SegmentStatus::Done => CompletionAnswer::Discard,
            Some(_) => CompletionAnswer::Commit(request.offset),
        })
    }

    async fn commit_start(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.reachable()?;
        let instance = self.instance.clone();
        self.change(|view| {
            let paused = view.paused;
            let Some(record) = view.segments.get_mut(&request.segment) else {
                return;
            };
            if record.end_offset.is_none() {
                record.end_offset = Some(request.offset.clone());
                let (partition, next) = (record.partition, record.sequence.map(|s| s + 1));
                if let (Some(partition), Some(next), false) = (partition, next, paused) {
                    add(view, &instance, partition, next, &request.offset);
                }
            }
        });
        Ok(CompletionAnswer::Commit(request.offset))
    }

    async fn commit_end(&self, end: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
        self.reachable()?;
        let offset = end.record.end_offset.clone().unwrap_or_default();
        self.change(|view| {
            let name = end.record.name.clone();
            view.force_commit.retain(|forced| *forced != name);
            if let Some(replicas) = view.ideal.get_mut(&name) {
                replicas
                    .values_mut()
                    .for_each(|s| *s = ReplicaState::Online);
            }
            view.segments.insert(name, end.record);
        });
        Ok(CompletionAnswer::Keep(offset))
    }

    async fn stopped_consuming(&self, _: CompletionRequest) -> Result<(), ServiceError> {
        self.reachable()
    }

    async fn add_segment(&self, _: &str, record: SegmentRecord) -> Result<(), ServiceError> {
        self.change(|view| {
            let replica = BTreeMap::from([(self.instance.clone(), ReplicaState::Online)]);
            view.ideal.insert(record.name.clone(), replica);
            view.segments.insert(record.name.clone(), record);
        });
        Ok(())
    }
}
