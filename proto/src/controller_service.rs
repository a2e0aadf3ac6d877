//! What brokers and servers ask of the controller: registration, the cluster's state, segment completion.
//!
//! Must not know: how state is stored. Invariant: the view is level-triggered: a watcher may miss steps, never the end state.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{Schema, TableConfig};
use serde::{Deserialize, Serialize};

/// A process of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `Server_host_port`, `Broker_host_port`.
    pub id: String,
    /// `server`, `broker` or `controller`.
    pub role: String,
    /// Host that the others and clients reach.
    pub host: String,
    /// Broker: HTTP port. Server: gRPC (query) port.
    pub port: u16,
    /// Server: HTTP admin port.
    pub admin_port: u16,
    /// Tags, `DefaultTenant_BROKER` and the like.
    pub tags: Vec<String>,
    /// False while the process is gone.
    #[serde(default)]
    pub live: bool,
    /// False where an operator disabled it.
    #[serde(default)]
    pub enabled: bool,
}

/// Life of a segment in the metadata store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SegmentStatus {
    /// Consuming.
    InProgress,
    /// Committed.
    Done,
    /// Pushed.
    Uploaded,
}

/// What the controller knows of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// Name.
    pub name: String,
    /// Life.
    pub status: SegmentStatus,
    /// Stream partition of a realtime segment.
    pub partition: Option<u32>,
    /// Sequence of a realtime segment within its partition.
    pub sequence: Option<u32>,
    /// First offset.
    pub start_offset: Option<String>,
    /// Offset after the last row, once committed.
    pub end_offset: Option<String>,
    /// Where the deep store has it; empty while consuming.
    pub download_uri: String,
    /// Checksum of the file.
    pub crc: u32,
    /// Rows.
    pub total_docs: u64,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Smallest time, milliseconds.
    pub start_time_ms: Option<i64>,
    /// Largest time, milliseconds.
    pub end_time_ms: Option<i64>,
    /// Creation time, milliseconds.
    pub created_ms: i64,
    /// Push or commit time, milliseconds.
    pub pushed_ms: i64,
    /// Rows after which a consuming segment is sealed.
    pub flush_rows: Option<u64>,
    /// Partitioned column -> (function, partition count, partitions present).
    #[serde(default)]
    pub partitions: BTreeMap<String, (String, u32, Vec<u32>)>,
}

/// State of a replica, wanted or reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReplicaState {
    /// Sealed and served.
    Online,
    /// Taking rows.
    Consuming,
    /// Not served.
    Offline,
    /// Could not be brought to the wanted state.
    Error,
    /// Is to go away, or is gone.
    Dropped,
}

/// A segment's replicas: instance id -> state.
pub type Replicas = BTreeMap<String, ReplicaState>;

/// One table as brokers and servers need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableView {
    /// Name with type.
    pub name: String,
    /// Counts up with every change of anything below.
    pub version: u64,
    /// False where the table is disabled.
    pub enabled: bool,
    /// Config.
    pub config: TableConfig,
    /// Schema.
    pub schema: Schema,
    /// Segments by name.
    pub segments: BTreeMap<String, SegmentRecord>,
    /// Wanted replicas by segment.
    pub ideal: BTreeMap<String, Replicas>,
    /// Reported replicas by segment.
    pub external: BTreeMap<String, Replicas>,
    /// True while consumption is paused.
    pub paused: bool,
    /// Consuming segments that are to be committed now.
    pub force_commit: Vec<String>,
    /// Counts up with each reload request; a server that has seen a lower number rebuilds indexes of its segments.
    pub reload_generation: u64,
    /// Where the offline side of a hybrid table ends, see engine semantics; set on both tables.
    pub time_boundary_ms: Option<i64>,
    /// Segments hidden by lineage (being replaced or replaced).
    #[serde(default)]
    pub hidden: Vec<String>,
}

/// Key of [`ClusterView::configs`] under which the controller tells where the deep store is.
pub const DEEP_STORE_URI: &str = "deep.store.uri";

