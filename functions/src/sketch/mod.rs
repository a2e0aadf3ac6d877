//! Sketches as Pinot's answers and columns hold them, byte for byte where Pinot's are stable.
//!
//! Must not know: blocks, groups. Invariant: merging is commutative, and `from_bytes(to_bytes(s))` equals `s`.

pub mod cpc;
pub mod hyperloglog;
pub mod hyperloglog_plus;
pub mod merging_digest;
mod merging_sort;
pub mod murmur2;
pub mod quantile_digest;
pub mod theta;
pub mod tuple;
pub mod ultraloglog;
pub mod wyhash;

#[cfg(test)]
mod reference_bytes;

/// A value as sketches take it; types that hash differently are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// INT, BOOLEAN.
    Int(i32),
    /// LONG, TIMESTAMP.
    Long(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// STRING and the like.
    Text(&'a str),
    /// BYTES.
    Bytes(&'a [u8]),
}

/// A sketch that counts distinct values.
pub trait Counter: Sized + Send + Sync + 'static {
    /// An empty one of that size (log2m, p or lgK); sizes out of range are cut to it.
    fn sized(size: u8) -> Self;
    /// Adds a value.
    fn offer(&mut self, item: Item<'_>);
    /// Adds another; false where the two do not fit.
    #[must_use]
    fn absorb(&mut self, other: Self) -> bool;
    /// Estimated number of distinct values.
    fn estimate(&self) -> i64;
    /// Serialised form.
    fn save(&self) -> Vec<u8>;
    /// Reads a serialised form, into a sketch of `size` where the form leaves that open.
    fn read(bytes: &[u8], size: u8) -> Option<Self>;
    /// Bytes held.
    fn heap_bytes(&self) -> usize;
}

/// Java's `Math.round`.
#[must_use]
pub fn java_round(value: f64) -> i64 {
    (value + 0.5).floor() as i64
}
