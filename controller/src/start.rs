//! Starting a controller, and holding it while it runs.
//!
//! Must not know: command lines. Invariant: a handle that is dropped ends every task of its controller; the store's file is free afterwards.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::listen::{Listener, Tls};
use cluster::serve::{Stop, serve_in};
use cluster::{Access, DeepStore, Dial, EmbeddedStore, MetadataStore, SharedStore, TaskGroup};
use common::clock::Clock;
use proto::ControllerService;
use proto::controller_service::Instance;

use crate::core::{Core, Parts};
use crate::error::ControllerError;
use crate::leadership::{self, Holder, Seat};
use crate::led::Led;
use crate::minion;
use crate::periodic;
use crate::rebalances;
use crate::rest;
use crate::service::Service;
use crate::streams::{Connectors, StreamMetadata};

/// How long answers may take once the controller takes no new requests; the others wait for the seat meanwhile.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

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
    /// Metadata store of several controllers, in place of `store`; needs a deep store that all of them reach.
    pub shared_store: Option<Arc<dyn SharedStore>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Brokers of a Kafka that clients may reach through the controller.
    pub kafka: Option<String>,
    /// What is said of the deep store, such as `pinot.controller.storage.factory.s3.region`.
    pub storage: cluster::Settings,
    /// What streams say of their partitions.
    pub streams: Arc<dyn StreamMetadata>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// Certificate of the port.
    pub tls: Option<Arc<Tls>>,
    /// How other roles are reached.
    pub dial: Dial,
    /// Time for requests of connections that were just made when the controller ends; with zero every connection ends at once.
    pub last_requests: Duration,
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
            shared_store: None,
            kafka: None,
            storage: cluster::Settings::default(),
            streams: Arc::new(Connectors::new(common::clock::system())),
            clock: common::clock::system(),
            access: Arc::new(Access::open()),
            tls: None,
            dial: Dial::default(),
            last_requests: Duration::ZERO,
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
    last_requests: Duration,
    stop: Option<Stop>,
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
        let listener = Listener::bind(&at, settings.tls.as_ref())
            .await
            .map_err(|error| ControllerError::internal(format!("listen at `{at}`"), error))?;
        let port = listener
            .address()
            .map_err(|error| ControllerError::internal("read the listener's address", error))?
            .port();
        let last_requests = settings.last_requests;
        let core = open(settings, port).await?;
        periodic::start(&core);
        minion::start(&core);
        rebalances::start(&core);
        leadership::start(&core);
        let service = join(&core).await?;
        let grpc = proto::grpc::controller_server(Arc::new(Service(Arc::clone(&core))));
        let router = rest::router(Arc::clone(&core)).merge(rest::of_peers(&core, grpc));
        let listeners = TaskGroup::new();
        let stop = serve_in(&listeners, "controller", listener, router, last_requests);
        tracing::info!(port, "controller listens");
        Ok(ControllerHandle {
            service,
            port,
            deep_store: core.deep_store.clone(),
            core,
            listeners,
            last_requests,
            stop: Some(stop),
        })
    }
}

/// Makes the controller one of the cluster's instances; the service for roles in this process.
async fn join(core: &Arc<Core>) -> Result<Arc<dyn ControllerService>, ControllerError> {
    let own = Instance {
        id: core.instance_id.clone(),
        role: "controller".to_owned(),
        host: core.host.clone(),
        port: core.port,
        admin_port: core.port,
        tags: vec!["controller".to_owned()],
        live: true,
        enabled: true,
    };
    if core.seat.is_some() {
        let service: Arc<dyn ControllerService> = Arc::new(Led::new(core));
        // By the leader's port, if this is it: the task must not keep alive the core that owns it.
        let weak = Arc::downgrade(core);
        core.tasks.spawn(leadership::stay_known(weak, own));
        return Ok(service);
    }
    let service = Service(Arc::clone(core));
    service
        .register(own)
        .await
        .map_err(|error| ControllerError::internal("register", error))?;
    Ok(Arc::new(service))
}

/// The part in the leadership, where the store is one of several controllers.
fn seat(settings: &ControllerSettings, port: u16) -> Result<Option<Arc<Seat>>, ControllerError> {
    let Some(store) = &settings.shared_store else {
        return Ok(None);
    };
    if settings.deep_store_uri.is_none() {
        return Err(ControllerError::Invalid(
            "several controllers need a deep store that all of them reach: none is set, expected `file:///shared/folder` \
             or another URI"
                .to_owned(),
        ));
    }
    let own = Holder {
        id: cluster::identity::instance_id("controller", &settings.host, port),
        url: format!("{}://{}:{port}", settings.dial.scheme(), settings.host),
    };
    Ok(Some(Arc::new(Seat::new(Arc::clone(store), own))))
}

pub(crate) async fn open(
    settings: ControllerSettings,
    port: u16,
) -> Result<Arc<Core>, ControllerError> {
    let seat = seat(&settings, port)?;
    let folder = &settings.data_dir;
    std::fs::create_dir_all(folder).map_err(|error| {
        ControllerError::internal(format!("make folder `{}`", folder.display()), error)
    })?;
    let store: Arc<dyn MetadataStore> = match (settings.shared_store, settings.store) {
        (Some(shared), _) => shared,
        (None, Some(store)) => store,
        (None, None) => Arc::new(EmbeddedStore::open(&folder.join("metadata.redb"))?),
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
        deep_store: DeepStore::open_with(&uri, &settings.storage)?,
        streams: settings.streams,
        kafka: settings.kafka,
        access: settings.access,
        dial: settings.dial,
        store,
        storage: settings.storage,
        seat,
    })
    .await?;
    Ok(Arc::new(core))
}

