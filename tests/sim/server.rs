//! A server: a process that may end at every await point, a disk that outlives it, and what it does about each segment.
//!
//! Must not know: how the controller decides. Invariant: it does what `server/src/reconcile.rs` and `server/src/consume` do, in their order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use proto::ServiceError;
use proto::controller_service::{
    CommitEnd, CompletionAnswer, CompletionRequest, Instance, ReplicaReport, ReplicaState,
    SegmentRecord, SegmentStatus, TableView,
};

use super::network::Network;
use super::stores::{Depot, Topic, Weather};

pub(crate) const TABLE: &str = "t_REALTIME";

pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Rows in a file, with their checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) crc: u32,
    pub(crate) rows: Vec<u64>,
}

impl File {
    fn of(rows: Vec<u64>) -> Self {
        let mix = |hash: u32, row: &u64| {
            (hash ^ (*row as u32) ^ (*row >> 32) as u32).wrapping_mul(0x0100_0193)
        };
        let crc = rows.iter().fold(0x811C_9DC5, mix) | 1;
        Self { crc, rows }
    }
}

/// A consuming segment.
#[derive(Debug, Clone)]
struct Consuming {
    partition: usize,
    sequence: u32,
    position: u64,
    end: Option<u64>,
}

/// What is lost with the process.
#[derive(Default)]
pub(crate) struct Memory {
    consumers: BTreeMap<String, Consuming>,
    loading: BTreeSet<String>,
    finished: BTreeSet<String>,
    /// What queries see: rows that grow, and files.
    pub(crate) growing: BTreeMap<String, Vec<u64>>,
    pub(crate) sealed: BTreeMap<String, File>,
    states: BTreeMap<String, ReplicaState>,
    reported: BTreeMap<String, ReplicaState>,
    started: Vec<Work>,
}

/// Everything that a process can reach.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) id: String,
    pub(crate) network: Network,
    pub(crate) depot: Depot,
    pub(crate) topic: Topic,
    pub(crate) weather: Weather,
    pub(crate) disk: Rc<RefCell<BTreeMap<String, File>>>,
    pub(crate) memory: Rc<RefCell<Memory>>,
}

/// What is to be done with a full segment.
enum Step {
    CatchUp(u64),
    Commit,
    Keep,
    Discard,
}

pub(crate) fn instance(id: &str) -> Instance {
    Instance {
        id: id.to_owned(),
        role: "server".to_owned(),
        host: "h".to_owned(),
        port: 1,
        admin_port: 2,
        tags: Vec::new(),
        live: true,
        enabled: true,
    }
}

pub(crate) fn offset(text: Option<&String>) -> Option<u64> {
    text?.parse().ok()
}

impl Process {
    /// The life of the process, apart from what it consumes and loads.
    pub(crate) async fn live(self) {
        self.register().await;
        loop {
            let id = self.id.clone();
            let beat = self
                .network
                .call(|c| async move { c.heartbeat(&id).await })
                .await;
            if matches!(beat, Err(ServiceError::Refused(_))) {
                self.register().await;
            }
            let id = self.id.clone();
            let seen = self
                .network
                .call(|c| async move { c.watch(&id, 0).await })
                .await;
            if let Ok(view) = seen
                && let Some(table) = view.tables.iter().find(|t| t.name == TABLE)
            {
                self.settle(table);
            }
            self.report().await;
            tokio::task::yield_now().await;
        }
    }

    async fn register(&self) {
        loop {
            let me = instance(&self.id);
            let done = self
                .network
                .call(|c| async move { c.register(me).await })
                .await;
            if done.is_ok() {
                self.memory.borrow_mut().reported.clear();
                return;
            }
        }
    }

    async fn report(&self) {
        let reports: Vec<ReplicaReport> = {
            let memory = self.memory.borrow();
            let news = memory
                .states
                .iter()
                .filter(|(segment, state)| memory.reported.get(*segment) != Some(state));
            news.map(|(segment, state)| ReplicaReport {
                table: TABLE.to_owned(),
                segment: segment.clone(),
                state: *state,
                error: None,
            })
            .collect()
        };
        if reports.is_empty() {
            return;
        }
        let (id, told) = (self.id.clone(), reports.clone());
        let done = self
            .network
            .call(|c| async move { c.report(&id, told).await })
            .await;
        if done.is_ok() {
            let news = reports.into_iter().map(|r| (r.segment, r.state));
            self.memory.borrow_mut().reported.extend(news);
        }
    }

