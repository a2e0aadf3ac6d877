//! The controller's service over gRPC.
//!
//! Must not know: the cluster's state. Invariant: every call of the trait is one unary call.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_rustls::rustls::ClientConfig;
use tonic::{Request, Response, Status};

use super::wire::controller_client::ControllerClient;
use super::wire::controller_server::{Controller, ControllerServer};
use super::{Caller, Known, MAX_MESSAGE_BYTES, attentive_channel, wire};
use crate::controller_service::{
    ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, ControllerService, Instance,
    ReplicaReport, SegmentRecord, ServiceError,
};

/// Serves a controller to callers in other processes.
#[must_use]
pub fn controller_server(
    service: Arc<dyn ControllerService>,
) -> ControllerServer<impl Controller + use<>> {
    ControllerServer::new(Adapter(service))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

struct Adapter(Arc<dyn ControllerService>);

type Answer<T> = Result<Response<T>, Status>;

fn refused(error: ServiceError) -> Status {
    match error {
        ServiceError::Unreachable(what) => Status::unavailable(what),
        ServiceError::Refused(why) => Status::failed_precondition(why),
    }
}

fn unexpected(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn empty(result: Result<(), ServiceError>) -> Answer<wire::Empty> {
    result
        .map(|()| Response::new(wire::Empty {}))
        .map_err(refused)
}

fn answered(result: Result<CompletionAnswer, ServiceError>) -> Answer<wire::CompletionAnswer> {
    result
        .map(|answer| Response::new(answer.into()))
        .map_err(refused)
}

fn segment(record: Option<wire::Segment>) -> Result<SegmentRecord, Status> {
    record
        .map(SegmentRecord::from)
        .ok_or_else(|| Status::invalid_argument("the segment's record is missing"))
}

#[async_trait]
impl Controller for Adapter {
    async fn cluster_id(&self, _: Request<wire::Empty>) -> Answer<wire::ClusterIdentity> {
        let id = self.0.cluster_id().await.map_err(refused)?;
        Ok(Response::new(wire::ClusterIdentity { id }))
    }

    async fn register(&self, request: Request<wire::Instance>) -> Answer<wire::Empty> {
        let instance = Instance::try_from(request.into_inner()).map_err(unexpected)?;
        empty(self.0.register(instance).await)
    }

    async fn heartbeat(&self, request: Request<wire::InstanceId>) -> Answer<wire::Empty> {
        empty(self.0.heartbeat(&request.into_inner().id).await)
    }

    async fn leave(&self, request: Request<wire::InstanceId>) -> Answer<wire::Empty> {
        empty(self.0.leave(&request.into_inner().id).await)
    }

    async fn watch(&self, request: Request<wire::WatchRequest>) -> Answer<wire::ClusterView> {
        let request = request.into_inner();
        let view = self
            .0
            .watch(&request.instance_id, request.version)
            .await
            .map_err(refused)?;
        let view =
            wire::ClusterView::try_from(view).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Response::new(view))
    }

    async fn report(&self, request: Request<wire::ReportRequest>) -> Answer<wire::Empty> {
        let request = request.into_inner();
        let reports = request
            .reports
            .into_iter()
            .map(ReplicaReport::from)
            .collect();
        empty(self.0.report(&request.instance_id, reports).await)
    }

    async fn segment_consumed(
        &self,
        request: Request<wire::CompletionRequest>,
    ) -> Answer<wire::CompletionAnswer> {
        answered(self.0.segment_consumed(request.into_inner().into()).await)
    }

    async fn commit_start(
        &self,
        request: Request<wire::CompletionRequest>,
    ) -> Answer<wire::CompletionAnswer> {
        answered(self.0.commit_start(request.into_inner().into()).await)
    }

    async fn commit_end(
        &self,
        request: Request<wire::CommitEndRequest>,
    ) -> Answer<wire::CompletionAnswer> {
        let request = request.into_inner();
        let end = CommitEnd {
            instance: request.instance,
            table: request.table,
            record: segment(request.record)?,
        };
        answered(self.0.commit_end(end).await)
    }

    async fn stopped_consuming(
        &self,
        request: Request<wire::CompletionRequest>,
    ) -> Answer<wire::Empty> {
        empty(self.0.stopped_consuming(request.into_inner().into()).await)
    }

    async fn add_segment(&self, request: Request<wire::AddSegmentRequest>) -> Answer<wire::Empty> {
        let request = request.into_inner();
        let record = segment(request.record)?;
        empty(self.0.add_segment(&request.table, record).await)
    }
}

/// A controller in another process.
#[derive(Debug, Clone)]
pub struct GrpcController {
    client: ControllerClient<Known>,
    url: String,
}

impl GrpcController {
    /// Names a controller, `http://host:9000` or `host:9000`; connects with the first call. `token` is the
    /// `Authorization` header of this process.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn connect(url: &str, token: Option<&str>) -> Result<Self, ServiceError> {
        Self::connect_by(url, token, None)
    }

    /// As [`GrpcController::connect`], behind TLS where a config is given.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn connect_by(
        url: &str,
        token: Option<&str>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, ServiceError> {
        let channel = attentive_channel(url, tls)?;
        let client = ControllerClient::with_interceptor(channel, Caller::new(token)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            client,
            url: url.to_owned(),
        })
    }

    fn failed(&self, status: &Status) -> ServiceError {
        match status.code() {
            tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument => {
                ServiceError::Refused(status.message().to_owned())
            }
            _ => ServiceError::Unreachable(format!("{}: {}", self.url, status.message())),
        }
    }

    fn answered(
        &self,
        answer: Result<Response<wire::CompletionAnswer>, Status>,
    ) -> Result<CompletionAnswer, ServiceError> {
        answer
            .map(|a| a.into_inner().into())
            .map_err(|status| self.failed(&status))
    }

    fn done(&self, answer: Result<Response<wire::Empty>, Status>) -> Result<(), ServiceError> {
        answer.map(drop).map_err(|status| self.failed(&status))
    }
}

