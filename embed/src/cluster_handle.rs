//! Building and holding the roles of one process.
//!
//! Must not know: how a role works. Invariant: roles start in the order controller, server, broker and stop in the reverse one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerHandle, BrokerResponse, BrokerSettings, LocalServers};
use cluster::access::{self, Access};
use cluster::listen::Tls;
use cluster::serve::LAST_REQUESTS;
use cluster::{DeepStore, Dial, EtcdSettings, EtcdStore, Settings};
use controller::{Controller, ControllerHandle, ControllerSettings};
use proto::controller_service::DEEP_STORE_URI;
use proto::grpc::GrpcController;
use proto::{ControllerService, Controllers};
use server::{Server, ServerHandle, ServerSettings};

use arrow::record_batch::RecordBatch;

use crate::arrow_result;
use crate::error::{ErrorKind, TourigaError};
use crate::ports::Ports;
use crate::requests::Requests;

/// How long to wait before looking again whether something is there.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// By when a segment that was added answers queries.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Schemas, tables, assignment.
    Controller,
    /// Queries.
    Broker,
    /// Segments.
    Server,
}

/// Settings of the roles of one process.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    roles: Vec<Role>,
    data_dir: PathBuf,
    host: Option<String>,
    controller_url: Option<String>,
    controller_port: u16,
    broker_port: u16,
    server_port: u16,
    server_admin_port: u16,
    deep_store: Option<String>,
    kafka: Option<String>,
    etcd: Option<String>,
    settings: Settings,
}

impl ClusterBuilder {
    /// Which roles; all three by default.
    #[must_use]
    pub fn roles(mut self, roles: &[Role]) -> Self {
        self.roles = roles.to_vec();
        self
    }

    /// Folder of everything that lasts; `./data` by default.
    #[must_use]
    pub fn data_dir(mut self, data_dir: impl Into<PathBuf>) -> Self {
        self.data_dir = data_dir.into();
        self
    }

    /// Host that others reach; 127.0.0.1 by default.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The controller of another process, `http://host:9000`; several with commas between.
    #[must_use]
    pub fn controller_url(mut self, url: impl Into<String>) -> Self {
        self.controller_url = Some(url.into());
        self
    }

    /// Port of the controller, 9000 by default; 0 takes any free one.
    #[must_use]
    pub fn controller_port(mut self, port: u16) -> Self {
        self.controller_port = port;
        self
    }

    /// Port of the broker, 8099 by default; 0 takes any free one.
    #[must_use]
    pub fn broker_port(mut self, port: u16) -> Self {
        self.broker_port = port;
        self
    }

    /// Port of the server's query service, 8098 by default; 0 takes any free one.
    #[must_use]
    pub fn server_port(mut self, port: u16) -> Self {
        self.server_port = port;
        self
    }

    /// Port of the server's HTTP endpoints, 8097 by default; 0 takes any free one.
    #[must_use]
    pub fn server_admin_port(mut self, port: u16) -> Self {
        self.server_admin_port = port;
        self
    }

    /// Where committed segments go; a folder of the controller's by default.
    #[must_use]
    pub fn deep_store(mut self, uri: impl Into<String>) -> Self {
        self.deep_store = Some(uri.into());
        self
    }

    /// Members of the etcd that several controllers share, `host:2379` or `https://host:2379`, with commas between; needs a deep store that all of them reach.
    #[must_use]
    pub fn etcd(mut self, members: impl Into<String>) -> Self {
        self.etcd = Some(members.into());
        self
    }

    /// Brokers of a Kafka that clients may reach through the controller.
    #[must_use]
    pub fn kafka(mut self, brokers: impl Into<String>) -> Self {
        self.kafka = Some(brokers.into());
        self
    }

    /// Settings by Pinot's names that have no method here: access control, limits, timeouts.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Takes any free ports: for a cluster that only this process asks.
    #[must_use]
    pub fn any_ports(self) -> Self {
        self.controller_port(0)
            .broker_port(0)
            .server_port(0)
            .server_admin_port(0)
    }

