//! Columnar segments: mutable ones that answer from the first row, sealed ones that are mapped from a file, their indexes.
//!
//! Must not know: SQL, tables beyond their config, network, tokio, the time of day.
//! Invariant: a [`Segment`] is a consistent snapshot; its row count never changes while it is held, and a reader takes no lock.

mod bounds;
mod buffer;
pub mod build;
pub mod error;
pub mod format;
pub mod ids;
pub mod index;
mod key;
pub mod mutable;
mod number;
pub mod plan;
pub mod predicate;
pub mod reader;
pub mod rows;
pub mod sealed;
pub mod testing;
pub mod time;
mod var;

pub use buffer::places::{add_strides, limit};
pub use buffer::positions::push_positions;
pub use error::SegmentError;
pub use format::footer::{ColumnMetadata, SegmentMetadata};
pub use ids::IdSet;
pub use index::star_tree::reader::{Asked, StarTree};
pub use index::star_tree::{StarTreeMetadata, Stored};
pub use key::{key_of, key_of_long};
pub use mutable::{MutableSegment, SegmentWriter};
pub use predicate::{Answer, Bound, Predicate};
pub use reader::{Column, ColumnStats, Dictionary, Docs, IndexReader, Segment};
pub use rows::{BatchColumn, RowBatch};
pub use sealed::SealedSegment;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;
