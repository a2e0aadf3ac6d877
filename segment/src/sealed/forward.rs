//! Entries of a sealed column, read in place: packed ids, run ends, plain values, compressed chunks.
//!
//! Must not know: rows of multi-value columns, dictionaries. Invariant: ids are below the cardinality whatever the file
//! holds; a chunk that cannot be read gives placeholders.

use std::ops::Range;

use common::{DataType, Values};

use super::packed::{DENSE, PackedNumbers};
use crate::buffer::map::Region;
use crate::buffer::within::{self, Span};
use crate::buffer::{bits, listed, places};
use crate::format::codec::Codec;
use crate::number::{Number, with_number};
use crate::var::VarKind;
use crate::{Docs, IdSet};

/// Where the entries of a column are.
pub(crate) enum Forward {
    /// Bit-packed ids.
    Ids {
        bytes: Region,
        width: u32,
        cardinality: u32,
    },
    /// End row of each id.
    Runs { ends: Region, cardinality: u32 },
    /// Numbers one after the other.
    Plain { bytes: Region, data_type: DataType },
    /// Compressed chunks.
    Chunks(ChunkedValues),
    /// Packed whole numbers.
    Packed(PackedNumbers, DataType),
}

/// Compressed chunks of values.
pub(crate) struct ChunkedValues {
    pub(crate) bytes: Region,
    pub(crate) ends: Region,
    pub(crate) codec: Codec,
    pub(crate) per_chunk: u32,
    pub(crate) largest: u32,
    pub(crate) entries: u32,
    pub(crate) data_type: DataType,
}

/// Ids that are unpacked at a time, so that they stay in the fastest cache.
const PIECE: usize = 1024;

/// Words of the sets in which runs are looked for: comparing with a few of them is for many rows at once, looking up a row's bit for
/// one at a time.
const SPAN_WORDS: usize = 16;

/// Entries within which listed ones are unpacked together.
const WINDOW: u32 = 4096;

/// Ids of listed entries: one by one where they are sparse.
fn listed_ids(bytes: &[u8], width: u32, list: &[u32], out: &mut Vec<u32>) {
    let mut rest = list;
    let mut unpacked = Vec::new();
    while let Some(first) = rest.first() {
        let end = (first / WINDOW + 1).saturating_mul(WINDOW);
        // Entries of a damaged file need not ascend.
        let count = rest.partition_point(|entry| *entry < end).max(1);
        let (here, after) = rest.split_at(count);
        rest = after;
        let last = here.last().map_or(*first, |last| *last.max(first));
        let span = (last - first) as usize + 1;
        if here.len() * DENSE <= span {
            let indexes = here.iter().map(|i| *i as usize);
            listed::each(bytes, width, indexes, |id| out.push(id));
            continue;
        }
        unpacked.resize(WINDOW as usize, 0);
        let between = &mut unpacked[..span.min(WINDOW as usize)];
        bits::unpack(bytes, width, *first as usize, between);
        let picked = here
            .iter()
            .map(|i| between.get(i.wrapping_sub(*first) as usize));
        out.extend(picked.map(|id| id.copied().unwrap_or(0)));
    }
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], index: usize) -> u32 {
    u32::at(bytes, index)
}

trait At {
    fn at(bytes: &[u8], index: usize) -> Self;
}

impl At for u32 {
    #[inline]
    fn at(bytes: &[u8], index: usize) -> Self {
        bytes
            .get(index * 4..)
            .and_then(|rest| rest.first_chunk::<4>())
            .map_or(0, |chunk| Self::from_le_bytes(*chunk))
    }
}

impl At for u64 {
    #[inline]
    fn at(bytes: &[u8], index: usize) -> Self {
        bytes
            .get(index * 8..)
            .and_then(|rest| rest.first_chunk::<8>())
            .map_or(0, |chunk| Self::from_le_bytes(*chunk))
    }
}

