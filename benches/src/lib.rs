//! What the benchmarks share: a process of the product, its figures from `/proc`, the topic of trades, what memory gives,
//! and why functions are slow.
//!
//! Must not know: internals of any crate. Invariant: a process that was started here ends with its handle.

pub mod bandwidth;
pub mod figures;
pub mod process;
pub mod slow;
pub mod trades;
