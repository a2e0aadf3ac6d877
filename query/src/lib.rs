//! Single-stage execution over segments: plan, prune, filter, project, aggregate, group, order; merge and reduce.
//!
//! Must not know: network, tokio, the time of day, files.
//! Invariant: the answer does not depend on how rows are split over segments, servers and threads.

pub mod dimension;
pub mod error;
pub mod execute;
pub mod expr;
pub mod filter;
pub mod gapfill;
pub mod group_by;
mod json_text;
mod kernel;
pub mod limits;
pub mod literals;
pub mod merge;
mod order;
pub mod plan;
pub mod project;
pub mod prune;
pub mod reduce;
mod scan;
pub mod select;
mod short;
mod stand_ins;
mod star_states;
pub mod star_tree;
mod statistics;
pub mod stats;
pub mod stream;
mod truncated;
pub mod wire;

pub use error::QueryError;
pub use execute::execute;
pub use limits::Limits;
pub use merge::Partial;
pub use plan::Plan;
pub use reduce::{ResultTable, reduce, reduce_columns};
pub use short::is_short;
pub use stats::QueryStats;
