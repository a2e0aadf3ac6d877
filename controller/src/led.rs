//! The service for roles in this process: this controller where it leads, else the one that does.
//!
//! Must not know: how leadership changes. Invariant: a call that nobody could take is `Unreachable`, so that it is repeated.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use proto::controller_service::{
    ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, Instance, ReplicaReport,
    SegmentRecord,
};
use proto::grpc::GrpcController;
use proto::{ControllerService, ServiceError};

use crate::core::Core;
use crate::service::Service;

/// How long to wait for a leader.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last leader elsewhere, by its address, and the connection to it.
pub(crate) type Elsewhere = Arc<Mutex<Option<(String, Arc<GrpcController>)>>>;

pub(crate) struct Led {
    own: Service,
    other: Elsewhere,
}

impl Led {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self::over(core, &Elsewhere::default())
    }

    /// One who goes on with the connection that was kept.
    pub(crate) fn over(core: &Arc<Core>, kept: &Elsewhere) -> Self {
        Self {
            own: Service(Arc::clone(core)),
            other: Arc::clone(kept),
        }
    }

    async fn leading(&self) -> Result<Arc<dyn ControllerService>, ServiceError> {
        let core = &self.own.0;
        let Some(seat) = core.seat.as_ref().filter(|_| !core.leads()) else {
            return Ok(Arc::new(self.own.clone()));
        };
        let Some(leader) = seat.leader() else {
            seat.changed(PATIENCE).await;
            return Err(ServiceError::Unreachable(
                "a leading controller: there is none now".to_owned(),
            ));
        };
        let mut other = self.other.lock();
        if let Some((url, known)) = other.as_ref()
            && *url == leader.url
        {
            return Ok(Arc::<GrpcController>::clone(known));
        }
        let made = Arc::new(GrpcController::connect_by(
            &leader.url,
            core.access.own_header(),
            core.dial.grpc(),
        )?);
        *other = Some((leader.url, Arc::clone(&made)));
        Ok(made)
    }
}

#[async_trait]
impl ControllerService for Led {
    async fn cluster_id(&self) -> Result<String, ServiceError> {
        self.leading().await?.cluster_id().await
    }

    async fn register(&self, instance: Instance) -> Result<(), ServiceError> {
        self.leading().await?.register(instance).await
    }

    async fn heartbeat(&self, instance_id: &str) -> Result<(), ServiceError> {
        self.leading().await?.heartbeat(instance_id).await
    }

    async fn leave(&self, instance_id: &str) -> Result<(), ServiceError> {
        self.leading().await?.leave(instance_id).await
    }

    async fn watch(&self, instance_id: &str, version: u64) -> Result<ClusterView, ServiceError> {
        self.leading().await?.watch(instance_id, version).await
    }

    async fn report(
        &self,
        instance_id: &str,
        reports: Vec<ReplicaReport>,
    ) -> Result<(), ServiceError> {
        self.leading().await?.report(instance_id, reports).await
    }

    async fn segment_consumed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.leading().await?.segment_consumed(request).await
    }

    async fn commit_start(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.leading().await?.commit_start(request).await
    }

    async fn commit_end(&self, end: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
        self.leading().await?.commit_end(end).await
    }

    async fn stopped_consuming(&self, request: CompletionRequest) -> Result<(), ServiceError> {
        self.leading().await?.stopped_consuming(request).await
    }

    async fn add_segment(&self, table: &str, record: SegmentRecord) -> Result<(), ServiceError> {
        self.leading().await?.add_segment(table, record).await
    }
}
