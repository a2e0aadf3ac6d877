//! The bytes of a segment file, version 2, little endian.
//!
//! | part | content |
//! |---|---|
//! | head | magic `TOURIGA\0`, version `u32`, zeros up to 64 bytes |
//! | buffers | each at a multiple of 64 bytes, zeros between |
//! | footer | JSON: directory (column, kind, offset, length, CRC32C) and metadata |
//! | tail | footer length `u64`, CRC32C of the footer `u32`, version `u32`, magic |
//!
//! Must not know: how columns are read. Invariant: equal input gives equal bytes.

pub mod codec;
pub mod footer;
pub(crate) mod reader;
pub(crate) mod writer;

/// First and last bytes of a segment file.
pub(crate) const MAGIC: &[u8; 8] = b"TOURIGA\0";
/// Version that is written, and the one that is read. It goes up whenever the meaning of a buffer changes.
pub(crate) const VERSION: u32 = 2;
/// Buffers begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 64;
/// Bytes of the tail.
pub(crate) const TAIL: usize = 24;

/// Kinds of buffers in the directory; indexes add their own ids.
pub(crate) mod kind {
    /// Values of a dictionary: fixed width, or the bytes of all values.
    pub(crate) const DICTIONARY: &str = "dictionary";
    /// `u32` ends of the values of a dictionary of varying length.
    pub(crate) const DICTIONARY_ENDS: &str = "dictionary_ends";
    /// Bit-packed dictionary ids of all entries.
    pub(crate) const IDS: &str = "forward_index";
    /// `u32` end row of each dictionary id of a sorted column.
    pub(crate) const RUNS: &str = "sorted_index";
    /// Plain values, or compressed chunks of them.
    pub(crate) const RAW: &str = "raw_forward_index";
    /// Heads of the blocks of packed numbers.
    pub(crate) const PACKED_HEADS: &str = "packed_heads";
    /// `u64` end of each compressed chunk.
    pub(crate) const CHUNK_ENDS: &str = "raw_chunk_ends";
    /// `u32` end of each row among the entries of a multi-value column.
    pub(crate) const ROW_ENDS: &str = "row_ends";
    /// Nodes of a star-tree.
    pub(crate) const TREE_NODES: &str = "nodes";
    /// Roaring bitmap of null rows.
    pub(crate) const NULLS: &str = "nullvalue_vector";
}
