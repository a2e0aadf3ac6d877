//! All roles in one process, asked over their ports as clients and scrapers ask them.
//!
//! Must not know: how a role works.

mod access;
mod dimension;
mod metrics;
mod minion;
mod tls;
