//! Where stages run, and what a stage asks of the server beside it.
//!
//! Must not know: plans, transports. Invariant: a share names exactly the segments that one server answers for.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use common::QueryException;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use futures::Stream;
use parking_lot::Mutex;
use query::QueryStats;
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;
use url::Url;

use super::worker::StageWorker;
use crate::error::MultiStageError;

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

/// Opens a channel to an address, which connects by itself.
pub type Dialled = Arc<dyn Fn(&str) -> Result<Channel, QueryException> + Send + Sync>;

/// The way to the stages of servers: one channel to each, opened when it is first asked for.
#[derive(Clone)]
pub struct Channels {
    dialled: Dialled,
    known: Arc<Mutex<HashMap<Url, Channel>>>,
    pub(super) token: Option<String>,
}

impl Channels {
    /// None is open yet; `token` is the `Authorization` header of this process.
    #[must_use]
    pub fn new(dialled: Dialled, token: Option<String>) -> Self {
        Self {
            dialled,
            known: Arc::default(),
            token,
        }
    }

    fn channel(&self, url: &Url) -> Result<Channel, QueryException> {
        let mut known = self.known.lock();
        if let Some(channel) = known.get(url) {
            return Ok(channel.clone());
        }
        let channel = (self.dialled)(url.as_str())?;
        known.insert(url.clone(), channel.clone());
        Ok(channel)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let channel = self.channel(url);
        let channel =
            channel.map_err(|error| DataFusionError::from(MultiStageError::from(error)))?;
        Ok(create_worker_client(BoxCloneSyncChannel::new(channel)))
    }
}
