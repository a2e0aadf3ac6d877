//! Starting a broker, and holding it while it runs.
//!
//! Must not know: command lines. Invariant: a handle that is dropped ends every task of its broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cluster::listen::{Listener, Tls};
use cluster::serve::{LAST_REQUESTS, Stop, serve_in};
use cluster::{Access, Dial, Settings, SettingsError, TaskGroup};
use common::clock::Clock;
use common::ids;
use multistage::{Memory, MemorySettings};
use proto::ControllerService;
use proto::controller_service::Instance;

use crate::door::Door;
use crate::execution::{Core, Running};
use crate::metrics::Metrics;
use crate::request::QueryInput;
use crate::response::BrokerResponse;
use crate::rest;
use crate::routing::Routing;
use crate::servers::{GrpcServers, ServerConnector};
use crate::watch;

/// How long the controller may take to hear that a broker goes.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long queries may run on once the broker takes no new ones.
const LAST_QUERIES: Duration = Duration::from_secs(10);

/// What a broker needs.
#[derive(Clone)]
pub struct BrokerSettings {
    /// Host that clients reach; without `_`, as some clients split instance ids there.
    pub host: String,
    /// Address to listen at, `0.0.0.0` mostly.
    pub bind: String,
    /// HTTP port; 0 takes any free one.
    pub port: u16,
    /// The controller.
    pub controller: Arc<dyn ControllerService>,
    /// The way to servers.
    pub servers: Arc<dyn ServerConnector>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tags, `DefaultTenant_BROKER` mostly.
    pub tags: Vec<String>,
    /// Milliseconds of a query whose options and table say nothing else.
    pub default_timeout_ms: u64,
    /// Largest LIMIT that is allowed, where one is.
    pub max_limit: Option<usize>,
    /// Queries that may run at once.
    pub in_flight_limit: usize,
    /// Bytes of a request's body.
    pub request_bytes_limit: usize,
    /// Who may do what.
    pub access: Arc<Access>,
    /// Milliseconds from which on a query is logged as slow.
    pub slow_query_ms: u64,
    /// Certificate of the port.
    pub tls: Option<Arc<Tls>>,
    /// How the controller is reached by HTTP.
    pub dial: Dial,
    /// Memory and spill files of the multi-stage engine.
    pub memory: MemorySettings,
    /// Multi-stage queries run in stages on the servers where their option `distributed` does not say otherwise.
    pub distributed: bool,
    /// How long a broker that shall end goes on answering, so that clients and balancers learn of it.
    pub drain: Duration,
}

