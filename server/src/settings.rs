//! What a server is started with.
//!
//! Must not know: settings files, arguments. Invariant: every value is decided here; nothing else reads the environment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::listen::Tls;
use cluster::{Access, DeepStore, Dial, Settings, SettingsError};
use common::clock::Clock;
use multistage::MemorySettings;
use proto::ControllerService;

/// Settings of a server.
#[derive(Clone)]
pub struct ServerSettings {
    /// Folder of local segments: `<data_dir>/<table>/<segment>`.
    pub data_dir: PathBuf,
    /// Host that brokers reach, without `_`.
    pub host: String,
    /// Port of the query service (gRPC); 0 takes a free one.
    pub port: u16,
    /// Port of the HTTP endpoints; 0 takes a free one.
    pub admin_port: u16,
    /// Instance id; `Server_<host>_<port>` where `None`.
    pub instance_id: Option<String>,
    /// Tags; the controller gives the default tenant's where there are none.
    pub tags: Vec<String>,
    /// Time of day.
    pub clock: Arc<dyn Clock>,
    /// The controller.
    pub controller: Arc<dyn ControllerService>,
    /// Where sealed segments live.
    pub deep_store: DeepStore,
    /// Threads that execute queries.
    pub query_threads: usize,
    /// Queries that may wait for a thread; more are refused.
    pub queued_queries: usize,
    /// Bytes that groups and rows of one query may hold.
    pub query_memory_bytes: usize,
    /// Memory and spill files of the multi-stage engine's stages.
    pub stage_memory: MemorySettings,
    /// How often the controller hears from this server.
    pub heartbeat: Duration,
    /// Who may do what.
    pub access: Arc<Access>,
    /// Certificate of both ports.
    pub tls: Option<Arc<Tls>>,
    /// How it reaches other servers.
    pub dial: Dial,
    /// How long a server that shall end goes on answering, so that brokers learn of it.
    pub drain: Duration,
}

impl ServerSettings {
    /// Settings with the usual values everywhere else.
    #[must_use]
    pub fn new(
        data_dir: PathBuf,
        clock: Arc<dyn Clock>,
        controller: Arc<dyn ControllerService>,
        deep_store: DeepStore,
    ) -> Self {
        // Beside the tables: their folders end with a type.
        let stage_memory = MemorySettings {
            spill_folder: Some(data_dir.join("spill")),
            ..MemorySettings::default()
        };
        Self {
            data_dir,
            host: cluster::identity::announced_host(None),
            port: 8098,
            admin_port: 8097,
            instance_id: None,
            tags: Vec::new(),
            clock,
            controller,
            deep_store,
            query_threads: std::thread::available_parallelism().map_or(2, usize::from),
            queued_queries: 1024,
            query_memory_bytes: 1 << 30,
            stage_memory,
            heartbeat: Duration::from_secs(2),
            access: Arc::new(Access::open()),
            tls: None,
            dial: Dial::default(),
            drain: Duration::ZERO,
        }
    }

    /// Takes over what settings say under Pinot's names.
    ///
    /// # Errors
    /// Where a value is no number.
    pub fn apply(&mut self, settings: &Settings) -> Result<(), SettingsError> {
        let threads = [
            "pinot.query.scheduler.query_worker_threads",
            "query.threads",
        ];
        if let Some(threads) = settings.number::<usize>(&threads)? {
            self.query_threads = threads.max(1);
        }
        let queued = ["pinot.query.scheduler.queue.max.size", "query.queued.limit"];
        if let Some(queued) = settings.number(&queued)? {
            self.queued_queries = queued;
        }
        let memory = ["query.memory.max.bytes"];
        if let Some(bytes) = settings.number(&memory)? {
            self.query_memory_bytes = bytes;
        }
        let memory = &mut self.stage_memory;
        if let Some(bytes) = settings.number(&["query.multistage.memory.max.bytes"])? {
            memory.total_bytes = bytes;
            memory.query_bytes = memory.query_bytes.min(bytes);
        }
        if let Some(bytes) = settings.number(&["query.multistage.spill.max.bytes"])? {
            memory.spill_bytes = bytes;
        }
        if let Some(ms) = settings.number(&["pinot.server.delayShutdownTimeMs"])? {
            self.drain = Duration::from_millis(ms);
        }
        if let Some(id) = settings.get("pinot.server.instance.id") {
            self.instance_id = Some(id.to_owned());
        }
        Ok(())
    }
}