    /// Does what is to be done about every segment.
    fn settle(&self, table: &TableView) {
        for (name, replicas) in &table.ideal {
            let (Some(wanted), Some(record)) =
                (replicas.get(&self.id).copied(), table.segments.get(name))
            else {
                continue;
            };
            let mut memory = self.memory.borrow_mut();
            let crc = memory.sealed.get(name).map(|file| file.crc);
            if let Some(consumer) = memory.consumers.get_mut(name) {
                if let Some(end) = offset(record.end_offset.as_ref()) {
                    consumer.end = Some(end);
                }
                continue;
            }
            match wanted {
                ReplicaState::Consuming if crc.is_some() || memory.finished.contains(name) => {}
                ReplicaState::Consuming => self.start(&mut memory, record),
                ReplicaState::Online if crc == Some(record.crc) => {}
                ReplicaState::Online if memory.loading.contains(name) => {}
                ReplicaState::Online if record.status == SegmentStatus::InProgress => {
                    self.start(&mut memory, record);
                }
                ReplicaState::Online => {
                    memory.loading.insert(name.clone());
                    let (me, record) = (self.clone(), record.clone());
                    memory
                        .started
                        .push(Box::pin(async move { me.load(record).await }));
                }
                _ => {}
            }
        }
    }

    fn start(&self, memory: &mut Memory, record: &SegmentRecord) {
        let start = offset(record.start_offset.as_ref()).unwrap_or_default();
        let consumer = Consuming {
            partition: record.partition.unwrap_or_default() as usize,
            sequence: record.sequence.unwrap_or_default(),
            position: start,
            end: offset(record.end_offset.as_ref()),
        };
        memory.consumers.insert(record.name.clone(), consumer);
        memory.growing.insert(record.name.clone(), Vec::new());
        let state = ReplicaState::Consuming;
        memory.states.insert(record.name.clone(), state);
        let (me, record) = (self.clone(), record.clone());
        memory
            .started
            .push(Box::pin(async move { me.consume(record).await }));
    }

    /// Has the file of a sealed segment here and publishes it.
    async fn load(self, record: SegmentRecord) {
        let name = record.name.clone();
        let local = self.disk.borrow().get(&name).cloned();
        let file = match local.filter(|file| file.crc == record.crc) {
            Some(file) => file,
            None => loop {
                if let Ok(rows) = self.depot.get(&record.download_uri).await {
                    let file = File::of(rows);
                    if file.crc == record.crc {
                        break file;
                    }
                }
                tokio::task::yield_now().await;
            },
        };
        self.weather.pause().await;
        self.publish(&name, file);
        self.memory.borrow_mut().loading.remove(&name);
    }

    fn publish(&self, name: &str, file: File) {
        self.disk.borrow_mut().insert(name.to_owned(), file.clone());
        let mut memory = self.memory.borrow_mut();
        memory.sealed.insert(name.to_owned(), file);
        memory.growing.remove(name);
        memory.states.insert(name.to_owned(), ReplicaState::Online);
    }

    /// From the first offset of a segment to its seal.
    async fn consume(self, record: SegmentRecord) {
        let start = offset(record.start_offset.as_ref()).unwrap_or_default();
        // Replicas come to an end of their own: by rows, by time, by force.
        let limit = start + 20 + self.weather.random.below(60);
        while !self.advance(&record, start, limit).await {
            tokio::task::yield_now().await;
        }
        self.memory.borrow_mut().consumers.remove(&record.name);
    }

    fn consumer(&self, name: &str) -> Option<Consuming> {
        self.memory.borrow().consumers.get(name).cloned()
    }

    /// One way from consuming to sealed; false where it is to be gone again.
    async fn advance(&self, record: &SegmentRecord, start: u64, limit: u64) -> bool {
        loop {
            if self.take_rows(record, start, limit).await.is_err() {
                return false;
            }
            let Some(state) = self.consumer(&record.name) else {
                return true;
            };
            if state.end.is_some_and(|end| state.position > end) {
                // More was consumed than was agreed: from the beginning.
                let mut memory = self.memory.borrow_mut();
                memory.growing.remove(&record.name);
                let state = ReplicaState::Offline;
                memory.states.insert(record.name.clone(), state);
                return true;
            }
            self.wait_for_turn(&state).await;
            match self.agree(record).await {
                Step::CatchUp(end) => {
                    if let Some(c) = self.memory.borrow_mut().consumers.get_mut(&record.name) {
                        c.end = Some(end);
                    }
                }
                Step::Commit => return self.commit(record, start).await,
                Step::Keep => {
                    let file = self.seal(record, start).await;
                    self.publish(&record.name, file);
                    return true;
                }
                Step::Discard => {
                    let mut memory = self.memory.borrow_mut();
                    memory.finished.insert(record.name.clone());
                    return true;
                }
            }
        }
    }

