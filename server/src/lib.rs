//! The server: consumes streams, holds segments, executes queries over them.
//!
//! Must not know: routing, SQL beyond a plan, how the cluster decides. Invariant: a query sees each row once, from the moment it was consumed
//! and whatever happens to its segment meanwhile.

mod admin;
mod complete;
mod consume;
mod dimension;
pub mod error;
mod home;
mod load;
pub mod measure;
mod membership;
mod metrics;
mod peers;
mod query_pool;
mod query_service;
mod reconcile;
mod reload;
mod reports;
mod row_errors;
mod scan;
mod segments;
mod server;
pub mod settings;
mod shared;
mod stage_leaves;
mod tables;
mod upsert;

pub use error::ServerError;
pub use server::{Server, ServerHandle};
pub use settings::ServerSettings;
