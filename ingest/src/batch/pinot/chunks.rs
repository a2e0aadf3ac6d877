//! Compressed chunks.
//!
//! Must not know: what is in them. Invariant: nothing unpacks to more than it may.

use std::io::Read;

use super::{Fallible, slice};

/// Bytes that a chunk may have unpacked.
const MOST: usize = 1 << 30;

/// Unpacks a chunk; `most` is its size unpacked at most, 0 where that is not known.
pub(super) fn unpack(kind: i32, bytes: &[u8], most: usize) -> Fallible<Vec<u8>> {
    if most > MOST {
        return Err(format!("a chunk of {most} bytes"));
    }
    match kind {
        0 => Ok(bytes.to_vec()),
        1 => {
            let length = snap::raw::decompress_len(bytes).map_err(|e| e.to_string())?;
            if length > MOST {
                return Err(format!("a chunk of {length} bytes"));
            }
            snap::raw::Decoder::new()
                .decompress_vec(bytes)
                .map_err(|e| e.to_string())
        }
        2 => {
            let decoder = zstd::stream::read::Decoder::new(bytes).map_err(|e| e.to_string())?;
            read(decoder)
        }
        3 => lz4_flex::block::decompress(bytes, most).map_err(|e| e.to_string()),
        4 => {
            let head: [u8; 4] = slice(bytes, 0, 4)?
                .try_into()
                .map_err(|_| "a chunk without its length".to_owned())?;
            let length = u32::from_le_bytes(head) as usize;
            if length > MOST {
                return Err(format!("a chunk of {length} bytes"));
            }
            lz4_flex::block::decompress(&bytes[4..], length).map_err(|e| e.to_string())
        }
        5 => read(flate2::read::MultiGzDecoder::new(bytes)),
        other => Err(format!("compression number {other} cannot be read")),
    }
}

fn read(reader: impl Read) -> Fallible<Vec<u8>> {
    let mut out = Vec::new();
    let limited = reader.take(MOST as u64);
    { limited }
        .read_to_end(&mut out)
        .map_err(|e| e.to_string())?;
    Ok(out)
}
