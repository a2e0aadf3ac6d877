//! Compression of the chunks of a raw column.
//!
//! Must not know: what the bytes mean. Invariant: decompression never allocates more than the length it is told.

use std::io::Read;

use serde::{Deserialize, Serialize};

/// A codec, under its stored name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Codec {
    /// Not compressed.
    PassThrough,
    /// LZ4 block.
    Lz4,
    /// Zstandard.
    Zstandard,
    /// Snappy.
    Snappy,
}

impl Codec {
    /// The codec for a name of a table config; codecs that this format does not have become the nearest one it has.
    #[must_use]
    pub fn for_config(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "PASS_THROUGH" => Self::PassThrough,
            "LZ4"
            | "LZ4_LENGTH_PREFIXED"
            | "DELTA"
            | "DELTADELTA"
            | "CLP"
            | "CLPV2"
            | "CLPV2_LZ4" => Self::Lz4,
            "ZSTANDARD" | "ZSTD" | "GZIP" | "CLPV2_ZSTD" => Self::Zstandard,
            "SNAPPY" => Self::Snappy,
            _ => return None,
        })
    }

    /// Compresses a chunk; `None` where the codec fails, which it does not on memory.
    pub(crate) fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::PassThrough => Some(bytes.to_vec()),
            Self::Lz4 => Some(lz4_flex::block::compress(bytes)),
            Self::Zstandard => zstd::bulk::compress(bytes, 3).ok(),
            Self::Snappy => snap::raw::Encoder::new().compress_vec(bytes).ok(),
        }
    }

    /// Decompresses a chunk of a known length into `out`; false where the bytes are no such chunk.
    pub(crate) fn decompress(self, bytes: &[u8], len: usize, out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            Self::PassThrough => {
                out.extend_from_slice(bytes);
                bytes.len() == len
            }
            Self::Lz4 => {
                out.resize(len, 0);
                lz4_flex::block::decompress_into(bytes, out).is_ok_and(|found| found == len)
            }
            Self::Zstandard => {
                let Ok(decoder) = zstd::stream::read::Decoder::with_buffer(bytes) else {
                    return false;
                };
                let read = decoder.take(len as u64 + 1).read_to_end(out);
                read.is_ok() && out.len() == len
            }
            Self::Snappy => {
                out.resize(len, 0);
                let found = snap::raw::decompress_len(bytes);
                found.is_ok_and(|found| found == len)
                    && snap::raw::Decoder::new().decompress(bytes, out).is_ok()
            }
        }
    }
}