/// The id of the run that a row is in: the first whose end is above it.
pub(crate) fn run_of(ends: &[u8], cardinality: u32, row: u32) -> u32 {
    let (mut low, mut high) = (0, cardinality);
    while low < high {
        let middle = low + (high - low) / 2;
        if u32_at(ends, middle as usize) <= row {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.min(cardinality.saturating_sub(1))
}

impl Forward {
    /// Appends the ids of entries; nothing for a raw column.
    pub(crate) fn ids(&self, entries: &Docs<'_>, out: &mut Vec<u32>) {
        match self {
            Self::Ids {
                bytes,
                width,
                cardinality,
            } => {
                let bytes: &[u8] = bytes;
                let start = out.len();
                match entries {
                    Docs::Range(range) => {
                        bits::get_range(
                            bytes,
                            *width,
                            range.start as usize..range.end as usize,
                            out,
                        );
                    }
                    Docs::List(list) => listed_ids(bytes, *width, list, out),
                }
                let largest = cardinality.saturating_sub(1);
                if (1_u64 << width) > u64::from(*cardinality) {
                    places::limit(&mut out[start..], largest);
                }
            }
            Self::Runs { ends, cardinality } => run_ids(ends, *cardinality, entries, out),
            Self::Plain { .. } | Self::Chunks(_) | Self::Packed(..) => {}
        }
    }

    /// Appends one bit an entry, whether its id is in the set; false where there are no ids to look at. The range begins at
    /// a multiple of 64.
    pub(crate) fn match_ids(&self, range: Range<u32>, ids: &IdSet, out: &mut Vec<u64>) -> bool {
        let Self::Ids { bytes, width, .. } = self else {
            return false;
        };
        let spans = few_spans(ids);
        let mut piece = [0_u32; PIECE];
        let (mut from, end) = (range.start as usize, range.end as usize);
        while from < end {
            let piece = &mut piece[..PIECE.min(end - from)];
            bits::unpack(bytes, *width, from, piece);
            match (&spans, ids) {
                (Some(spans), _) => within::push(piece, spans, out),
                (None, IdSet::Bits { words, .. }) if words.len() == 1 => {
                    let word = words[0];
                    bits::push_words(piece, out, |id| word >> (id & 63) & 1 == 1);
                }
                (None, ids) => bits::push_words(piece, out, |id| ids.contains(id)),
            }
            from += piece.len();
        }
        true
    }

    /// The values of entries of a raw column; none for another.
    pub(crate) fn values(&self, entries: &Docs<'_>) -> Values {
        match self {
            Self::Plain { bytes, data_type } => with_number!(data_type.stored(),
                T => plain::<T>(bytes, entries),
                _ => Values::empty(*data_type)),
            Self::Chunks(chunks) => chunks.values(entries),
            Self::Packed(numbers, data_type) if data_type.stored() == DataType::Int => {
                let mut out = Vec::new();
                numbers.append(entries, &mut out, |v| v as i32);
                Values::Int(out)
            }
            Self::Packed(numbers, _) => {
                let mut out = Vec::new();
                numbers.append(entries, &mut out, |v| v);
                Values::Long(out)
            }
            Self::Ids { .. } | Self::Runs { .. } => Values::empty(DataType::Int),
        }
    }
}

/// The runs of a set; `None` where they are many, or not worth looking for.
fn few_spans(ids: &IdSet) -> Option<Vec<Span>> {
    let span = |run: &Range<u32>| Span {
        first: run.start,
        reach: run.end - run.start - 1,
    };
    match ids {
        IdSet::Run(run) if run.is_empty() => Some(Vec::new()),
        IdSet::Run(run) => Some(vec![span(run)]),
        IdSet::Bits { words, .. } if words.len() > SPAN_WORDS => None,
        IdSet::Bits { .. } => {
            let mut runs: Vec<Range<u32>> = Vec::with_capacity(within::MOST);
            for id in ids.iter() {
                if let Some(run) = runs.last_mut().filter(|run| run.end == id) {
                    run.end += 1;
                } else if runs.len() == within::MOST {
                    return None;
                } else {
                    runs.push(id..id + 1);
                }
            }
            Some(runs.iter().map(span).collect())
        }
    }
}

fn run_ids(ends: &[u8], cardinality: u32, entries: &Docs<'_>, out: &mut Vec<u32>) {
    let last = cardinality.saturating_sub(1);
    match entries {
        Docs::Range(range) if !range.is_empty() => {
            let mut id = run_of(ends, cardinality, range.start);
            let mut row = range.start;
            while row < range.end {
                let end = if id >= last {
                    range.end
                } else {
                    u32_at(ends, id as usize)
                };
                let end = end.clamp(row, range.end);
                out.resize(out.len() + (end - row) as usize, id);
                row = end;
                id += u32::from(id < last);
            }
        }
        Docs::Range(_) => {}
        Docs::List(list) => {
            let mut run = 0..0;
            let mut id = 0;
            for row in *list {
                if !run.contains(row) {
                    id = run_of(ends, cardinality, *row);
                    let start = if id == 0 {
                        0
                    } else {
                        u32_at(ends, id as usize - 1)
                    };
                    run = start..u32_at(ends, id as usize);
                }
                out.push(id);
            }
        }
    }
}

fn plain<T: Number>(bytes: &[u8], entries: &Docs<'_>) -> Values {
    let mut out = Vec::with_capacity(entries.len());
    append_plain::<T>(bytes, entries, &mut out);
    T::wrap(out)
}

fn append_plain<T: Number>(bytes: &[u8], entries: &Docs<'_>, out: &mut Vec<T>) {
    match entries {
        Docs::Range(range) => {
            let part: Range<usize> = range.start as usize * T::WIDTH..range.end as usize * T::WIDTH;
            match bytes.get(part) {
                Some(part) => out.extend(part.chunks_exact(T::WIDTH).map(T::read)),
                None => out.extend(range.clone().map(|i| T::at(bytes, i as usize))),
            }
        }
        Docs::List(list) => out.extend(list.iter().map(|i| T::at(bytes, *i as usize))),
    }
}

impl ChunkedValues {
    /// Decompresses a chunk; empty where it cannot be read.
    fn chunk(&self, index: u32, out: &mut Vec<u8>) {
        out.clear();
        let index = index as usize;
        let start = if index == 0 {
            0
        } else {
            u64::at(&self.ends, index - 1)
        };
        let end = u64::at(&self.ends, index);
        let chunk = usize::try_from(start)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(start, end)| self.bytes.get(start..end));
        let Some((len, compressed)) = chunk.and_then(|chunk| chunk.split_first_chunk::<4>()) else {
            return;
        };
        let len = u32::from_le_bytes(*len);
        if len > self.largest || !self.codec.decompress(compressed, len as usize, out) {
            tracing::error!(
                chunk = index,
                "compressed chunk of a raw column cannot be read"
            );
            out.clear();
        }
    }

    fn values(&self, entries: &Docs<'_>) -> Values {
        let mut out = Values::with_capacity(self.data_type, entries.len());
        let mut buffer = Vec::new();
        let mut within = Vec::new();
        match entries {
            Docs::Range(range) => {
                let mut from = range.start;
                while from < range.end {
                    let index = from / self.per_chunk;
                    let first = index * self.per_chunk;
                    let to = range.end.min(first.saturating_add(self.per_chunk));
                    self.chunk(index, &mut buffer);
                    self.append(
                        &buffer,
                        index,
                        &Docs::Range(from - first..to - first),
                        &mut out,
                    );
                    from = to;
                }
            }
            Docs::List(list) => {
                let mut rest = *list;
                while let Some(entry) = rest.first() {
                    let index = entry / self.per_chunk;
                    let first = index * self.per_chunk;
                    let count = rest
                        .iter()
                        .take_while(|e| *e / self.per_chunk == index)
                        .count();
                    within.clear();
                    within.extend(rest[..count].iter().map(|entry| entry - first));
                    self.chunk(index, &mut buffer);
                    self.append(&buffer, index, &Docs::List(&within), &mut out);
                    rest = &rest[count..];
                }
            }
        }
        out
    }

    fn append(&self, chunk: &[u8], index: u32, within: &Docs<'_>, out: &mut Values) {
        match out {
            Values::Int(v) => append_plain(chunk, within, v),
            Values::Long(v) => append_plain(chunk, within, v),
            Values::Float(v) => append_plain(chunk, within, v),
            Values::Double(v) => append_plain(chunk, within, v),
            out => {
                let kind = VarKind::of(self.data_type);
                let count = self
                    .entries
                    .saturating_sub(index * self.per_chunk)
                    .min(self.per_chunk) as usize;
                let data = chunk.get(count * 4..).unwrap_or(&[]);
                within.for_each(|entry| {
                    let entry = entry as usize;
                    let start = if entry == 0 {
                        0
                    } else {
                        u32_at(chunk, entry - 1)
                    };
                    let range = start as usize..u32_at(chunk, entry) as usize;
                    kind.push(data.get(range).unwrap_or(&[]), out);
                });
            }
        }
    }
}
