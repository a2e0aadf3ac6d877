//! Arrow Flight SQL: ADBC and JDBC drivers ask in it, and get Arrow batches.
//!
//! Must not know: brokers, segments. Invariant: every call is judged by who calls; rows become Arrow without a text in between.

mod answers;
mod doorkeeper;
mod keys;
mod literals;
mod metadata;
mod prepare;
mod service;
mod statements;

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;

use crate::source::Source;
use service::Service;

/// Where the service's methods are.
const PATH: &str = "/arrow.flight.protocol.FlightService/{*method}";
/// Bytes of a message that comes; what goes is cut into smaller ones.
const MESSAGE_BYTES: usize = 16 << 20;

/// The service as routes of an HTTP/2 server.
pub fn router(source: Arc<dyn Source>) -> axum::Router {
    let service = FlightServiceServer::new(Service::new(source))
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(usize::MAX);
    axum::Router::new().route_service(PATH, service)
}
