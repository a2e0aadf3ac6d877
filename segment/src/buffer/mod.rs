//! Memory that is shared without locks, mapped files, and vectors of the processor: the only folder of the workspace with `unsafe`.
//!
//! Must not know: columns, values. Invariant: safe callers cannot read memory that is not written and published.
#![expect(
    unsafe_code,
    reason = "lock-free append-only memory, file mapping and vectors chosen at run time have no safe form"
)]

pub(crate) mod arena;
pub(crate) mod bits;
mod blocks;
pub(crate) mod chunks;
pub(crate) mod listed;
pub(crate) mod map;
pub(crate) mod places;
pub(crate) mod positions;
pub(crate) mod slots;
pub(crate) mod within;
