//! Scalar and aggregate functions. A function is one row in a table; both engines, ingestion and the reference page read it.
//!
//! Must not know: segments, SQL text, I/O, the time of day (queries bring theirs in [`EvalContext`]).
//! Invariant: names are looked up in canonical form (lower case, no underscore); a kernel never panics on any input.

pub mod aggregate;
pub mod catalogue;
pub mod datetime;
pub mod error;
pub mod geo;
pub mod id_set;
pub mod json;
pub mod pattern;
pub mod scalar;
pub mod sketch;

pub use aggregate::{Aggregate, AggregateFunction, Grouped, Groups};
pub use error::FunctionError;
pub use scalar::{EvalContext, ScalarFunction};

/// Lower case without underscores: the form under which functions are the same.
#[must_use]
pub fn canonical_name(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}