    /// Starts the roles. Call it within a tokio runtime.
    ///
    /// # Errors
    /// Where a port is taken, a folder cannot be made, or the controller elsewhere has no usable address.
    pub async fn build(mut self) -> Result<Cluster, TourigaError> {
        self.let_in_own_roles()?;
        let mut cluster = Cluster {
            controller: None,
            server: None,
            broker: None,
            ports: None,
            requests: Requests::new(self.settings.get("auth.token")),
        };
        if self.roles.contains(&Role::Controller) {
            cluster.controller = Some(self.start_controller().await?);
        }
        let service = self.controller_service(&cluster)?;
        let local = LocalServers::reached_by(self.settings.get("auth.token"), self.dial()?);
        if self.roles.contains(&Role::Server) {
            let server = self.start_server(&cluster, Arc::clone(&service)).await?;
            local.add(&server.instance_id, Arc::clone(&server.query));
            local.add_stages(&server.instance_id, server.stages.clone());
            cluster.server = Some(server);
        }
        if self.roles.contains(&Role::Broker) {
            let broker = self.start_broker(service, local).await?;
            let tls = Tls::from_settings(&self.settings).map_err(refused)?;
            cluster.ports =
                Some(Ports::open(&self.settings, broker.door(), tls, &self.dial()?).await?);
            cluster.broker = Some(broker);
        }
        Ok(cluster)
    }

    async fn start_broker(
        &self,
        service: Arc<dyn ControllerService>,
        local: LocalServers,
    ) -> Result<BrokerHandle, TourigaError> {
        let mut settings = BrokerSettings::new(service);
        settings.port = self.broker_port;
        settings.memory.spill_folder = Some(self.data_dir.join("broker").join("spill"));
        settings.servers = Arc::new(local);
        settings.access = self.access(access::BROKER)?;
        settings.dial = self.dial()?;
        settings.tls = Tls::from_settings(&self.settings).map_err(refused)?;
        settings.apply(&self.settings).map_err(refused)?;
        if let Some(host) = &self.host {
            settings.host.clone_from(host);
        }
        Broker::start(settings)
            .await
            .map_err(|e| TourigaError::new(ErrorKind::Settings, "cannot start the broker", e))
    }

    fn dial(&self) -> Result<Dial, TourigaError> {
        Dial::from_settings(&self.settings).map_err(refused)
    }

    fn access(&self, names: &[&str]) -> Result<Arc<Access>, TourigaError> {
        Access::from_settings(&self.settings, names)
            .map(Arc::new)
            .map_err(refused)
    }