impl BrokerSettings {
    /// Defaults for a controller.
    #[must_use]
    pub fn new(controller: Arc<dyn ControllerService>) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            bind: "0.0.0.0".to_owned(),
            port: 8099,
            controller,
            servers: Arc::new(GrpcServers::default()),
            clock: common::clock::system(),
            tags: vec!["DefaultTenant_BROKER".to_owned()],
            default_timeout_ms: 10_000,
            max_limit: None,
            in_flight_limit: 4096,
            request_bytes_limit: 16 << 20,
            access: Arc::new(Access::open()),
            slow_query_ms: 2_000,
            tls: None,
            dial: Dial::default(),
            memory: MemorySettings::default(),
            distributed: false,
            drain: Duration::ZERO,
        }
    }

    /// Takes over what settings say under Pinot's names.
    ///
    /// # Errors
    /// Where a value is no number.
    pub fn apply(&mut self, settings: &Settings) -> Result<(), SettingsError> {
        if let Some(ms) = settings.number(&["pinot.broker.timeoutMs"])? {
            self.default_timeout_ms = ms;
        }
        if let Some(most) = settings.number::<i64>(&["pinot.broker.query.response.limit"])? {
            self.max_limit = usize::try_from(most).ok();
        }
        if let Some(most) =
            settings.number(&["pinot.broker.max.query.in.flight", "query.in.flight.limit"])?
        {
            self.in_flight_limit = most;
        }
        if let Some(bytes) = settings.number(&[
            "pinot.broker.request.body.max.bytes",
            "query.request.max.bytes",
        ])? {
            self.request_bytes_limit = bytes;
        }
        if let Some(ms) = settings.number(&["pinot.broker.slow.query.ms", "query.slow.ms"])? {
            self.slow_query_ms = ms;
        }
        if let Some(ms) = settings.number(&["pinot.broker.delayShutdownTimeMs"])? {
            self.drain = Duration::from_millis(ms);
        }
        let memory = &mut self.memory;
        if let Some(bytes) = settings.number(&["query.multistage.memory.max.bytes"])? {
            memory.total_bytes = bytes;
            memory.query_bytes = memory.query_bytes.min(bytes);
        }
        if let Some(bytes) = settings.number(&["query.multistage.query.memory.max.bytes"])? {
            memory.query_bytes = bytes;
        }
        if let Some(folder) = settings.get("query.multistage.spill.folder") {
            memory.spill_folder = Some(folder.into());
        }
        if let Some(bytes) = settings.number(&["query.multistage.spill.max.bytes"])? {
            memory.spill_bytes = bytes;
        }
        if let Some(wanted) = settings.get("query.multistage.distributed") {
            self.distributed = wanted == "true";
        }
        if let Some(tenant) = settings.get("pinot.broker.tenant") {
            self.tags = vec![format!("{}_BROKER", tenant.trim_end_matches("_BROKER"))];
        }
        Ok(())
    }
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The port is taken, or the address is none.
    #[error("cannot listen at `{at}`: {source}")]
    Listen {
        /// Address.
        at: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No HTTP client can be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running broker.
pub struct BrokerHandle {
    /// Instance id.
    pub id: String,
    /// The port that it listens at.
    pub port: u16,
    core: Arc<Core>,
    controller: Arc<dyn ControllerService>,
    membership: TaskGroup,
    listeners: TaskGroup,
    tasks: TaskGroup,
    drain: Duration,
    stop: Option<Stop>,
}

/// The broker.
#[derive(Debug, Clone, Copy)]
pub struct Broker;

impl Broker {
    /// Listens, registers at the controller and follows it. Returns before routing is loaded; see [`BrokerHandle::ready`].
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn start(settings: BrokerSettings) -> Result<BrokerHandle, BrokerError> {
        let at = format!("{}:{}", settings.bind, settings.port);
        let listen = |source| BrokerError::Listen {
            at: at.clone(),
            source,
        };
        let listener = Listener::bind(&at, settings.tls.as_ref())
            .await
            .map_err(listen)?;
        let port = listener.address().map_err(listen)?.port();
        let http = settings.dial.http().build()?;
        let core = Arc::new_cyclic(|me| core_of(&settings, port, http, me));
        let instance = Instance {
            id: core.id.clone(),
            role: "broker".to_owned(),
            host: settings.host.clone(),
            port,
            admin_port: port,
            tags: settings.tags.clone(),
            live: true,
            enabled: true,
        };
        let tasks = TaskGroup::new();
        let controller = Arc::clone(&settings.controller);
        let membership = TaskGroup::new();
        membership.spawn(watch::live(Arc::clone(&controller), instance));
        tasks.spawn(watch::follow(
            Arc::clone(&core),
            Arc::clone(&controller),
            Arc::clone(&settings.servers),
        ));
        let app = rest::router(Arc::clone(&core), settings.request_bytes_limit);
        let listeners = TaskGroup::new();
        let last_requests = settings.drain.min(LAST_REQUESTS);
        let stop = serve_in(&listeners, "broker", listener, app, last_requests);
        tracing::info!(id = %core.id, "broker listens");
        Ok(BrokerHandle {
            id: core.id.clone(),
            port,
            core,
            controller,
            membership,
            listeners,
            tasks,
            drain: settings.drain,
            stop: Some(stop),
        })
    }
}

fn core_of(
    settings: &BrokerSettings,
    port: u16,
    http: reqwest::Client,
    me: &std::sync::Weak<Core>,
) -> Core {
    let id = ids::instance_id("Broker", &settings.host, port);
    // Ids of different brokers and of different lives of one must not meet on a server.
    let seed = id
        .bytes()
        .fold(settings.clock.now_ms().unsigned_abs(), |h, b| {
            h.wrapping_mul(31).wrapping_add(b.into())
        });
    Core {
        id,
        host: settings.host.clone(),
        port,
        http,
        scheme: settings.dial.scheme(),
        routing: ArcSwap::from_pointee(Routing::default()),
        clock: Arc::clone(&settings.clock),
        default_timeout_ms: settings.default_timeout_ms,
        max_limit: settings.max_limit,
        running: Running::default(),
        in_flight_limit: settings.in_flight_limit,
        metrics: Metrics::default(),
        me: std::sync::Weak::clone(me),
        plans: Default::default(),
        cursors: Default::default(),
        access: Arc::clone(&settings.access),
        quotas: Default::default(),
        slow_query: Duration::from_millis(settings.slow_query_ms),
        table_statistics: Arc::default(),
        leaving: Default::default(),
        multi_stage_memory: Arc::new(Memory::new(settings.memory.clone())),
        distributed: settings.distributed,
        stages: settings.servers.channels(),
        next_id: AtomicU64::new((seed % 1_000_000_000) * 1_000_000_000),
    }
}

impl BrokerHandle {
    /// Answers a query, without HTTP.
    pub async fn query(&self, sql: &str, options: &[(&str, &str)]) -> BrokerResponse {
        let mut input = QueryInput::new(sql);
        for (key, value) in options {
            input.options.set(key, value);
        }
        self.answer(input).await
    }

    /// Answers a request, without HTTP.
    pub async fn answer(&self, input: QueryInput) -> BrokerResponse {
        self.core.answer(input).await
    }

    /// A way in for those who speak no HTTP.
    #[must_use]
    pub fn door(&self) -> Door {
        Door(Arc::clone(&self.core))
    }

    /// Waits until the first view of the cluster is there.
    pub async fn ready(&self) {
        while !self.core.routing.load().loaded {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Says goodbye to the controller, goes on answering for the time of [`BrokerSettings::drain`], waits for what runs, and ends.
    pub async fn shutdown(mut self) {
        self.core.leaving.store(true, Ordering::Release);
        self.membership.shutdown().await;
        let left = tokio::time::timeout(GOODBYE, self.controller.leave(&self.id)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::warn!("the controller did not hear that the broker leaves");
        }
        tokio::time::sleep(self.drain).await;
        if let Some(stop) = self.stop.take() {
            stop.stop();
        }
        let until = tokio::time::Instant::now() + LAST_QUERIES;
        while !self.core.running.list().is_empty() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Answers are on their way out; a connection that nobody closes is not waited for.
        let patience = if self.drain.is_zero() {
            Duration::ZERO
        } else {
            GOODBYE
        };
        self.listeners.finish(patience).await;
        self.tasks.shutdown().await;
    }
}
