//! Starting a controller, and holding it while it runs.
//!
//! Must not know: command lines. Invariant: a handle that is dropped ends every task of its controller; the store's file is free afterwards.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cluster::{DeepStore, EmbeddedStore, MetadataStore, TaskGroup};
use common::clock::Clock;
use proto::ControllerService;
use proto::controller_service::Instance;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::core::{Core, Parts};
use crate::error::ControllerError;
use crate::periodic;
use crate::rest;
use crate::service::Service;
use crate::streams::{Connectors, StreamMetadata};

/// What a controller needs.
#[derive(Clone)]
pub struct ControllerSettings {
    /// Folder of the metadata and, by default, of the deep store.
    pub data_dir: PathBuf,
    /// Host that the others reach.
    pub host: String,
    /// Address to listen at, `0.0.0.0` mostly.
    pub bind: String,
    /// HTTP and gRPC port; 0 takes any free one.
    pub port: u16,
    /// Name that `/cluster/info` tells.
    pub cluster_name: String,
    /// Deep store, `file:///folder`; a folder of `data_dir` where absent.
    pub deep_store_uri: Option<String>,
    /// Metadata store; a file of `data_dir` where absent.
    pub store: Option<Arc<dyn MetadataStore>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What streams say of their partitions.
    pub streams: Arc<dyn StreamMetadata>,
}

impl ControllerSettings {
    /// Defaults over a data folder.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            host: "127.0.0.1".to_owned(),
            bind: "0.0.0.0".to_owned(),
            port: 9000,
            cluster_name: "touriga".to_owned(),
            deep_store_uri: None,
            store: None,
            streams: Arc::new(Connectors::new(common::clock::system())),
            clock: common::clock::system(),
        }
    }
}

/// A running controller.
pub struct ControllerHandle {
    /// The service, for roles in the same process.
    pub service: Arc<dyn ControllerService>,
    /// The port that it listens at.
    pub port: u16,
    /// The deep store, for roles in the same process.
    pub deep_store: DeepStore,
    core: Arc<Core>,
    listeners: TaskGroup,
    stop: Option<oneshot::Sender<()>>,
}

/// The controller.
#[derive(Debug, Clone, Copy)]
pub struct Controller;

impl Controller {
    /// Opens the stores, listens, and starts the periodic tasks.
    ///
    /// # Errors
    /// Where a store cannot be opened or the port is taken.
    pub async fn start(settings: ControllerSettings) -> Result<ControllerHandle, ControllerError> {
        let at = format!("{}:{}", settings.bind, settings.port);
        let listener = TcpListener::bind(&at)
            .await
            .map_err(|error| ControllerError::internal(format!("listen at `{at}`"), error))?;
        let port = listener
            .local_addr()
            .map_err(|error| ControllerError::internal("read the listener's address", error))?
            .port();
        let core = open(settings, port).await?;
        let service = Service(Arc::clone(&core));
        service
            .register(Instance {
                id: core.instance_id.clone(),
                role: "controller".to_owned(),
                host: core.host.clone(),
                port,
                admin_port: port,
                tags: vec!["controller".to_owned()],
                live: true,
                enabled: true,
            })
            .await
            .map_err(|error| ControllerError::internal("register", error))?;
        periodic::start(&core);
        let service: Arc<dyn ControllerService> = Arc::new(service);
        let grpc = proto::grpc::controller_server(Arc::clone(&service));
        let router =
            rest::router(Arc::clone(&core)).route_service(proto::grpc::CONTROLLER_PATH, grpc);
        let listeners = TaskGroup::new();
        let (stop, stopped) = oneshot::channel::<()>();
        listeners.spawn(async move {
            let serving = axum::serve(
                listener,
                router.into_make_service_with_connect_info::<SocketAddr>(),
            )
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the controller's listener ended");
            }
        });
        tracing::info!(port, "controller listens");
        Ok(ControllerHandle {
            service,
            port,
            deep_store: core.deep_store.clone(),
            core,
            listeners,
            stop: Some(stop),
        })
    }
}

async fn open(settings: ControllerSettings, port: u16) -> Result<Arc<Core>, ControllerError> {
    let folder = &settings.data_dir;
    std::fs::create_dir_all(folder).map_err(|error| {
        ControllerError::internal(format!("make folder `{}`", folder.display()), error)
    })?;
    let store = match settings.store {
        Some(store) => store,
        None => Arc::new(EmbeddedStore::open(&folder.join("metadata.redb"))?),
    };
    let uri = settings
        .deep_store_uri
        .unwrap_or_else(|| folder.join("segments").display().to_string());
    let core = Core::open(Parts {
        cluster_name: settings.cluster_name,
        instance_id: cluster::identity::instance_id("controller", &settings.host, port),
        host: settings.host,
        port,
        data_dir: folder.clone(),
        clock: settings.clock,
        deep_store: DeepStore::open(&uri)?,
        streams: settings.streams,
        store,
    })
    .await?;
    Ok(Arc::new(core))
}

impl ControllerHandle {
    /// The HTTP router alone, for tests in process.
    #[must_use]
    pub fn router(&self) -> axum::Router {
        rest::router(Arc::clone(&self.core))
    }

    /// Stops listening, ends the tasks and frees the store.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.core.tasks.shutdown().await;
        self.listeners.shutdown().await;
    }
}