    async fn take_rows(
        &self,
        record: &SegmentRecord,
        start: u64,
        limit: u64,
    ) -> Result<(), String> {
        loop {
            let Some(state) = self.consumer(&record.name) else {
                return Ok(());
            };
            if state.position >= state.end.unwrap_or(limit) {
                return Ok(());
            }
            let next = self
                .topic
                .fetch(state.partition, state.position, 25)
                .await?;
            let next = next.min(
                self.consumer(&record.name)
                    .and_then(|c| c.end)
                    .unwrap_or(next),
            );
            {
                let mut memory = self.memory.borrow_mut();
                if let Some(consumer) = memory.consumers.get_mut(&record.name) {
                    consumer.position = consumer.position.max(next);
                }
                let rows = Topic::rows(state.partition, start, state.position.max(next));
                memory.growing.insert(record.name.clone(), rows);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Segments of a partition are committed in order.
    async fn wait_for_turn(&self, mine: &Consuming) {
        loop {
            let earlier =
                self.memory.borrow().consumers.values().any(|other| {
                    other.partition == mine.partition && other.sequence < mine.sequence
                });
            if !earlier {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn agree(&self, record: &SegmentRecord) -> Step {
        loop {
            tokio::task::yield_now().await;
            let Some(state) = self.consumer(&record.name) else {
                return Step::Discard;
            };
            if let Some(end) = state.end.filter(|end| state.position > *end) {
                return Step::CatchUp(end);
            }
            let request = CompletionRequest {
                instance: self.id.clone(),
                table: TABLE.to_owned(),
                segment: record.name.clone(),
                offset: state.position.to_string(),
                rows: 1,
                reason: "rowLimit".to_owned(),
            };
            let again = request.clone();
            let asked = self
                .network
                .call(|c| async move { c.segment_consumed(request).await });
            let answer = match asked.await {
                Ok(CompletionAnswer::Commit(_)) => {
                    let asked = self
                        .network
                        .call(|c| async move { c.commit_start(again).await });
                    asked.await
                }
                other => other,
            };
            match answer {
                Ok(CompletionAnswer::CatchUp(end)) => {
                    if let Ok(end) = end.parse() {
                        return Step::CatchUp(end);
                    }
                }
                Ok(CompletionAnswer::Commit(_)) => return Step::Commit,
                Ok(CompletionAnswer::Keep(_)) => return Step::Keep,
                Ok(CompletionAnswer::Discard) => return Step::Discard,
                _ => {}
            }
        }
    }

    async fn seal(&self, record: &SegmentRecord, start: u64) -> File {
        self.weather.pause().await;
        let state = self.consumer(&record.name);
        let rows = state.map_or_else(Vec::new, |c| Topic::rows(c.partition, start, c.position));
        let file = File::of(rows);
        let mut disk = self.disk.borrow_mut();
        disk.insert(record.name.clone(), file.clone());
        file
    }

    /// Seals, uploads, commits, publishes; false where it is to be tried again.
    async fn commit(&self, record: &SegmentRecord, start: u64) -> bool {
        let file = self.seal(record, start).await;
        let uri = format!("depot/{TABLE}/{}", record.name);
        if self.depot.put(&uri, file.rows.clone()).await.is_err() {
            return false;
        }
        let position = self.consumer(&record.name).map_or(0, |c| c.position);
        let end = CommitEnd {
            instance: self.id.clone(),
            table: TABLE.to_owned(),
            record: SegmentRecord {
                status: SegmentStatus::Done,
                end_offset: Some(position.to_string()),
                download_uri: uri,
                crc: file.crc,
                total_docs: file.rows.len() as u64,
                size_bytes: 1 + file.rows.len() as u64,
                ..record.clone()
            },
        };
        loop {
            let told = end.clone();
            let asked = self
                .network
                .call(|c| async move { c.commit_end(told).await });
            match asked.await {
                Ok(CompletionAnswer::Keep(_) | CompletionAnswer::Commit(_)) => break,
                Ok(CompletionAnswer::Discard) => {
                    let mut memory = self.memory.borrow_mut();
                    memory.finished.insert(record.name.clone());
                    return true;
                }
                Ok(_) => return false,
                Err(_) => tokio::task::yield_now().await,
            }
        }
        self.publish(&record.name, file);
        true
    }
}

impl Memory {
    /// What was started since the last look.
    pub(crate) fn take_started(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.started)
    }
}
