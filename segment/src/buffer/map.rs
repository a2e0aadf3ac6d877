//! A file mapped for reading, and regions of it that keep it alive.
//!
//! Must not know: file formats. Invariant: a region lies within its file.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

/// A part of a mapped file, or of bytes in memory.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    map: Option<Arc<Source>>,
    range: Range<usize>,
}

#[derive(Debug)]
enum Source {
    Mapped(Mmap),
    #[cfg(test)]
    Held(Vec<u8>),
}

impl Source {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            #[cfg(test)]
            Self::Held(bytes) => bytes,
        }
    }
}

impl Region {
    /// Maps a whole file.
    ///
    /// # Errors
    /// Where the system cannot open or map it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: segment files are immutable: they are written under another name, renamed once, and only ever
        // unlinked, which leaves the mapping valid. The bytes are read as plain integers, any value is valid.
        let map = unsafe { Mmap::map(&file)? };
        let range = 0..map.len();
        Ok(Self {
            map: Some(Arc::new(Source::Mapped(map))),
            range,
        })
    }

    /// Bytes in memory.
    #[cfg(test)]
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            map: Some(Arc::new(Source::Held(bytes))),
            range,
        }
    }

    /// A region without bytes.
    pub(crate) fn empty() -> Self {
        Self {
            map: None,
            range: 0..0,
        }
    }

    /// A part, by offset and length within this region; `None` where it reaches outside.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Option<Self> {
        let start = usize::try_from(offset)
            .ok()?
            .checked_add(self.range.start)?;
        let end = usize::try_from(len).ok()?.checked_add(start)?;
        (end <= self.range.end).then(|| Self {
            map: self.map.clone(),
            range: start..end,
        })
    }
}

impl Deref for Region {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.map
            .as_ref()
            .and_then(|map| map.bytes().get(self.range.clone()))
            .unwrap_or(&[])
    }
}