#[async_trait]
impl ControllerService for GrpcController {
    async fn cluster_id(&self) -> Result<String, ServiceError> {
        match self.client.clone().cluster_id(wire::Empty {}).await {
            Ok(identity) => Ok(identity.into_inner().id),
            // A controller of an earlier version, which servers may be ahead of in a rolling update.
            Err(status) if status.code() == tonic::Code::Unimplemented => Ok(String::new()),
            Err(status) => Err(self.failed(&status)),
        }
    }

    async fn register(&self, instance: Instance) -> Result<(), ServiceError> {
        self.done(
            self.client
                .clone()
                .register(wire::Instance::from(instance))
                .await,
        )
    }

    async fn heartbeat(&self, instance_id: &str) -> Result<(), ServiceError> {
        let request = wire::InstanceId {
            id: instance_id.to_owned(),
        };
        self.done(self.client.clone().heartbeat(request).await)
    }

    async fn leave(&self, instance_id: &str) -> Result<(), ServiceError> {
        let request = wire::InstanceId {
            id: instance_id.to_owned(),
        };
        self.done(self.client.clone().leave(request).await)
    }

    async fn watch(&self, instance_id: &str, version: u64) -> Result<ClusterView, ServiceError> {
        let request = wire::WatchRequest {
            instance_id: instance_id.to_owned(),
            version,
        };
        let view = self
            .client
            .clone()
            .watch(request)
            .await
            .map_err(|s| self.failed(&s))?;
        ClusterView::try_from(view.into_inner()).map_err(|error| {
            ServiceError::Refused(format!("the cluster's view cannot be read: {error}"))
        })
    }

    async fn report(
        &self,
        instance_id: &str,
        reports: Vec<ReplicaReport>,
    ) -> Result<(), ServiceError> {
        let request = wire::ReportRequest {
            instance_id: instance_id.to_owned(),
            reports: reports.into_iter().map(Into::into).collect(),
        };
        self.done(self.client.clone().report(request).await)
    }

    async fn segment_consumed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        let request = wire::CompletionRequest::from(request);
        self.answered(self.client.clone().segment_consumed(request).await)
    }

    async fn commit_start(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        let request = wire::CompletionRequest::from(request);
        self.answered(self.client.clone().commit_start(request).await)
    }

    async fn commit_end(&self, end: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
        let request = wire::CommitEndRequest {
            instance: end.instance,
            table: end.table,
            record: Some(end.record.into()),
        };
        self.answered(self.client.clone().commit_end(request).await)
    }

    async fn stopped_consuming(&self, request: CompletionRequest) -> Result<(), ServiceError> {
        let request = wire::CompletionRequest::from(request);
        self.done(self.client.clone().stopped_consuming(request).await)
    }

    async fn add_segment(&self, table: &str, record: SegmentRecord) -> Result<(), ServiceError> {
        let request = wire::AddSegmentRequest {
            table: table.to_owned(),
            record: Some(record.into()),
        };
        self.done(self.client.clone().add_segment(request).await)
    }
}
