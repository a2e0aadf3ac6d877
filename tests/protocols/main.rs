//! The Postgres protocol and Arrow Flight SQL, asked by `tokio-postgres` and by Arrow's own client.
//!
//! Must not know: how the protocols are served. Invariant: every test has a cluster of its own, in this process.

mod catalog;
mod flight;
mod postgres;
mod rights;
mod taking;
mod tls;
mod world;
