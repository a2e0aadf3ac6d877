//! Which rows of a sealed segment count, kept beside its file: what tables with a metadata TTL cannot work out again, since they forget keys.
//!
//! Must not know: keys. Invariant: a file that is damaged or half written counts as none.

use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

/// End of the names of these files.
pub(crate) const END: &str = ".valid";
const MAGIC: &[u8; 8] = b"TRGVALD1";
const HEAD: usize = 24;

/// What was kept.
#[derive(Debug, PartialEq)]
pub(super) struct Saved {
    /// The greatest comparison value that was seen then.
    pub(super) largest: f64,
    /// Rows that counted.
    pub(super) valid: RoaringBitmap,
}

/// The file of a segment.
pub(crate) fn path_of(folder: &Path, segment: &str) -> PathBuf {
    folder.join(format!("{segment}{END}"))
}

/// Keeps it.
pub(super) fn save(path: &Path, largest: f64, valid: &RoaringBitmap) -> std::io::Result<()> {
    let mut body = Vec::with_capacity(8 + valid.serialized_size());
    body.extend_from_slice(&largest.to_le_bytes());
    valid.serialize_into(&mut body)?;
    let mut bytes = Vec::with_capacity(body.len() + 16);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    let partial = path.with_extension("valid-partial");
    std::fs::write(&partial, &bytes)?;
    std::fs::rename(&partial, path)
}

/// Reads it; `None` where there is none that can be used.
pub(super) fn load(path: &Path) -> Option<Saved> {
    let bytes = std::fs::read(path).ok()?;
    let (head, body) = bytes.split_at_checked(HEAD - 8)?;
    let (magic, sum) = head.split_at_checked(MAGIC.len())?;
    if magic != MAGIC || sum != xxh3_64(body).to_le_bytes() {
        return None;
    }
    let (largest, rows) = body.split_at_checked(8)?;
    Some(Saved {
        largest: f64::from_le_bytes(largest.try_into().ok()?),
        valid: RoaringBitmap::deserialize_from(rows).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = path_of(folder.path(), "s");
        let valid: RoaringBitmap = (3..900).collect();
        save(&path, 7.5, &valid)?;
        assert_eq!(
            load(&path),
            Some(Saved {
                largest: 7.5,
                valid
            })
        );
        let mut bytes = std::fs::read(&path)?;
        bytes[40] ^= 1;
        std::fs::write(&path, &bytes)?;
        assert_eq!(load(&path), None);
        Ok(())
    }
}
