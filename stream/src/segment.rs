//! A piece of a partition's log: whole record batches one behind the other, in memory or in one
//! append-only file named after its first offset. Must not know: topics, clients.
//! Invariant: `entries` describes exactly the first `len` bytes, in offset order without gaps in them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::batch::{self, BatchHeader, HEADER_LEN};
use crate::broker::millis_of;
use crate::error::StreamError;

/// Where one batch lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
    position: usize,
    len: usize,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<u8>),
    File { file: File, path: PathBuf },
}

/// One segment; only the last one of a log is appended to.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    /// When the newest batch came in, in milliseconds; what retention by age goes by. Timestamps of
    /// records may be of any time, and old ones must not vanish as they arrive.
    pub(crate) appended_at: i64,
    entries: Vec<Entry>,
    len: usize,
    storage: Storage,
}

impl Segment {
    /// An empty segment in memory.
    pub(crate) fn in_memory(base_offset: i64) -> Segment {
        let storage = Storage::Memory(Vec::new());
        Segment {
            base_offset,
            appended_at: 0,
            entries: Vec::new(),
            len: 0,
            storage,
        }
    }

    /// An empty segment in a new file of `directory`.
    pub(crate) fn create(directory: &Path, base_offset: i64) -> Result<Segment, StreamError> {
        let path = directory.join(format!("{base_offset:020}.log"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(StreamError::file("create", &path))?;
        let storage = Storage::File { file, path };
        Ok(Segment {
            base_offset,
            appended_at: 0,
            entries: Vec::new(),
            len: 0,
            storage,
        })
    }

    /// Opens a file that an earlier run wrote. What follows the last whole batch was torn by a
    /// crash and is cut off. `seen` is told of every batch.
    pub(crate) fn open(
        path: &Path,
        base_offset: i64,
        mut seen: impl FnMut(&BatchHeader),
    ) -> Result<Segment, StreamError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(StreamError::file("open", path))?;
        let metadata = file.metadata().map_err(StreamError::file("read", path))?;
        let size = metadata.len();
        let mut segment = Segment {
            base_offset,
            appended_at: metadata.modified().map_or(0, millis_of),
            entries: Vec::new(),
            len: 0,
            storage: Storage::File {
                file,
                path: path.to_path_buf(),
            },
        };
        let mut next_offset = base_offset;
        while let Some(header) = segment.next_whole(size, next_offset)? {
            seen(&header);
            segment.note(&header, header.base_offset);
            next_offset = header.last_offset().saturating_add(1);
        }
        segment.cut_tail(size)?;
        Ok(segment)
    }

    /// Reads and checks the batch behind the last known one; `None` at the end or at a torn batch.
    fn next_whole(&self, size: u64, next: i64) -> Result<Option<BatchHeader>, StreamError> {
        let left = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.len);
        if left < HEADER_LEN {
            return Ok(None);
        }
        let header = BatchHeader::read_prefix(&self.bytes(self.len, HEADER_LEN)?);
        let Some(header) = header.filter(|header| header.len <= left && header.base_offset >= next)
        else {
            return Ok(None);
        };
        let whole = self.bytes(self.len, header.len)?;
        Ok(batch::checksum_holds(&whole).then_some(header))
    }

    fn cut_tail(&mut self, size: u64) -> Result<(), StreamError> {
        let Storage::File { file, path } = &self.storage else {
            return Ok(());
        };
        let len = self.len as u64;
        if len < size {
            tracing::warn!(file = %path.display(), bytes = size - len, "stream: torn tail cut off");
            file.set_len(len)
                .map_err(StreamError::file("truncate", path))?;
        }
        Ok(())
    }

    /// Appends one batch under `base_offset`, which replaces the one in its header.
    pub(crate) fn append(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        base_offset: i64,
        now: i64,
    ) -> Result<(), StreamError> {
        match &mut self.storage {
            Storage::Memory(log) => {
                let start = log.len();
                log.extend_from_slice(bytes);
                if let Some(batch) = log.get_mut(start..) {
                    batch::set_base_offset(batch, base_offset);
                }
            }
            Storage::File { file, path } => {
                let mut owned = bytes.to_vec();
                batch::set_base_offset(&mut owned, base_offset);
                file.write_all_at(&owned, self.len as u64)
                    .map_err(StreamError::file("write", path.as_path()))?;
            }
        }
        self.appended_at = now;
        self.note(header, base_offset);
        Ok(())
    }

    fn note(&mut self, header: &BatchHeader, base_offset: i64) {
        self.entries.push(Entry {
            last_offset: base_offset.saturating_add(i64::from(header.last_offset_delta)),
            max_timestamp: header.max_timestamp,
            position: self.len,
            len: header.len,
        });
        self.len = self.len.saturating_add(header.len);
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The offset behind the last record.
    pub(crate) fn next_offset(&self) -> i64 {
        self.entries
            .last()
            .map_or(self.base_offset, |last| last.last_offset.saturating_add(1))
    }

    /// The largest timestamp of any record.
    pub(crate) fn max_timestamp(&self) -> Option<i64> {
        self.entries.iter().map(|entry| entry.max_timestamp).max()
    }

    /// The batches, oldest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes from the batch that holds `offset` to the end of the segment.
    pub(crate) fn available_from(&self, offset: i64) -> usize {
        let at = self
            .entries
            .partition_point(|entry| entry.last_offset < offset);
        self.entries
            .get(at)
            .map_or(0, |entry| self.len.saturating_sub(entry.position))
    }

    /// Whole batches from the one that holds `offset`: at most `max_bytes`, but never less than one
    /// batch if `at_least_one`.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Bytes, StreamError> {
        let first = self
            .entries
            .partition_point(|entry| entry.last_offset < offset);
        let Some(start) = self.entries.get(first) else {
            return Ok(Bytes::new());
        };
        let limit = start.position.saturating_add(max_bytes);
        let mut end = self
            .entries
            .partition_point(|entry| entry.position + entry.len <= limit);
        if at_least_one {
            end = end.max(first + 1);
        }
        match end.checked_sub(1).and_then(|last| self.entries.get(last)) {
            Some(last) if last.position >= start.position => {
                self.bytes(start.position, last.position + last.len - start.position)
            }
            _ => Ok(Bytes::new()),
        }
    }

    /// The bytes of one batch.
    pub(crate) fn batch(&self, entry: &Entry) -> Result<Bytes, StreamError> {
        self.bytes(entry.position, entry.len)
    }

    fn bytes(&self, position: usize, len: usize) -> Result<Bytes, StreamError> {
        match &self.storage {
            Storage::Memory(log) => Ok(log
                .get(position..position.saturating_add(len))
                .map(Bytes::copy_from_slice)
                .unwrap_or_default()),
            Storage::File { file, path } => {
                let mut buffer = vec![0; len];
                file.read_exact_at(&mut buffer, position as u64)
                    .map_err(StreamError::file("read", path.as_path()))?;
                Ok(Bytes::from(buffer))
            }
        }
    }

    /// Forces a file to the disk.
    pub(crate) fn sync(&self) -> Result<(), StreamError> {
        match &self.storage {
            Storage::Memory(_) => Ok(()),
            Storage::File { file, path } => file
                .sync_data()
                .map_err(StreamError::file("sync", path.as_path())),
        }
    }

    /// Removes the file, if there is one.
    pub(crate) fn delete(self) -> Result<(), StreamError> {
        match self.storage {
            Storage::File { path, .. } => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(StreamError::file("remove", path)(error))
                }
                _ => Ok(()),
            },
            Storage::Memory(_) => Ok(()),
        }
    }
}
