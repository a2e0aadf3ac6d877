//! SQL beyond one scan: joins, windows, set operations and subqueries, planned and run by DataFusion over leaf stages.
//!
//! Must not know: how a leaf is routed and scattered (the broker does). Invariant: the same kernels as the single-stage
//! engine, so that a function has one meaning.

mod aggregate;
mod asof;
mod catalog;
mod choices;
mod computed;
mod constant_conditions;
mod constant_keys;
mod convert;
mod correlated;
mod decimal;
mod decimal_rows;
mod defaults;
mod distributed;
mod engine;
mod error;
mod expressions;
mod held_keys;
mod join_order;
mod key_columns;
mod key_types;
mod large_literals;
mod leaf;
mod limits_apart;
mod listed_subqueries;
mod literal_calls;
mod meeting;
mod memory;
mod never_null;
mod null_tests;
mod one_row;
mod operands;
mod outer_sides;
mod outer_tests;
mod planned_type;
mod ranges;
mod run;
mod scalar;
mod semi_joins;
mod shared_bounds;
mod single_keys;
mod small_batches;
mod stages;
mod statistics;
mod strict_joins;
mod summed_texts;
mod syntax;
mod text_choices;
mod types;
mod typing;
mod unions;
mod unnest;
mod window_order;
mod yielding;

pub use distributed::{
    Channels, Dialled, Layout, Partitioned, Place, Share, SharePart, ShareRows, Shares, Slot,
    StageWorker, WORKER_PATH,
};
pub use engine::{Request, answer};
pub use error::MultiStageError;
pub use leaf::{LeafAnswer, LeafPart, LeafRows, LeafStreams, Leaves, batch_of};
pub use memory::{Memory, MemorySettings};
pub use stages::Stages;
pub use statistics::Statistics;