    /// Roles of one process reach each other over HTTP too: where one of them asks for proof, they share a token that nobody else knows.
    fn let_in_own_roles(&mut self) -> Result<(), TourigaError> {
        let mut closed = Vec::new();
        for (role, names) in [
            (Role::Controller, access::CONTROLLER),
            (Role::Broker, access::BROKER),
            (Role::Server, access::SERVER),
        ] {
            if self.roles.contains(&role) {
                let access = self.access(names)?;
                closed.push((role, access.is_closed()));
                if let Some(header) = access.own_header().map(str::to_owned) {
                    self.settings.set("auth.token", header);
                }
            }
        }
        let some = closed.iter().any(|(_, closed)| *closed);
        for (role, _) in closed.iter().filter(|(_, closed)| some && !closed) {
            tracing::warn!(
                ?role,
                "this role asks nobody for credentials, another one of this process does"
            );
        }
        if some && self.settings.get("auth.token").is_none() && self.roles.len() > 1 {
            let secret = format!("Bearer {}{}", uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
            self.settings.set("auth.token", secret);
        }
        Ok(())
    }

    async fn start_controller(&self) -> Result<ControllerHandle, TourigaError> {
        let mut settings = ControllerSettings::new(self.data_dir.join("controller"));
        settings.port = self.controller_port;
        settings.deep_store_uri.clone_from(&self.deep_store);
        settings.storage = self.settings.clone();
        settings.kafka.clone_from(&self.kafka);
        if self.roles == [Role::Controller] {
            settings.last_requests = LAST_REQUESTS;
        }
        settings.access = self.access(access::CONTROLLER)?;
        settings.dial = self.dial()?;
        settings.tls = Tls::from_settings(&self.settings).map_err(refused)?;
        if let Some(name) = self.settings.get("cluster.name") {
            settings.cluster_name = name.to_owned();
        }
        if let Some(host) = &self.host {
            settings.host.clone_from(host);
        }
        if let Some(members) = &self.etcd {
            let name = &settings.cluster_name;
            let wanted = EtcdSettings::from_settings(members, name, &self.settings);
            let wanted = wanted.map_err(refused)?;
            let store = EtcdStore::connect(&wanted).map_err(|e| {
                TourigaError::new(
                    ErrorKind::Settings,
                    format!("cannot use the etcd `{members}`"),
                    e,
                )
            })?;
            settings.shared_store = Some(Arc::new(store));
        }
        Controller::start(settings)
            .await
            .map_err(|e| TourigaError::new(ErrorKind::Settings, "cannot start the controller", e))
    }

    fn controller_service(
        &self,
        cluster: &Cluster,
    ) -> Result<Arc<dyn ControllerService>, TourigaError> {
        if let Some(controller) = &cluster.controller {
            return Ok(Arc::clone(&controller.service));
        }
        let url = self
            .controller_url
            .clone()
            .unwrap_or_else(|| format!("http://127.0.0.1:{}", self.controller_port));
        let token = self.settings.get("auth.token");
        let tls = self.dial()?.grpc();
        let mut all: Vec<Arc<dyn ControllerService>> = Vec::new();
        for url in url.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            let connected = GrpcController::connect_by(url, token, tls.clone()).map_err(|e| {
                TourigaError::new(
                    ErrorKind::Settings,
                    format!("cannot use the controller `{url}`"),
                    e,
                )
            })?;
            all.push(Arc::new(connected));
        }
        match (all.len(), all.pop()) {
            (1, Some(only)) => Ok(only),
            (_, None) => Err(TourigaError::told(
                ErrorKind::Settings,
                "no controller is named, expected `http://host:9000`, several with commas between",
            )),
            (_, Some(last)) => {
                all.push(last);
                Ok(Arc::new(Controllers::new(all)))
            }
        }
    }

    async fn start_server(
        &self,
        cluster: &Cluster,
        service: Arc<dyn ControllerService>,
    ) -> Result<ServerHandle, TourigaError> {
        let deep_store = match &cluster.controller {
            Some(controller) => controller.deep_store.clone(),
            None => self.remote_deep_store(service.as_ref()).await?,
        };
        let data_dir = self.data_dir.join("server");
        let mut settings =
            ServerSettings::new(data_dir, common::clock::system(), service, deep_store);
        settings.host = self.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
        settings.port = self.server_port;
        settings.admin_port = self.server_admin_port;
        settings.access = self.access(access::SERVER)?;
        settings.dial = self.dial()?;
        settings.tls = Tls::from_settings(&self.settings).map_err(refused)?;
        settings.apply(&self.settings).map_err(refused)?;
        if self.server_port == 0 && cluster.controller.is_some() && settings.instance_id.is_none() {
            // Segments belong to an id: under the next start's port they would belong to nobody.
            settings.instance_id =
                Some(cluster::identity::instance_id("server", &settings.host, 0));
        }
        Server::start(settings)
            .await
            .map_err(|e| TourigaError::new(ErrorKind::Settings, "cannot start the server", e))
    }

