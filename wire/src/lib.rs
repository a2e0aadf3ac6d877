//! Ways to ask beside HTTP: the Postgres protocol, Arrow Flight SQL and Pinot's gRPC.
//!
//! Must not know: brokers, segments, who is let in and why; all of that is behind [`Source`]. Invariant: a message that is broken ends its
//! connection or its call, never the process.

pub mod arrow_table;
mod asking;
pub mod flight;
pub mod grpc;
pub mod postgres;
mod source;
mod status;
mod syntax;

pub use source::{
    Ask, Caller, Insert, NotLetIn, Refusal, Row, Rows, Scram, Source, Table, Whole, Written,
};
