//! A server's query service over gRPC.
//!
//! Must not know: plans and results. Invariant: a transport failure is `ServerNotResponding`; other exceptions are the server's own.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use common::{ErrorCode, QueryException};
use tokio_rustls::rustls::ClientConfig;
use tonic::{Request, Response, Status};

use super::wire::query_answer::Answer;
use super::wire::query_client::QueryClient;
use super::wire::query_server::{Query, QueryServer};
use super::{Caller, Known, MAX_MESSAGE_BYTES, channel, scan, wire};
use crate::{QueryAnswer, QueryRequest, QueryService, ScanStream, ServiceError};

/// Serves queries to brokers in other processes.
#[must_use]
pub fn query_server(service: Arc<dyn QueryService>) -> QueryServer<impl Query + use<>> {
    QueryServer::new(Adapter(service))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// A request in the form that servers read.
#[must_use]
pub fn request_bytes(request: QueryRequest) -> Vec<u8> {
    prost::Message::encode_to_vec(&wire::QueryRequest::from(request))
}

/// The request that [`request_bytes`] wrote.
///
/// # Errors
/// Where the bytes are foreign.
pub fn request_of(bytes: &[u8]) -> Result<QueryRequest, QueryException> {
    let read: Result<wire::QueryRequest, _> = prost::Message::decode(bytes);
    read.map(Into::into).map_err(|error| {
        QueryException::new(
            ErrorCode::QueryPlanning,
            format!("a request cannot be read: {error}"),
        )
    })
}

struct Adapter(Arc<dyn QueryService>);

#[async_trait]
impl Query for Adapter {
    type ScanStream = scan::Encoded;

    async fn scan(
        &self,
        request: Request<wire::QueryRequest>,
    ) -> Result<Response<Self::ScanStream>, Status> {
        let answer = self
            .0
            .scan(request.into_inner().into(), NonZeroUsize::MIN)
            .await;
        Ok(Response::new(scan::encoded(answer)))
    }

    async fn submit(
        &self,
        request: Request<wire::QueryRequest>,
    ) -> Result<Response<wire::QueryAnswer>, Status> {
        let answer = match self.0.submit(request.into_inner().into()).await {
            Ok(QueryAnswer::Encoded(result)) => Answer::Result(result),
            Ok(QueryAnswer::Whole(_)) => Answer::Exception(scan::told(QueryException::new(
                ErrorCode::QueryExecution,
                "an answer for this process only cannot be sent",
            ))),
            Err(exception) => Answer::Exception(scan::told(exception)),
        };
        Ok(Response::new(wire::QueryAnswer {
            answer: Some(answer),
        }))
    }

    async fn cancel(
        &self,
        request: Request<wire::CancelRequest>,
    ) -> Result<Response<wire::CancelAnswer>, Status> {
        let cancelled = self.0.cancel(request.into_inner().request_id).await;
        Ok(Response::new(wire::CancelAnswer { cancelled }))
    }
}

/// A server in another process.
#[derive(Debug, Clone)]
pub struct GrpcQuery {
    client: QueryClient<Known>,
    url: String,
}

impl GrpcQuery {
    /// Names a server's query port; connects with the first call. `token` is the `Authorization` header of this process.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn connect(url: &str, token: Option<&str>) -> Result<Self, ServiceError> {
        Self::connect_by(url, token, None)
    }

    /// As [`GrpcQuery::connect`], behind TLS where a config is given.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn connect_by(
        url: &str,
        token: Option<&str>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, ServiceError> {
        let client = QueryClient::with_interceptor(channel(url, tls)?, Caller::new(token)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            client,
            url: url.to_owned(),
        })
    }
}

#[async_trait]
impl QueryService for GrpcQuery {
    async fn submit(&self, request: QueryRequest) -> Result<QueryAnswer, QueryException> {
        let answer = self
            .client
            .clone()
            .submit(wire::QueryRequest::from(request))
            .await
            .map_err(|status| scan::lost(&self.url, &status))?;
        match answer.into_inner().answer {
            Some(Answer::Result(result)) => Ok(QueryAnswer::Encoded(result)),
            Some(Answer::Exception(exception)) => Err(scan::heard(exception)),
            None => Err(QueryException::new(
                ErrorCode::ServerNotResponding,
                format!("{}: empty answer", self.url),
            )),
        }
    }

    async fn scan(
        &self,
        request: QueryRequest,
        _lanes: NonZeroUsize,
    ) -> Result<Vec<ScanStream>, QueryException> {
        let url = self.url.clone();
        let answer = self
            .client
            .clone()
            .scan(wire::QueryRequest::from(request))
            .await
            .map_err(|status| scan::lost(&url, &status))?;
        Ok(vec![scan::decoded(url, answer.into_inner()).await?])
    }

    async fn cancel(&self, request_id: u64) -> bool {
        let request = wire::CancelRequest { request_id };
        let answer = self.client.clone().cancel(request).await;
        answer.is_ok_and(|a| a.into_inner().cancelled)
    }
}