    /// Asks the controller, for as long as it takes, where the deep store is.
    async fn remote_deep_store(
        &self,
        service: &dyn ControllerService,
    ) -> Result<DeepStore, TourigaError> {
        let open = |uri: &str| {
            DeepStore::open_with(uri, &self.settings).map_err(|e| {
                TourigaError::new(
                    ErrorKind::Settings,
                    format!("cannot open the deep store `{uri}`"),
                    e,
                )
            })
        };
        if let Some(uri) = &self.deep_store {
            return open(uri);
        }
        loop {
            match service.watch("", 0).await {
                Ok(view) => {
                    if let Some(uri) = view.configs.get(DEEP_STORE_URI) {
                        return open(uri);
                    }
                    tracing::warn!(
                        "the controller does not say where the deep store is, asking again"
                    );
                }
                Err(error) => tracing::info!(%error, "waiting for the controller"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
}

fn refused(error: cluster::SettingsError) -> TourigaError {
    TourigaError::new(ErrorKind::Settings, "cannot use the settings", error)
}

/// The running roles of this process.
pub struct Cluster {
    controller: Option<ControllerHandle>,
    server: Option<ServerHandle>,
    broker: Option<BrokerHandle>,
    ports: Option<Ports>,
    requests: Requests,
}

impl Cluster {
    /// All roles in this process, with the usual ports.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            roles: vec![Role::Controller, Role::Server, Role::Broker],
            data_dir: PathBuf::from("data"),
            host: None,
            controller_url: None,
            controller_port: 9000,
            broker_port: 8099,
            server_port: 8098,
            server_admin_port: 8097,
            deep_store: None,
            kafka: None,
            etcd: None,
            settings: Settings::default(),
        }
    }

    /// Port of the controller, where it runs here.
    #[must_use]
    pub fn controller_port(&self) -> Option<u16> {
        self.controller.as_ref().map(|c| c.port)
    }

    /// Port of the broker, where it runs here.
    #[must_use]
    pub fn broker_port(&self) -> Option<u16> {
        self.broker.as_ref().map(|b| b.port)
    }

    /// Port of the server's query service, where it runs here.
    #[must_use]
    pub fn server_port(&self) -> Option<u16> {
        self.server.as_ref().map(|s| s.port)
    }

    /// Port of the server's HTTP endpoints, where it runs here.
    #[must_use]
    pub fn server_admin_port(&self) -> Option<u16> {
        self.server.as_ref().map(|s| s.admin_port)
    }

    /// Bytes that stages of the multi-stage engine hold on the server now, where it runs here.
    #[must_use]
    pub fn stage_bytes(&self) -> Option<usize> {
        self.server.as_ref().map(|s| s.stages.taken_bytes())
    }

    /// Port of the Postgres protocol, where the setting `postgres.port` opens it here.
    #[must_use]
    pub fn postgres_port(&self) -> Option<u16> {
        Some(self.ports.as_ref()?.postgres?.port())
    }

    /// Port of Arrow Flight SQL, where the setting `flight.port` opens it here.
    #[must_use]
    pub fn flight_port(&self) -> Option<u16> {
        Some(self.ports.as_ref()?.flight?.port())
    }

    /// Port of Pinot's gRPC, where the setting `pinot.broker.grpc.port` opens it here.
    #[must_use]
    pub fn grpc_port(&self) -> Option<u16> {
        Some(self.ports.as_ref()?.grpc?.port())
    }

    /// The `Authorization` header by which the roles of this process know each other, where they ask for one; a secret.
    #[must_use]
    pub fn own_header(&self) -> Option<&str> {
        self.requests.authorization()
    }

    /// Waits until the broker of this process can answer.
    pub async fn ready(&self) {
        if let Some(broker) = &self.broker {
            broker.ready().await;
        }
    }

    /// Asks the broker of this process; `None` where none runs here.
    pub async fn query(&self, sql: &str) -> Option<BrokerResponse> {
        match &self.broker {
            Some(broker) => Some(broker.query(sql, &[]).await),
            None => None,
        }
    }

    /// Asks the broker of this process, with query options such as `("useMultistageEngine", "true")`; the rows as one Arrow batch.
    /// BIG_DECIMAL, JSON and MAP are text; TIMESTAMP is in milliseconds, UTC; a multi-value column is a list.
    ///
    /// # Errors
    /// Where no broker runs here, or the query failed.
    pub async fn query_arrow(
        &self,
        sql: &str,
        options: &[(&str, &str)],
    ) -> Result<RecordBatch, TourigaError> {
        let Some(broker) = &self.broker else {
            let message = "a query needs a broker, none runs in this process";
            return Err(TourigaError::told(ErrorKind::Settings, message));
        };
        arrow_result::batch(&broker.query(sql, options).await)
    }

    /// Adds a schema, JSON as Pinot has it, or changes the one of its name.
    ///
    /// # Errors
    /// Where no controller runs here, or the schema is refused.
    pub async fn add_schema(&self, schema: &str) -> Result<(), TourigaError> {
        self.post("schemas?override=true", schema.to_owned().into_bytes())
            .await?;
        Ok(())
    }

    /// Adds a table, JSON as Pinot has it.
    ///
    /// # Errors
    /// Where no controller runs here, or the table is refused.
    pub async fn add_table(&self, table: &str) -> Result<(), TourigaError> {
        self.post("tables", table.to_owned().into_bytes()).await?;
        Ok(())
    }

    /// Waits until the server of this process has loaded its segments and caught up with its streams, and the broker has a server for
    /// every segment, at most so long; false where that was not enough.
    pub async fn caught_up(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async {
            if let Some(port) = self.server_admin_port() {
                while self.requests.get(port, "health/readiness").await.is_none() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            for table in self.tables().await {
                while !self.is_whole(&table).await {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        })
        .await
        .is_ok()
    }

    /// What the controller of this process answers, null where there is nothing to be had.
    async fn told(&self, path: &str) -> serde_json::Value {
        let Some(port) = self.controller_port() else {
            return serde_json::Value::Null;
        };
        let text = self.requests.get(port, path).await.unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Names of the tables, where the controller runs here.
    async fn tables(&self) -> Vec<String> {
        let told = self.told("tables").await;
        let names = told["tables"].as_array().into_iter().flatten();
        names
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect()
    }

    /// Whether every segment of a table is where it shall be, and the broker knows. Segments that are new are not missed by a query:
    /// that it does not fail says too little.
    async fn is_whole(&self, table: &str) -> bool {
        let ideal = self.told(&format!("tables/{table}/idealstate")).await;
        let seen = self.told(&format!("tables/{table}/externalview")).await;
        let (Some(broker), Some(kinds)) = (&self.broker, ideal.as_object()) else {
            return true;
        };
        let held = |kind: &serde_json::Value| kind.as_object().map_or(0, serde_json::Map::len);
        if kinds
            .iter()
            .any(|(kind, ideal)| held(ideal) > 0 && *ideal != seen[kind])
        {
            return false;
        }
        let sql = format!("SELECT COUNT(*) FROM \"{table}\"");
        kinds.values().all(|ideal| held(ideal) == 0)
            || broker.query(&sql, &[]).await.num_servers_queried > 0
    }

    /// Puts rows into a table: JSON lines, one object, or an array of objects; all or none. Returns once they are durable, with
    /// what the controller says about them, as JSON. Rows of an OFFLINE table answer queries by then; those of a REALTIME one are in
    /// its topic, and do so some milliseconds later.
    ///
    /// # Errors
    /// Where no controller runs here, or a row is refused.
    pub async fn ingest(
        &self,
        table: &str,
        rows: impl Into<Vec<u8>>,
    ) -> Result<String, TourigaError> {
        let answer = self
            .post(&format!("tables/{table}/rows"), rows.into())
            .await?;
        self.visible(table, &answer).await;
        Ok(answer)
    }

    /// Waits until a segment that was just added answers; a while only, as a server may be away.
    async fn visible(&self, table: &str, answer: &str) {
        let told: Option<serde_json::Value> = serde_json::from_str(answer).ok();
        let segment = told.as_ref().and_then(|told| told["segment"].as_str());
        let (Some(segment), Some(_)) = (segment, &self.broker) else {
            return;
        };
        let sql =
            format!("SELECT $docId FROM \"{table}\" WHERE $segmentName = '{segment}' LIMIT 1");
        let until = tokio::time::Instant::now() + VISIBLE_WITHIN;
        while tokio::time::Instant::now() < until {
            match self.query_arrow(&sql, &[]).await {
                Ok(batch) if batch.num_rows() > 0 => return,
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Result<String, TourigaError> {
        let Some(port) = self.controller_port() else {
            let message = "schemas, tables and rows need a controller, none runs in this process";
            return Err(TourigaError::told(ErrorKind::Settings, message));
        };
        self.requests.post(port, path, body).await
    }

    /// Stops the roles one after the other.
    pub async fn shutdown(self) {
        if let Some(broker) = self.broker {
            broker.shutdown().await;
        }
        // They answer for as long as the broker does.
        if let Some(ports) = self.ports {
            ports.close().await;
        }
        if let Some(server) = self.server {
            server.shutdown().await;
        }
        if let Some(controller) = self.controller {
            controller.shutdown().await;
        }
    }
}
