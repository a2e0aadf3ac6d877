//! Opens a segment file: maps it, checks tail and footer, hands out its buffers.
//!
//! Must not know: what buffers mean. Invariant: every buffer handed out lies within the file.

use std::path::{Path, PathBuf};

use super::footer::{BufferEntry, Footer};
use super::{ALIGNMENT, MAGIC, TAIL, VERSION};
use crate::buffer::map::Region;
use crate::error::{Result, SegmentError};

/// An open file.
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    pub(crate) region: Region,
    pub(crate) footer: Footer,
    /// CRC of the footer, which holds those of all buffers.
    pub(crate) crc: u32,
}

fn corrupt(path: &Path, offset: usize, problem: impl Into<String>) -> SegmentError {
    SegmentError::Corrupt {
        path: path.to_owned(),
        offset: offset as u64,
        problem: problem.into(),
    }
}

impl SegmentFile {
    #[allow(
        clippy::too_many_lines,
        reason = "one check after the other, in the order of the file"
    )]
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let region =
            Region::open(path).map_err(|e| SegmentError::io("opening segment file", path, e))?;
        let len = region.len();
        if len < ALIGNMENT + TAIL {
            let problem = format!("the file has {len} bytes, too few for a segment");
            return Err(corrupt(path, len, problem));
        }
        let tail_start = len - TAIL;
        let tail = region.get(tail_start..).unwrap_or(&[]);
        if region.get(..8) != Some(MAGIC) {
            return Err(corrupt(path, 0, "the magic bytes of a segment are missing"));
        }
        if tail.get(16..) != Some(MAGIC) {
            return Err(corrupt(
                path,
                tail_start + 16,
                "the file does not end as a segment does",
            ));
        }
        let word = |bytes: &[u8], at: usize| {
            bytes
                .get(at..)
                .and_then(|rest| rest.first_chunk::<4>())
                .map_or(0, |chunk| u32::from_le_bytes(*chunk))
        };
        for version in [word(&region, 8), word(tail, 12)] {
            if version != VERSION {
                return Err(SegmentError::Version {
                    path: path.to_owned(),
                    found: version,
                    expected: VERSION,
                });
            }
        }
        let length = u64::from(word(tail, 0)) | (u64::from(word(tail, 4)) << 32);
        let json = usize::try_from(length)
            .ok()
            .and_then(|length| tail_start.checked_sub(length))
            .filter(|start| *start >= ALIGNMENT)
            .and_then(|start| region.get(start..tail_start));
        let Some(json) = json else {
            let problem = format!("a footer of {length} bytes does not fit the file");
            return Err(corrupt(path, tail_start, problem));
        };
        let (crc, expected) = (crc32c::crc32c(json), word(tail, 8));
        let footer_start = tail_start - json.len();
        if crc != expected {
            let problem = format!("the footer has checksum {crc:08x}, expected {expected:08x}");
            return Err(corrupt(path, footer_start, problem));
        }
        let footer: Footer = serde_json::from_slice(json).map_err(|e| {
            corrupt(
                path,
                footer_start,
                format!("the footer cannot be read: {e}"),
            )
        })?;
        for entry in &footer.directory {
            let end = entry.offset.checked_add(entry.length);
            if end.is_none_or(|end| end > footer_start as u64) {
                let problem = format!(
                    "buffer `{}` of column `{}` reaches outside the file",
                    entry.kind, entry.column
                );
                return Err(corrupt(path, entry.offset as usize, problem));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            region,
            footer,
            crc,
        })
    }

    /// The buffer of a kind of a column; empty where there is none.
    pub(crate) fn buffer(&self, entry: Option<&BufferEntry>) -> Region {
        entry
            .and_then(|entry| self.region.part(entry.offset, entry.length))
            .unwrap_or_else(Region::empty)
    }

    /// Compares every buffer with its checksum.
    pub(crate) fn verify(&self) -> Result<()> {
        for entry in &self.footer.directory {
            let found = crc32c::crc32c(&self.buffer(Some(entry)));
            if found != entry.crc {
                let problem = format!(
                    "buffer `{}` of column `{}` has checksum {found:08x}, expected {:08x}",
                    entry.kind, entry.column, entry.crc
                );
                return Err(corrupt(&self.path, entry.offset as usize, problem));
            }
        }
        Ok(())
    }
}
