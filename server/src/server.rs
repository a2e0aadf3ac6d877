//! Starts a server: listeners, membership, everything that ends with its handle.
//!
//! Must not know: arguments and files of settings. Invariant: nothing of a server outlives [`ServerHandle::shutdown`].

use std::sync::Arc;
use std::time::Duration;

use cluster::listen::{Listener, Tls};
use cluster::serve::{LAST_REQUESTS, Stop, serve_in};
use cluster::{Dial, TaskGroup};
use multistage::{Channels, Memory, StageWorker, WORKER_PATH};
use proto::QueryService;
use proto::controller_service::Instance;

use crate::error::ServerError;
use crate::home::Home;
use crate::query_pool::QueryPool;
use crate::query_service::Queries;
use crate::settings::ServerSettings;
use crate::shared::{Parts, Shared};
use crate::stage_leaves::StageLeaves;
use crate::{admin, membership};

/// How long the controller may take to hear that a server goes.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long queries may run on once brokers send no new ones.
const LAST_QUERIES: Duration = Duration::from_secs(10);

/// The server role.
pub struct Server;

/// A running server.
pub struct ServerHandle {
    /// `Server_<host>_<port>`.
    pub instance_id: String,
    /// Port of the query service.
    pub port: u16,
    /// Port of the HTTP endpoints.
    pub admin_port: u16,
    /// The query service without a network between.
    pub query: Arc<dyn QueryService>,
    queries: Arc<Queries>,
    /// Runs stages of the multi-stage engine.
    pub stages: multistage::StageWorker,
    shared: Arc<Shared>,
    listeners: TaskGroup,
    stops: Vec<Stop>,
    drain: Duration,
}

impl Server {
    /// Starts a server. Call it within a runtime.
    ///
    /// # Errors
    /// Where the data folder cannot be made or a port cannot be taken.
    pub async fn start(settings: ServerSettings) -> Result<ServerHandle, ServerError> {
        crate::load::make_folder(&settings.data_dir)?;
        let (query_listener, port) = listen(settings.port, settings.tls.as_ref()).await?;
        let (admin_listener, admin_port) =
            listen(settings.admin_port, settings.tls.as_ref()).await?;
        let instance_id = settings
            .instance_id
            .unwrap_or_else(|| cluster::identity::instance_id("server", &settings.host, port));
        let instance = Instance {
            id: instance_id.clone(),
            role: "server".to_owned(),
            host: settings.host.clone(),
            port,
            admin_port,
            tags: settings.tags.clone(),
            live: true,
            enabled: true,
        };
        let parts = Parts {
            instance_id: instance_id.clone(),
            host: settings.host,
            tags: settings.tags,
            home: Home::open(&settings.data_dir)?,
            data_dir: settings.data_dir,
            clock: settings.clock,
            controller: settings.controller,
            deep_store: settings.deep_store,
            access: settings.access,
            dial: settings.dial.clone(),
        };
        let shared = Arc::new(Shared::new(parts, tokio::runtime::Handle::current()));
        let queries = Arc::new(Queries {
            shared: Arc::clone(&shared),
            pool: Arc::new(QueryPool::new(
                settings.query_threads,
                settings.queued_queries,
                settings.query_memory_bytes,
            )?),
        });
        let query: Arc<dyn QueryService> = Arc::clone(&queries) as Arc<dyn QueryService>;
        let listeners = TaskGroup::new();
        let memory = Memory::new(settings.stage_memory);
        let stages = worker(&queries, memory, settings.dial);
        let grpc = of_peers(&queries, &stages);
        let last_requests = settings.drain.min(LAST_REQUESTS);
        let admin = admin::router(Arc::clone(&queries));
        let stops = vec![
            serve_in(&listeners, "server", query_listener, grpc, last_requests),
            serve_in(&listeners, "server", admin_listener, admin, last_requests),
        ];
        membership::start(&shared, instance, settings.heartbeat);
        tracing::info!(port, admin_port, id = instance_id, "server listens");
        Ok(ServerHandle {
            instance_id,
            port,
            admin_port,
            query,
            queries,
            stages,
            shared,
            listeners,
            stops,
            drain: settings.drain,
        })
    }
}

/// Runs stages beside the segments of this server.
fn worker(queries: &Arc<Queries>, memory: Memory, dial: Dial) -> StageWorker {
    let channels = Channels::new(proto::grpc::dialled(dial.grpc()), None);
    let leaves = Arc::new(StageLeaves::new(Arc::clone(queries), dial));
    StageWorker::new(leaves, Arc::new(memory), channels)
}

/// What brokers and other servers ask.
fn of_peers(queries: &Arc<Queries>, stages: &StageWorker) -> axum::Router {
    let query: Arc<dyn QueryService> = Arc::clone(queries) as Arc<dyn QueryService>;
    let guard = axum::middleware::from_fn_with_state(Arc::clone(queries), admin::guard_peers);
    axum::Router::new()
        .route_service(WORKER_PATH, stages.worker().into_worker_server())
        .route_service(proto::grpc::QUERY_PATH, proto::grpc::query_server(query))
        .layer(guard)
}

async fn listen(port: u16, tls: Option<&Arc<Tls>>) -> Result<(Listener, u16), ServerError> {
    let doing = || format!("listen on port {port}");
    let listener = Listener::bind(&format!("0.0.0.0:{port}"), tls)
        .await
        .map_err(|e| ServerError::io(doing(), e))?;
    let port = listener
        .address()
        .map_err(|e| ServerError::io(doing(), e))?
        .port();
    Ok((listener, port))
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl ServerHandle {
    /// What stands between this server and readiness; empty means ready.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.shared.complaints()
    }

    /// Leaves the cluster, goes on answering for the time of [`ServerSettings::drain`], waits for what runs, and ends every task and
    /// thread. What is in memory only is consumed again at the next start.
    pub async fn shutdown(mut self) {
        self.shared.membership.shutdown().await;
        let leaving = self.shared.controller.leave(&self.instance_id);
        let left = tokio::time::timeout(GOODBYE, leaving).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::warn!("the controller did not hear that the server leaves");
        }
        tokio::time::sleep(self.drain).await;
        for stop in self.stops.drain(..) {
            stop.stop();
        }
        if !self.drain.is_zero() {
            let until = tokio::time::Instant::now() + LAST_QUERIES;
            while !self.queries.pool.ids().is_empty() && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // Answers are on their way out; a connection that nobody closes is not waited for.
            self.listeners.finish(GOODBYE).await;
        }
        self.shared.shutdown().await;
        self.listeners.shutdown().await;
    }

    /// Ends everything at once without a word to the controller, as a crash would.
    pub async fn abort(self) {
        self.shared.shutdown().await;
        self.listeners.shutdown().await;
    }
}
