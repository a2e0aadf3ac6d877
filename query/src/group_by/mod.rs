//! Grouping within a segment: each key becomes a small number a row, the numbers together become a group number.
//!
//! Must not know: aggregations. Invariant: group numbers are dense from 0; every group was seen in at least one row.

mod interner;
mod key;
mod keys;
mod parts;
mod table;

pub use keys::{RowGroups, SegmentKeys};
pub use table::GroupTable;