impl ControllerHandle {
    #[cfg(test)]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The HTTP router alone, for tests in process.
    pub fn router(&self) -> axum::Router {
        rest::router(Arc::clone(&self.core))
    }

    /// Frees the port, waits for what runs, ends the tasks, and leaves the seat and the store.
    pub async fn shutdown(mut self) {
        self.core.leave();
        if let Some(stop) = self.stop.take() {
            stop.stop();
        }
        if !self.last_requests.is_zero() {
            // It leads for as long: what runs is decided, not refused.
            self.listeners.finish(LAST_ANSWERS).await;
        }
        self.core.tasks.shutdown().await;
        self.listeners.shutdown().await;
        self.core.close().await;
    }
}

#[cfg(test)]
mod tests {
    use proto::ControllerService;
    use proto::controller_service::{
        CLUSTER_ID, DEEP_STORE_URI, Instance, ReplicaReport, ReplicaState,
    };
    use proto::grpc::GrpcController;

    use super::{Controller, ControllerSettings, Duration, Listener, TaskGroup, serve_in};

    fn server() -> Instance {
        Instance {
            id: "Server_h_1".to_owned(),
            role: "server".to_owned(),
            host: "h".to_owned(),
            port: 1,
            admin_port: 2,
            tags: Vec::new(),
            live: false,
            enabled: false,
        }
    }

    /// A controller of an earlier version does not know the question.
    #[tokio::test]
    async fn an_earlier_controller_has_no_id() -> Result<(), Box<dyn std::error::Error>> {
        let listener = Listener::bind("127.0.0.1:0", None).await?;
        let url = format!("http://{}", listener.address()?);
        let listeners = TaskGroup::new();
        let nothing = axum::Router::new();
        let stop = serve_in(&listeners, "controller", listener, nothing, Duration::ZERO);
        let client = GrpcController::connect(&url, None)?;
        assert_eq!(client.cluster_id().await?, "");
        assert!(client.heartbeat("Server_h_1").await.is_err());
        stop.stop();
        listeners.shutdown().await;
        Ok(())
    }

    /// One port speaks HTTP/1 and gRPC; what was answered is there after a restart, and versions go on growing.
    #[tokio::test]
    async fn over_the_network_and_again() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut settings = ControllerSettings::new(folder.path().to_owned());
        settings.port = 0;
        settings.bind = "127.0.0.1".to_owned();
        let first = Controller::start(settings.clone()).await?;
        let url = format!("http://127.0.0.1:{}", first.port);
        let client = GrpcController::connect(&url, None)?;
        assert!(client.heartbeat("Server_h_1").await.is_err());
        client.register(server()).await?;
        client.heartbeat("Server_h_1").await?;
        let http = reqwest::Client::new();
        let schema = r#"{"schemaName":"t","dimensionFieldSpecs":[{"name":"a","dataType":"INT"}]}"#;
        let table =
            r#"{"tableName":"t","tableType":"OFFLINE","segmentsConfig":{},"tableIndexConfig":{}}"#;
        for (path, body) in [("schemas", schema), ("tables", table)] {
            let answer = http.post(format!("{url}/{path}")).body(body).send().await?;
            assert_eq!(answer.status(), 200, "{}", answer.text().await?);
        }
        let form = reqwest::multipart::Form::new().part(
            "file",
            reqwest::multipart::Part::bytes(b"a\n1\n2\n".to_vec()).file_name("a.csv"),
        );
        let path = format!(
            "{url}/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D"
        );
        let answer = http.post(path).multipart(form).send().await?;
        assert_eq!(answer.status(), 200, "{}", answer.text().await?);
        let view = client.watch("Server_h_1", 0).await?;
        let table = view.tables.first().ok_or("no table")?;
        let (name, record) = table.segments.first_key_value().ok_or("no segment")?;
        assert_eq!(record.total_docs, 2);
        assert_eq!(view.configs[DEEP_STORE_URI], first.deep_store.base());
        let cluster = client.cluster_id().await?;
        assert_eq!(view.configs[CLUSTER_ID], cluster);
        assert_eq!(cluster.len(), 36, "{cluster}");
        let bytes = first.deep_store.get(&record.download_uri).await?;
        assert_eq!(bytes.len() as u64, record.size_bytes);
        let report = ReplicaReport {
            table: "t_OFFLINE".to_owned(),
            segment: name.clone(),
            state: ReplicaState::Online,
            error: None,
        };
        client.report("Server_h_1", vec![report]).await?;
        first.shutdown().await;

        let second = Controller::start(settings).await?;
        let again = second.service.watch("Broker_h_1", view.version).await?;
        assert!(again.version > view.version);
        assert_eq!(second.service.cluster_id().await?, cluster);
        let table = again.tables.first().ok_or("no table after the restart")?;
        assert_eq!(table.external[name]["Server_h_1"], ReplicaState::Online);
        second.shutdown().await;
        Ok(())
    }
}
