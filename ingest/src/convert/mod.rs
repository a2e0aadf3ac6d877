//! From a decoded field to a column's type, with Pinot's rules for every pair of types, defaults, nulls and lengths.
//!
//! Must not know: decoders, transforms. Invariant: [`ColumnPlan::append`] adds exactly one value to the column or, on an error,
//! leaves it as it was.

mod column;
mod limits;
mod scalar;
mod time;

pub use column::{ColumnPlan, column_plans};
pub use time::format_now;
