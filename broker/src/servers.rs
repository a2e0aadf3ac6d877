//! How a broker comes to a server: by gRPC, or by a call in the same process.
//!
//! Must not know: routing. Invariant: a connection is lazy; making one never blocks.

use std::collections::HashMap;
use std::sync::Arc;

use cluster::Dial;
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
}

/// Servers of this process by their instance id; every other one by gRPC.
#[derive(Clone, Default)]
pub struct LocalServers {
    here: Arc<RwLock<HashMap<String, Arc<dyn QueryService>>>>,
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
            elsewhere,
        }
    }

    /// Makes a server of this process known. To be called before the server registers at the controller.
    pub fn add(&self, instance_id: &str, service: Arc<dyn QueryService>) {
        self.here.write().insert(instance_id.to_owned(), service);
    }
}

impl ServerConnector for LocalServers {
    fn connect(&self, instance: &Instance) -> Result<Arc<dyn QueryService>, ServiceError> {
        if let Some(service) = self.here.read().get(&instance.id) {
            return Ok(Arc::clone(service));
        }
        self.elsewhere.connect(instance)
    }
}