/// Key of [`ClusterView::configs`] under which the controller tells which cluster this is.
pub const CLUSTER_ID: &str = "cluster.id";

/// What changed since a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Version to ask from next time.
    pub version: u64,
    /// Every instance.
    pub instances: Vec<Instance>,
    /// Tables that changed; for a server those it holds or held segments of, for a broker all.
    pub tables: Vec<TableView>,
    /// Tables that are gone.
    pub removed: Vec<String>,
    /// Cluster configs.
    pub configs: BTreeMap<String, String>,
}

/// A replica's reported state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// Table with type.
    pub table: String,
    /// Segment.
    pub segment: String,
    /// State reached.
    pub state: ReplicaState,
    /// Why, where it is `Error`.
    pub error: Option<String>,
}

/// A server's message about a consuming segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// Server id.
    pub instance: String,
    /// Table with type.
    pub table: String,
    /// Segment.
    pub segment: String,
    /// Offset after the last row it holds.
    pub offset: String,
    /// Rows it holds.
    pub rows: u64,
    /// Why it stopped: rowLimit, timeLimit, forceCommitMessageReceived, ...
    pub reason: String,
}

/// The controller's answer in segment completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompletionAnswer {
    /// Ask again soon.
    Hold,
    /// Consume up to this offset, then ask again.
    CatchUp(String),
    /// You commit, with rows up to this offset.
    Commit(String),
    /// Your rows equal the committed ones: seal locally and keep.
    Keep(String),
    /// Drop yours and download the committed segment.
    Discard,
    /// Not the leading controller, or the segment is unknown.
    NotLeader,
    /// The step was refused.
    Failed(String),
}

/// What a committer tells at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitEnd {
    /// Server id.
    pub instance: String,
    /// Table with type.
    pub table: String,
    /// The segment's record, complete: end offset, checksum, times, location in the deep store.
    pub record: SegmentRecord,
}

/// An error of a service call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The other side cannot be reached; the call may be repeated.
    #[error("cannot reach {0}")]
    Unreachable(String),
    /// The other side refused.
    #[error("{0}")]
    Refused(String),
}

/// Served by the controller.
#[async_trait]
pub trait ControllerService: Send + Sync {
    /// Which cluster this is: an id made with its first metadata and kept with it. Empty where nobody keeps one.
    async fn cluster_id(&self) -> Result<String, ServiceError> {
        Ok(String::new())
    }
    /// Makes an instance known and live. Called again after a lost connection.
    async fn register(&self, instance: Instance) -> Result<(), ServiceError>;
    /// Says that the instance lives; one that says nothing for some seconds is taken as gone.
    /// `Refused` means that the controller does not know the instance (any more): register again and report every replica.
    async fn heartbeat(&self, instance_id: &str) -> Result<(), ServiceError>;
    /// Says that the instance goes away in order; it is taken as gone at once.
    async fn leave(&self, instance_id: &str) -> Result<(), ServiceError> {
        let _ = instance_id;
        Ok(())
    }
    /// Waits until something newer than `version` is there (or some seconds passed) and answers it. `instance_id` selects what is of interest.
    async fn watch(&self, instance_id: &str, version: u64) -> Result<ClusterView, ServiceError>;
    /// Reports reached replica states.
    async fn report(
        &self,
        instance_id: &str,
        reports: Vec<ReplicaReport>,
    ) -> Result<(), ServiceError>;
    /// A consuming segment reached an end criterion.
    async fn segment_consumed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError>;
    /// The committer is about to build and upload.
    async fn commit_start(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError>;
    /// The segment is in the deep store. `Keep` means committed.
    async fn commit_end(&self, end: CommitEnd) -> Result<CompletionAnswer, ServiceError>;
    /// The server cannot go on consuming this segment.
    async fn stopped_consuming(&self, request: CompletionRequest) -> Result<(), ServiceError>;
    /// Adds a sealed segment that was uploaded to the deep store (batch ingestion).
    async fn add_segment(&self, table: &str, record: SegmentRecord) -> Result<(), ServiceError>;
}
