//! Where stages run, and what a stage asks of the server beside it.
//!
//! Must not know: plans, transports. Invariant: a share names exactly the segments that one server answers for.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;

use async_trait::async_trait;
use common::QueryException;
use datafusion::arrow::array::RecordBatch;
use datafusion_distributed::grpc::DefaultChannelResolver;
use futures::Stream;
use query::QueryStats;
use serde::{Deserialize, Serialize};
use url::Url;

use super::worker::StageWorker;

/// A server that runs stages.
#[derive(Clone)]
pub struct Place {
    /// Instance id.
    pub id: String,
    /// `http://host:port` of its query service.
    pub url: Url,
    /// The server itself, where it is in this process.
    pub here: Option<StageWorker>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// What one server is asked for of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Instance id of the server.
    pub server: String,
    /// Address of its query service.
    pub url: String,
    /// The request, in the form that servers read.
    pub request: Vec<u8>,
}

/// What the rows of a share bring.
pub enum SharePart {
    /// Rows, each column in the Arrow type of its own type.
    Rows(RecordBatch),
    /// Counters since the last ones.
    Counters(Box<QueryStats>),
}

/// Rows of a share on their way.
pub type ShareRows = Pin<Box<dyn Stream<Item = Result<SharePart, QueryException>> + Send>>;

/// Who gives the rows of shares: the server that runs a stage.
#[async_trait]
pub trait Shares: Send + Sync {
    /// Opens a share in at most so many streams; `token` is the `Authorization` header for other servers.
    ///
    /// # Errors
    /// With the code of whatever went wrong.
    async fn open(
        &self,
        share: &Share,
        lanes: NonZeroUsize,
        token: Option<&str>,
    ) -> Result<Vec<ShareRows>, QueryException>;
}

/// A broker's way to the servers' stages.
#[derive(Clone, Default)]
pub struct Channels {
    pub(super) resolver: DefaultChannelResolver,
    pub(super) token: Option<String>,
}

impl Channels {
    /// None is open yet; `token` is the `Authorization` header of this process.
    #[must_use]
    pub fn new(token: Option<String>) -> Self {
        Self {
            resolver: DefaultChannelResolver::default(),
            token,
        }
    }
}
