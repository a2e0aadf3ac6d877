//! Sketches as Pinot's answers and columns hold them, byte for byte where Pinot's are stable.
//!
//! Must not know: blocks, groups. Invariant: merging is commutative, and `from_bytes(to_bytes(s))` equals `s`.

pub mod hyperloglog;
pub mod murmur2;
