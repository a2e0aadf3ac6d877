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

pub use controller::{GrpcController, controller_server};
pub use query::{GrpcQuery, query_server};

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

/// Makes a channel that connects when first used and again after a loss.
pub(crate) fn channel(url: &str) -> Result<tonic::transport::Channel, crate::ServiceError> {
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
        .http2_adaptive_window(true)
        .connect_lazy())
}
