//! Shares of leaves for the stages that run beside this server: its own segments, or another server's by gRPC.
//!
//! Must not know: plans of stages. Invariant: a segment that is not there fails the share; the broker then asks replicas.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use cluster::Dial;
use common::{ErrorCode, QueryException};
use futures::{StreamExt, TryStreamExt};
use multistage::{Share, SharePart, ShareRows, Shares};
use parking_lot::Mutex;
use proto::grpc::{GrpcQuery, request_of};
use proto::{QueryService, ScanPart, ScanStream};

use crate::query_service::Queries;

/// The leaves of this server's stages.
pub(crate) struct StageLeaves {
    queries: Arc<Queries>,
    dial: Dial,
    others: Mutex<HashMap<String, GrpcQuery>>,
}

impl StageLeaves {
    /// Other servers are reached by `dial`.
    pub(crate) fn new(queries: Arc<Queries>, dial: Dial) -> Self {
        Self {
            queries,
            dial,
            others: Mutex::default(),
        }
    }

    fn other(&self, url: &str, token: Option<&str>) -> Result<GrpcQuery, QueryException> {
        let key = format!("{url} {}", token.unwrap_or_default());
        let mut others = self.others.lock();
        if let Some(known) = others.get(&key) {
            return Ok(known.clone());
        }
        let made = GrpcQuery::connect_by(url, token, self.dial.grpc()).map_err(|error| {
            QueryException::new(ErrorCode::ServerNotResponding, error.to_string())
        })?;
        others.insert(key, made.clone());
        Ok(made)
    }
}

#[async_trait]
impl Shares for StageLeaves {
    async fn open(
        &self,
        share: &Share,
        lanes: NonZeroUsize,
        token: Option<&str>,
    ) -> Result<Vec<ShareRows>, QueryException> {
        let request = request_of(&share.request)?;
        let streams = if share.server == self.queries.shared.instance_id {
            self.queries.scan(request, lanes).await?
        } else {
            let other = self.other(&share.url, token)?;
            other.scan(request, NonZeroUsize::MIN).await?
        };
        Ok(streams
            .into_iter()
            .map(|stream| rows(stream, &share.server))
            .collect())
    }
}

fn rows(stream: ScanStream, server: &str) -> ShareRows {
    let server = server.to_owned();
    let parts = stream.and_then(move |part| {
        let part = match part {
            ScanPart::Rows(batch) => Ok(Some(SharePart::Rows(batch))),
            ScanPart::Counters(bytes) => Ok(serde_json::from_slice(&bytes)
                .ok()
                .map(|stats| SharePart::Counters(Box::new(stats)))),
            ScanPart::Missing(names) => Err(QueryException::new(
                ErrorCode::ServerSegmentMissing,
                format!("{} segments missing on server: {server}", names.len()),
            )),
        };
        futures::future::ready(part)
    });
    Box::pin(
        parts
            .try_filter_map(|part| futures::future::ready(Ok(part)))
            .boxed(),
    )
}
