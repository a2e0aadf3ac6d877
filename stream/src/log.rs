//! The log of one partition: segments in offset order, retention, and the memory of idempotent
//! producers. Must not know: a clock; the caller passes the time.
//! Invariant: there is always an active segment, and offsets only grow, over restarts too when a
//! directory is given.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;

use crate::batch::{self, BatchHeader};
use crate::error::StreamError;
use crate::segment::Segment;

/// Batches remembered for each producer: as many as a client may have in flight.
const REMEMBERED_BATCHES: usize = 5;
/// Producers remembered for each partition; beyond it the memory starts anew.
const REMEMBERED_PRODUCERS: usize = 4096;
/// Batches smaller than this share a segment even when retention is tiny.
const SMALLEST_SEGMENT: usize = 16 * 1024;
const LARGEST_SEGMENT: usize = 64 * 1024 * 1024;
const START_FILE: &str = "log-start-offset";

/// How much of a partition is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Oldest segments go when the partition is larger than this.
    pub(crate) bytes: Option<u64>,
    /// Segments go when nothing was appended to them for this long.
    pub(crate) millis: Option<i64>,
}

impl Retention {
    /// The size at which a new segment begins: an eighth of what is kept, so that dropping one
    /// takes only a little of it.
    fn segment_bytes(&self) -> usize {
        let wanted = self
            .bytes
            .map_or(usize::MAX, |b| usize::try_from(b / 8).unwrap_or(usize::MAX));
        wanted.clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT)
    }
}

#[derive(Debug)]
struct Remembered {
    epoch: i16,
    /// (first sequence, last sequence, base offset), newest last.
    batches: VecDeque<(i32, i32, i64)>,
}

/// The log of one partition.
#[derive(Debug)]
pub(crate) struct Log {
    directory: Option<PathBuf>,
    retention: Retention,
    segments: VecDeque<Segment>,
    start_offset: i64,
    producers: HashMap<i64, Remembered>,
}

impl Log {
    /// Opens the log in `directory`, or an empty one in memory.
    pub(crate) fn open(
        directory: Option<PathBuf>,
        retention: Retention,
    ) -> Result<Log, StreamError> {
        let mut log = Log {
            directory: None,
            retention,
            segments: VecDeque::new(),
            start_offset: 0,
            producers: HashMap::new(),
        };
        match directory {
            None => log.segments.push_back(Segment::in_memory(0)),
            Some(directory) => log.load(directory)?,
        }
        Ok(log)
    }

    fn load(&mut self, directory: PathBuf) -> Result<(), StreamError> {
        std::fs::create_dir_all(&directory).map_err(StreamError::file("create", &directory))?;
        let producers = &mut self.producers;
        for (base_offset, path) in segment_files(&directory)? {
            let segment = Segment::open(&path, base_offset, |header| {
                remember(producers, header, header.base_offset);
            })?;
            self.segments.push_back(segment);
        }
        if self.segments.is_empty() {
            self.segments.push_back(Segment::create(&directory, 0)?);
        }
        let saved = read_start_offset(&directory.join(START_FILE))?;
        let first = self
            .segments
            .front()
            .map_or(0, |segment| segment.base_offset);
        self.start_offset = saved.max(first).min(self.next_offset());
        self.directory = Some(directory);
        Ok(())
    }

