//! Memory that is shared without locks, and mapped files: the only folder of the workspace with `unsafe`.
//!
//! Must not know: columns, values. Invariant: safe callers cannot read memory that is not written and published.
#![expect(
    unsafe_code,
    reason = "lock-free append-only memory and file mapping have no safe form"
)]

pub(crate) mod arena;
pub(crate) mod bits;
pub(crate) mod chunks;
pub(crate) mod map;
pub(crate) mod slots;
