//! A server's side of stages: sessions in which plans of brokers run.
//!
//! Must not know: how shares are scanned. Invariant: all stages of a query on a server share one budget; what a query took is
//! given back when its last stage ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion_distributed::{DistributedExt, Worker, WorkerQueryContext, WorkerSessionBuilder};
use http::HeaderMap;
use url::Url;

use super::codec::ShareCodec;
use super::functions::Functions;
use super::places::{Channels, Shares};
use crate::error::MultiStageError;
use crate::memory::Memory;

/// The functions of a plan, JSON in base64.
pub(super) const FUNCTIONS: &str = "x-touriga-functions";
/// Bytes that a query may take on each server.
pub(super) const MEMORY: &str = "x-touriga-memory";
/// Id of a query.
pub(super) const QUERY: &str = "x-touriga-query";
const AUTHORIZATION: &str = "authorization";

/// Runs stages on a server.
#[derive(Clone)]
pub struct StageWorker {
    worker: Worker,
    memory: Arc<Memory>,
}

/// What leaves of a stage find in their session.
pub(super) struct Here {
    pub(super) shares: Arc<dyn Shares>,
    pub(super) token: Option<String>,
}

struct Sessions {
    shares: Arc<dyn Shares>,
    memory: Arc<Memory>,
    channels: Channels,
    running: Mutex<HashMap<String, Weak<RuntimeEnv>>>,
}

impl StageWorker {
    /// A worker whose leaves read `shares`, within `memory`, and which reaches others by `channels`.
    #[must_use]
    pub fn new(shares: Arc<dyn Shares>, memory: Arc<Memory>, channels: Channels) -> Self {
        let sessions = Sessions {
            shares,
            memory: Arc::clone(&memory),
            channels,
            running: Mutex::default(),
        };
        Self {
            worker: Worker::from_session_builder(sessions),
            memory,
        }
    }

    /// Bytes that stages hold here now.
    #[must_use]
    pub fn taken_bytes(&self) -> usize {
        self.memory.taken_bytes()
    }

    /// The service that brokers and other servers reach; its route is [`super::WORKER_PATH`].
    #[must_use]
    pub fn worker(&self) -> Worker {
        self.worker.clone()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Sessions {
    /// Where the stages of a query run.
    fn environment(&self, headers: &HeaderMap) -> Result<Arc<RuntimeEnv>> {
        let wanted = text(headers, MEMORY).and_then(|bytes| bytes.parse().ok());
        let make = || {
            let made = self.memory.environment(self.memory.budget(wanted))?;
            // A plan from elsewhere reads shares, no files.
            if let Ok(files) = Url::parse("file:///") {
                made.deregister_object_store(&files)?;
            }
            Ok(made)
        };
        let Some(query) = text(headers, QUERY) else {
            return make();
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, environment| environment.strong_count() > 0);
        if let Some(environment) = running.get(query).and_then(Weak::upgrade) {
            return Ok(environment);
        }
        let made = make()?;
        running.insert(query.to_owned(), Arc::downgrade(&made));
        Ok(made)
    }
}

#[async_trait]
impl WorkerSessionBuilder for Sessions {
    async fn build_session_state(&self, context: WorkerQueryContext) -> Result<SessionState> {
        let headers = context.headers;
        let functions = match text(&headers, FUNCTIONS) {
            Some(encoded) => {
                let bytes = STANDARD.decode(encoded).map_err(unread)?;
                serde_json::from_slice(&bytes).map_err(unread)?
            }
            None => Functions::default(),
        };
        let environment = self.environment(&headers)?;
        let here = Here {
            shares: Arc::clone(&self.shares),
            token: text(&headers, AUTHORIZATION).map(str::to_owned),
        };
        let mut passed = HeaderMap::new();
        for name in [FUNCTIONS, MEMORY, QUERY, AUTHORIZATION] {
            if let Some(value) = headers.get(name) {
                passed.insert(name, value.clone());
            }
        }
        let mut session = context
            .builder
            .with_runtime_env(environment)
            .with_distributed_user_codec(ShareCodec)
            .with_distributed_channel_resolver(self.channels.clone())
            .with_distributed_passthrough_headers(passed)?
            .build();
        session.config_mut().set_extension(Arc::new(here));
        functions.register(&mut session)?;
        Ok(session)
    }
}

fn unread(error: impl std::fmt::Display) -> MultiStageError {
    MultiStageError::new(
        common::ErrorCode::QueryPlanning,
        format!("the functions of a stage cannot be read: {error}"),
    )
}