    /// The first offset that can be read.
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets; also the high watermark.
    pub(crate) fn next_offset(&self) -> i64 {
        self.segments.back().map_or(0, Segment::next_offset)
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| segment.len() as u64)
            .sum()
    }

    /// Appends what a producer sent and answers with the offset of its first record. A batch that
    /// an idempotent producer sends again is answered with the offset it got the first time.
    pub(crate) fn append(&mut self, records: &[u8], now: i64) -> Result<i64, AppendError> {
        let batches = batch::split_batches(records)?;
        let mut first = None;
        for (header, bytes) in batches {
            let offset = match self.known(&header)? {
                Some(offset) => offset,
                None => self.append_batch(&header, bytes, now)?,
            };
            first.get_or_insert(offset);
        }
        Ok(first.unwrap_or_else(|| self.next_offset()))
    }

    fn append_batch(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        now: i64,
    ) -> Result<i64, AppendError> {
        let offset = self.next_offset();
        if offset.checked_add(header.count()).is_none() {
            return Err(AppendError::Refused(ResponseError::InvalidRecord));
        }
        let limit = self.retention.segment_bytes();
        if self
            .segments
            .back()
            .is_none_or(|last| last.len() > 0 && last.len() + bytes.len() > limit)
        {
            self.roll()?;
        }
        if let Some(active) = self.segments.back_mut() {
            active.append(header, bytes, offset, now)?;
        }
        remember(&mut self.producers, header, offset);
        self.drop_by_size()?;
        Ok(offset)
    }

    /// The offset a batch got when it was sent before.
    fn known(&self, header: &BatchHeader) -> Result<Option<i64>, ResponseError> {
        if header.producer_id < 0 || header.base_sequence < 0 {
            return Ok(None);
        }
        let Some(producer) = self.producers.get(&header.producer_id) else {
            return Ok(None);
        };
        if header.producer_epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if header.producer_epoch > producer.epoch {
            return Ok(None);
        }
        let last = last_sequence(header);
        let same = |known: &&(i32, i32, i64)| known.0 == header.base_sequence && known.1 == last;
        Ok(producer.batches.iter().find(same).map(|known| known.2))
    }

    fn roll(&mut self) -> Result<(), StreamError> {
        let base_offset = self.next_offset();
        if let Some(last) = self.segments.back() {
            last.sync()?;
        }
        self.segments.push_back(match &self.directory {
            Some(directory) => Segment::create(directory, base_offset)?,
            None => Segment::in_memory(base_offset),
        });
        Ok(())
    }

    /// Bytes that a read from `offset` could give, up to `enough`.
    pub(crate) fn available_from(&self, offset: i64, enough: usize) -> usize {
        let mut available = 0_usize;
        for segment in self.segments.iter().rev() {
            available = available.saturating_add(segment.available_from(offset));
            if available >= enough || segment.base_offset <= offset {
                break;
            }
        }
        available
    }

    /// Whole batches from the one that holds `offset`, without a gap: a segment follows only on one that was read to its end.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Bytes, StreamError> {
        let from = self
            .segments
            .partition_point(|segment| segment.next_offset() <= offset);
        let mut parts: Vec<Bytes> = Vec::new();
        let mut left = max_bytes;
        for segment in self.segments.range(from.min(self.segments.len())..) {
            let part = segment.read(offset, left, at_least_one && parts.is_empty())?;
            let to_its_end = part.len() == segment.available_from(offset);
            left = left.saturating_sub(part.len());
            if !part.is_empty() {
                parts.push(part);
            }
            if !to_its_end {
                break;
            }
        }
        if parts.len() < 2 {
            return Ok(parts.pop().unwrap_or_default());
        }
        let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| whole.extend_from_slice(part));
        Ok(whole.freeze())
    }

    /// The first readable record at or after `timestamp`, as (timestamp, offset).
    pub(crate) fn find_timestamp(&self, timestamp: i64) -> Result<Option<(i64, i64)>, StreamError> {
        for segment in &self.segments {
            for entry in segment.entries() {
                if entry.max_timestamp < timestamp || entry.last_offset < self.start_offset {
                    continue;
                }
                let found = batch::first_at_or_after(&segment.batch(entry)?, timestamp);
                if let Some(found) = found.filter(|found| found.1 >= self.start_offset) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp, as (timestamp, offset).
    pub(crate) fn find_max_timestamp(&self) -> Result<Option<(i64, i64)>, StreamError> {
        match self
            .segments
            .iter()
            .filter_map(Segment::max_timestamp)
            .max()
        {
            Some(timestamp) => self.find_timestamp(timestamp),
            None => Ok(None),
        }
    }

    /// Forgets the records before `offset`; answers with the new start, `None` if out of range.
    pub(crate) fn delete_before(&mut self, offset: i64) -> Result<Option<i64>, StreamError> {
        if offset < 0 || offset > self.next_offset() {
            return Ok(None);
        }
        if offset > self.start_offset {
            self.start_offset = offset;
            if let Some(directory) = &self.directory {
                write_start_offset(&directory.join(START_FILE), offset)?;
            }
            if offset == self.next_offset() {
                self.roll_if_filled()?;
            }
            while self.segments.len() > 1
                && self
                    .segments
                    .front()
                    .is_some_and(|first| first.next_offset() <= offset)
            {
                self.drop_first()?;
            }
        }
        Ok(Some(self.start_offset))
    }

    /// Drops what is too old at `now` (milliseconds).
    pub(crate) fn expire(&mut self, now: i64) -> Result<(), StreamError> {
        let Some(millis) = self.retention.millis else {
            return Ok(());
        };
        let horizon = now.saturating_sub(millis);
        let old = |segment: &Segment| segment.len() > 0 && segment.appended_at < horizon;
        if self.segments.len() == 1 && self.segments.back().is_some_and(old) {
            self.roll_if_filled()?;
        }
        while self.segments.len() > 1 && self.segments.front().is_some_and(old) {
            self.drop_first()?;
        }
        Ok(())
    }

    fn drop_by_size(&mut self) -> Result<(), StreamError> {
        let Some(limit) = self.retention.bytes else {
            return Ok(());
        };
        while self.segments.len() > 1 && self.size() > limit {
            self.drop_first()?;
        }
        Ok(())
    }

    fn roll_if_filled(&mut self) -> Result<(), StreamError> {
        match self.segments.back() {
            Some(last) if last.len() == 0 => Ok(()),
            _ => self.roll(),
        }
    }

    fn drop_first(&mut self) -> Result<(), StreamError> {
        if let Some(first) = self.segments.pop_front() {
            self.start_offset = self.start_offset.max(first.next_offset());
            first.delete()?;
        }
        Ok(())
    }

    /// Forces the active segment to the disk.
    pub(crate) fn sync(&self) -> Result<(), StreamError> {
        self.segments.back().map_or(Ok(()), Segment::sync)
    }
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// The batch is not acceptable; the producer is told so.
    #[error("{0}")]
    Refused(#[from] ResponseError),
    /// The log could not be written.
    #[error(transparent)]
    Failed(#[from] StreamError),
}

fn last_sequence(header: &BatchHeader) -> i32 {
    // Sequences wrap to zero behind i32::MAX.
    header.base_sequence.wrapping_add(header.last_offset_delta) & i32::MAX
}

fn remember(producers: &mut HashMap<i64, Remembered>, header: &BatchHeader, offset: i64) {
    if header.producer_id < 0 || header.base_sequence < 0 {
        return;
    }
    if producers.len() >= REMEMBERED_PRODUCERS && !producers.contains_key(&header.producer_id) {
        producers.clear();
    }
    let epoch = header.producer_epoch;
    let producer = producers
        .entry(header.producer_id)
        .or_insert_with(|| Remembered {
            epoch,
            batches: VecDeque::new(),
        });
    if producer.epoch != epoch {
        producer.epoch = epoch;
        producer.batches.clear();
    }
    if producer.batches.len() >= REMEMBERED_BATCHES {
        producer.batches.pop_front();
    }
    producer
        .batches
        .push_back((header.base_sequence, last_sequence(header), offset));
}

fn segment_files(directory: &Path) -> Result<Vec<(i64, PathBuf)>, StreamError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(StreamError::file("list", directory))? {
        let path = entry.map_err(StreamError::file("list", directory))?.path();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let base = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|s| s.parse().ok());
        if let (true, Some(base)) = (is_log, base) {
            files.push((base, path));
        }
    }
    files.sort();
    Ok(files)
}

fn read_start_offset(path: &Path) -> Result<i64, StreamError> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| StreamError::Corrupt {
            path: path.to_path_buf(),
            detail: format!("expected an offset, found `{}`", text.trim()),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StreamError::file("read", path)(error)),
    }
}

fn write_start_offset(path: &Path, offset: i64) -> Result<(), StreamError> {
    replace_file(path, offset.to_string().as_bytes())
}

/// Writes a small file so that a crash leaves either the old or the new one.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<(), StreamError> {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, content).map_err(StreamError::file("write", &fresh))?;
    std::fs::rename(&fresh, path).map_err(StreamError::file("replace", path))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
