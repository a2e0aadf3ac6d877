//! Compression of blocks, by Pinot's names and in Pinot's framing.
//!
//! Must not know: what is compressed. Invariant: what Pinot's clients read back is what was given.

use std::io::{Error, Write};

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Zstd,
    Lz4,
    Snappy,
    Gzip,
    Deflate,
}

/// The level that zstd takes where none is asked for.
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// The compression of a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "NONE" | "PASS_THROUGH" => Self::None,
            "ZSTD" | "ZSTANDARD" => Self::Zstd,
            "LZ4" | "LZ4_FAST" | "LZ4_HIGH" => Self::Lz4,
            "SNAPPY" => Self::Snappy,
            "GZIP" => Self::Gzip,
            "DEFLATE" => Self::Deflate,
            _ => return None,
        })
    }

    /// The bytes of a block.
    ///
    /// # Errors
    /// Where they are more than the method can take.
    pub(super) fn of(self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        match self {
            Self::None => Ok(bytes),
            Self::Zstd => after_length(&bytes, &zstd::bulk::compress(&bytes, ZSTD_LEVEL)?),
            Self::Lz4 => after_length(&bytes, &lz4_flex::block::compress(&bytes)),
            Self::Snappy => snap::raw::Encoder::new()
                .compress_vec(&bytes)
                .map_err(Error::other),
            Self::Gzip => {
                let mut to = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                to.write_all(&bytes)?;
                to.finish()
            }
            Self::Deflate => {
                let mut to = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
                to.write_all(&bytes)?;
                to.finish()
            }
        }
    }
}

/// What is compressed, behind its length before that.
fn after_length(before: &[u8], compressed: &[u8]) -> Result<Vec<u8>, Error> {
    let length = i32::try_from(before.len()).map_err(Error::other)?;
    Ok([&length.to_be_bytes(), compressed].concat())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_clients_read_back_is_what_was_given() -> Result<(), Box<dyn std::error::Error>> {
        let bytes: Vec<u8> = (0..9_000_u32).map(|n| (n % 50) as u8).collect();
        let of = |name: &str| {
            let known = Compression::parse(name).ok_or(format!("`{name}` is not known"))?;
            known.of(bytes.clone()).map_err(|e| e.to_string())
        };
        assert_eq!(of("PASS_THROUGH")?, bytes);
        for name in ["zstd", "ZSTANDARD", "LZ4", "lz4_high"] {
            let block = of(name)?;
            let (length, rest) = block.split_at(4);
            assert_eq!(length, 9_000_i32.to_be_bytes());
            let read = match Compression::parse(name) {
                Some(Compression::Zstd) => zstd::bulk::decompress(rest, 9_000)?,
                _ => lz4_flex::block::decompress(rest, 9_000)?,
            };
            assert_eq!(read, bytes, "{name}");
        }
        assert_eq!(
            snap::raw::Decoder::new().decompress_vec(&of("SNAPPY")?)?,
            bytes
        );
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(of("GZIP")?.as_slice()).read_to_end(&mut read)?;
        assert_eq!(read, bytes);
        read.clear();
        flate2::read::ZlibDecoder::new(of("DEFLATE")?.as_slice()).read_to_end(&mut read)?;
        assert_eq!(read, bytes);
        assert_eq!(Compression::parse("BROTLI"), None);
        Ok(())
    }
}
