//! gRPC on both sides of each service: servers over a trait object, clients that implement the trait.
//!
//! Must not know: who serves. Invariant: a client is lazy and reconnects by itself; what cannot be reached is
//! `Unreachable`, what was refused is `Refused`.
//!
//! A server is a tower service of HTTP/2 requests. Put it beside an HTTP router on the same port with
//! `router.route_service(CONTROLLER_PATH, controller_server(service))`.

mod controller;
mod convert;
mod query;
mod scan;
mod secure;

use std::sync::Arc;

use common::{ErrorCode, QueryException};
use tokio_rustls::rustls::ClientConfig;

pub use controller::{GrpcController, controller_server};
pub use query::{GrpcQuery, query_server, request_bytes, request_of};
pub use secure::first_of;

/// Route of the controller's service.
pub const CONTROLLER_PATH: &str = "/touriga.Controller/{*method}";
/// Route of a server's query service.
pub const QUERY_PATH: &str = "/touriga.Query/{*method}";

/// Largest message, bytes: an answer of one server.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1 << 30;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated from touriga.proto"
)]
pub(crate) mod wire {
    tonic::include_proto!("touriga");
}

/// A channel whose every call carries who calls.
pub(crate) type Known =
    tonic::service::interceptor::InterceptedService<tonic::transport::Channel, Caller>;

/// Puts an `authorization` header into calls.
#[derive(Clone)]
pub(crate) struct Caller(Option<tonic::metadata::MetadataValue<tonic::metadata::Ascii>>);

impl std::fmt::Debug for Caller {
    /// The header is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller")
    }
}

impl Caller {
    /// One who shows this header, or none.
    pub(crate) fn new(header: Option<&str>) -> Result<Self, crate::ServiceError> {
        let parsed = header.map(|h| {
            h.parse().map_err(|_| {
                crate::ServiceError::Refused(
                    "the token of this process is no valid header".to_owned(),
                )
            })
        });
        Ok(Self(parsed.transpose()?))
    }
}

impl tonic::service::Interceptor for Caller {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(header) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// Makes a channel that connects when first used and again after a loss.
pub(crate) fn channel(
    url: &str,
    tls: Option<Arc<ClientConfig>>,
) -> Result<tonic::transport::Channel, crate::ServiceError> {
    Ok(lazy(endpoint(&plain(url, tls.is_some()))?, tls))
}

/// What is secured by the connection itself is no matter of the address.
fn plain(url: &str, secured: bool) -> String {
    match url.strip_prefix("https://") {
        Some(rest) if secured => format!("http://{rest}"),
        _ => url.to_owned(),
    }
}

/// Connects with the first call, behind TLS where that is set.
fn lazy(
    endpoint: tonic::transport::Endpoint,
    tls: Option<Arc<ClientConfig>>,
) -> tonic::transport::Channel {
    match tls {
        None => endpoint.connect_lazy(),
        Some(tls) => endpoint.connect_with_connector_lazy(secure::Secure(tls)),
    }
}

/// Opens a channel to an address, which connects by itself.
pub type Dialled =
    Arc<dyn Fn(&str) -> Result<tonic::transport::Channel, QueryException> + Send + Sync>;

/// Opens channels for a service that another crate defines, behind TLS where a config is given.
#[must_use]
pub fn dialled(tls: Option<Arc<ClientConfig>>) -> Dialled {
    Arc::new(move |url| {
        attentive_channel(url, tls.clone())
            .map_err(|error| QueryException::new(ErrorCode::ServerNotResponding, error.to_string()))
    })
}

/// A channel that also notices a process which is there and says nothing.
pub(crate) fn attentive_channel(
    url: &str,
    tls: Option<Arc<ClientConfig>>,
) -> Result<tonic::transport::Channel, crate::ServiceError> {
    let endpoint = endpoint(&plain(url, tls.is_some()))?
        .connect_timeout(std::time::Duration::from_secs(1))
        .http2_keep_alive_interval(std::time::Duration::from_secs(1))
        .keep_alive_timeout(std::time::Duration::from_secs(3));
    Ok(lazy(endpoint, tls))
}

/// Bytes of an answer that may be on their way before they are read.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same of all answers of a connection: the most there is. A join reads one side before the other; the rows of the other, sent and not
/// yet read, must never take the room of those that it waits for.
const CONNECTION_WINDOW: u32 = i32::MAX as u32;

fn endpoint(url: &str) -> Result<tonic::transport::Endpoint, crate::ServiceError> {
    let url = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let endpoint = tonic::transport::Endpoint::from_shared(url.clone())
        .map_err(|error| crate::ServiceError::Refused(format!("bad address `{url}`: {error}")))?;
    Ok(endpoint
        .connect_timeout(std::time::Duration::from_secs(3))
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW))
}
