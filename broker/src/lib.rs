//! The broker: parse, route, scatter, merge, answer.
//!
//! Must not know: segments' contents, the metadata store. Invariants: no lock on a query's way (routing is a snapshot that is
//! swapped whole); a query is always answered, with Pinot's response JSON and every counter, about when its time is over.

mod door;
mod execution;
mod metrics;
mod multistage;
mod request;
mod response;
mod rest;
mod routing;
mod servers;
mod start;
mod system;
mod watch;

pub use door::Door;
pub use request::QueryInput;
pub use response::{BrokerResponse, Failure};
pub use servers::{GrpcServers, LocalServers, ServerConnector};
pub use start::{Broker, BrokerError, BrokerHandle, BrokerSettings};
