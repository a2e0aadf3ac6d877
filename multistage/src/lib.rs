//! SQL beyond one scan: joins, windows, set operations and subqueries, planned and run by DataFusion over leaf stages.
//!
//! Must not know: how a leaf is routed and scattered (the broker does). Invariant: the same kernels as the single-stage
//! engine, so that a function has one meaning.

mod aggregate;
mod asof;
mod catalog;
mod convert;
mod decimal;
mod engine;
mod error;
mod leaf;
mod planned_type;
mod scalar;
mod stages;
mod syntax;
mod types;
mod typing;

pub use engine::{Request, answer};
pub use error::MultiStageError;
pub use leaf::{LeafAnswer, LeafPart, LeafRows, Leaves, batch_of};
pub use stages::Stages;
