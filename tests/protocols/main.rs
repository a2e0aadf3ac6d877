//! The Postgres protocol, Arrow Flight SQL and Pinot's gRPC, asked by `tokio-postgres`, by Arrow's own client and by the interface's.
//!
//! Must not know: how the protocols are served. Invariant: every test has a cluster of its own, in this process.

mod catalog;
mod flight;
mod grpc;
mod postgres;
mod rights;
mod taking;
mod tls;
mod world;
