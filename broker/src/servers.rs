//! How a broker comes to a server: by gRPC, or by a call in the same process.
//!
//! Must not know: routing. Invariant: a connection is lazy; making one never blocks.

use std::collections::HashMap;
use std::sync::Arc;

use cluster::Dial;
use multistage::{Channels, StageWorker};
use parking_lot::RwLock;
use proto::controller_service::Instance;
use proto::grpc::GrpcQuery;
use proto::{QueryService, ServiceError};

/// Makes the query service of an instance.
pub trait ServerConnector: Send + Sync {
    /// Connects, lazily.
    ///
    /// # Errors
    /// Where the instance's address is none.
    fn connect(&self, instance: &Instance) -> Result<Arc<dyn QueryService>, ServiceError>;
    /// Where the instance is in this process: what runs its stages.
    fn stages(&self, instance: &Instance) -> Option<StageWorker> {
        let _ = instance;
        None
    }
    /// The way to stages on servers; none where there is none.
    fn channels(&self) -> Option<Channels> {
        None
    }
}

/// Servers in other processes, at `host:port` of their instance.
#[derive(Clone, Default)]
pub struct GrpcServers {
    /// The `Authorization` header of this process.
    pub token: Option<String>,
    /// How connections are secured, where they are.
    pub tls: Dial,
}

impl ServerConnector for GrpcServers {
    fn connect(&self, instance: &Instance) -> Result<Arc<dyn QueryService>, ServiceError> {
        let url = format!("http://{}:{}", instance.host, instance.port);
        Ok(Arc::new(GrpcQuery::connect_by(
            &url,
            self.token.as_deref(),
            self.tls.grpc(),
        )?))
    }

    fn channels(&self) -> Option<Channels> {
        let dialled = proto::grpc::dialled(self.tls.grpc());
        Some(Channels::new(dialled, self.token.clone()))
    }
}

/// Servers of this process by their instance id; every other one by gRPC.
#[derive(Clone, Default)]
pub struct LocalServers {
    here: Arc<RwLock<HashMap<String, Arc<dyn QueryService>>>>,
    stages: Arc<RwLock<HashMap<String, StageWorker>>>,
    elsewhere: GrpcServers,
}

impl LocalServers {
    /// None yet; `token` is the `Authorization` header of this process.
    #[must_use]
    pub fn new(token: Option<&str>) -> Self {
        Self::reached_by(token, Dial::default())
    }

    /// As [`LocalServers::new`], and how servers elsewhere are reached.
    #[must_use]
    pub fn reached_by(token: Option<&str>, tls: Dial) -> Self {
        let elsewhere = GrpcServers {
            token: token.map(str::to_owned),
            tls,
        };
        Self {
            here: Arc::default(),
            stages: Arc::default(),
            elsewhere,
        }
    }

    /// Makes a server of this process known. To be called before the server registers at the controller.
    pub fn add(&self, instance_id: &str, service: Arc<dyn QueryService>) {
        self.here.write().insert(instance_id.to_owned(), service);
    }
}

impl LocalServers {
    /// Makes known what runs the stages of a server of this process.
    pub fn add_stages(&self, instance_id: &str, stages: StageWorker) {
        self.stages.write().insert(instance_id.to_owned(), stages);
    }
}

impl ServerConnector for LocalServers {
    fn stages(&self, instance: &Instance) -> Option<StageWorker> {
        self.stages.read().get(&instance.id).cloned()
    }

    fn channels(&self) -> Option<Channels> {
        self.elsewhere.channels()
    }

    fn connect(&self, instance: &Instance) -> Result<Arc<dyn QueryService>, ServiceError> {
        if let Some(service) = self.here.read().get(&instance.id) {
            return Ok(Arc::clone(service));
        }
        self.elsewhere.connect(instance)
    }
}
