//! Columnar segments: mutable ones that answer from the first row, sealed ones that are mapped from a file, their indexes.
//!
//! Must not know: SQL, tables beyond their config, network, tokio, the time of day.
//! Invariant: a [`Segment`] is a consistent snapshot; its row count never changes while it is held, and a reader takes no lock.

pub mod ids;
pub mod predicate;
pub mod reader;

pub use ids::IdSet;
pub use predicate::{Answer, Bound, Predicate};
pub use reader::{Column, ColumnStats, Dictionary, Docs, IndexReader, Segment};
