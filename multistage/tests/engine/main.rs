//! The engine over leaves that are answered in this process.
//!
//! Must not know: brokers, servers. Invariant: a leaf is a single-stage query over sealed segments.

mod colocated;
mod held;
mod memory;
mod narrowed;
mod numbers;
mod sql;
mod tpch;
mod yielding;
