//! The controller: schemas, tables, segments, assignment and segment completion, over REST and as a service.
//!
//! Must not know: how queries run. Invariants: only the controller writes ideal state; everything is durable before it is answered, and a
//! restart goes on where it stopped; servers and brokers go on while it is away.

mod assign;
mod boundary;
mod completion;
mod consuming;
mod core;
mod delete;
mod error;
mod forms;
mod insert;
mod job_retention;
mod leadership;
mod led;
mod lineage;
mod minion;
mod periodic;
mod publish;
mod quiet;
mod realtime;
mod rebalances;
pub mod records;
mod rest;
mod rows;
mod server_fan_out;
mod service;
mod source;
mod start;
mod state;
mod stored;
pub mod streams;
mod tables;
mod tenancy;
mod upload;
mod validation;

pub use error::ControllerError;
pub use quiet::Quiet;
pub use start::{Controller, ControllerHandle, ControllerSettings};
