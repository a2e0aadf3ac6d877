//! What the benchmarks share: a process of the product, its figures from `/proc`, and the topic of trades.
//!
//! Must not know: internals of any crate. Invariant: a process that was started here ends with its handle.

pub mod figures;
pub mod process;
pub mod trades;
