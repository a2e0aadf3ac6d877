//! Whole numbers without dictionary, in blocks: each number as its distance from the least of its block, bit-packed.
//!
//! | part of a head | content |
//! |---|---|
//! | least, greatest | of the block, `i64` each |
//! | start | of the block among the bytes, `u64` |
//! | width | bits of a distance, `u32`; 64: the numbers themselves; 0: evenly spaced numbers |
//! | stride | between evenly spaced numbers, `u32` |
//!
//! The heads say which blocks a range of values cannot meet. Must not know: rows of multi-value columns.
//! Invariant: whatever the bytes, reading gives as many numbers as were asked for.

use std::ops::Range;

use crate::Docs;
use crate::buffer::map::Region;
use crate::buffer::within::{self, Span};
use crate::buffer::{bits, listed};

/// Numbers of a block.
pub(crate) const BLOCK: usize = 4096;
const HEAD: usize = 32;
/// Values that are unpacked at a time, so that they stay in the fastest cache.
const PIECE: usize = 1024;
/// Where at least one entry in this many is asked for, all between are unpacked: that costs as much as to find one alone.
pub(super) const DENSE: usize = 24;
/// The width of numbers that are stored as they are.
const PLAIN: u32 = 64;

/// A packed column.
pub(crate) struct PackedNumbers {
    heads: Region,
    bytes: Region,
    entries: u32,
}

/// Some neighbouring numbers: as distances from the least of their block, or themselves.
enum Piece<'p> {
    Distances(i64, &'p [u32]),
    Numbers(&'p [i64]),
}

#[derive(Clone, Copy, Default)]
struct Head {
    least: i64,
    greatest: i64,
    start: usize,
    width: u32,
    stride: u32,
}

/// Packs numbers; answers heads and bytes.
pub(crate) fn pack(values: &[i64]) -> (Vec<u8>, Vec<u8>) {
    let (mut heads, mut bytes) = (Vec::new(), Vec::new());
    let mut distances = Vec::with_capacity(BLOCK);
    for block in values.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or(0);
        let greatest = block.iter().copied().max().unwrap_or(0);
        let span = greatest.wrapping_sub(least) as u64;
        let stride = even_stride(block);
        let start = bytes.len() as u64;
        let width = match (stride, u32::try_from(span)) {
            (Some(_), _) => 0,
            (None, Ok(span)) => (u32::BITS - span.leading_zeros()).max(1),
            (None, Err(_)) => PLAIN,
        };
        if width == PLAIN {
            bytes.extend(block.iter().flat_map(|v| v.to_le_bytes()));
        } else if width > 0 {
            distances.clear();
            distances.extend(block.iter().map(|v| v.wrapping_sub(least) as u32));
            bits::pack(&distances, width, &mut bytes);
        }
        heads.extend(least.to_le_bytes());
        heads.extend(greatest.to_le_bytes());
        heads.extend(start.to_le_bytes());
        heads.extend(width.to_le_bytes());
        heads.extend(stride.unwrap_or(0).to_le_bytes());
    }
    (heads, bytes)
}

/// The distance between neighbours where it is the same throughout.
fn even_stride(block: &[i64]) -> Option<u32> {
    let [first, second, ..] = block else {
        return Some(0);
    };
    let stride = u32::try_from(second.checked_sub(*first)?).ok()?;
    let even = block
        .windows(2)
        .all(|pair| pair[0].checked_add(i64::from(stride)) == Some(pair[1]));
    even.then_some(stride)
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<8>())
        .map_or(0, |chunk| i64::from_le_bytes(*chunk))
}

impl Head {
    fn evenly(&self, at: usize) -> i64 {
        let distance = (at as i64).wrapping_mul(i64::from(self.stride));
        self.least.wrapping_add(distance)
    }

    /// The numbers from a place on, where they are not packed.
    fn fill(&self, bytes: &[u8], at: usize, out: &mut [i64]) {
        if self.width == 0 {
            return (at..).zip(out).for_each(|(at, v)| *v = self.evenly(at));
        }
        let words = bytes.get(at * 8..).unwrap_or(&[]).as_chunks::<8>().0;
        out.fill(0);
        for (place, word) in out.iter_mut().zip(words) {
            *place = i64::from_le_bytes(*word);
        }
    }
}

impl PackedNumbers {
    /// Over their buffers; `None` where the heads are too few.
    pub(crate) fn new(heads: Region, bytes: Region, entries: u32) -> Option<Self> {
        let whole = heads.len() >= (entries as usize).div_ceil(BLOCK) * HEAD;
        whole.then_some(Self {
            heads,
            bytes,
            entries,
        })
    }

    fn head(&self, block: usize) -> Head {
        let head = self.heads.get(block * HEAD..).unwrap_or(&[]);
        let last = i64_at(head, 24) as u64;
        Head {
            least: i64_at(head, 0),
            greatest: i64_at(head, 8),
            start: usize::try_from(i64_at(head, 16)).unwrap_or(usize::MAX),
            width: last as u32,
            stride: (last >> 32) as u32,
        }
    }

    fn block_bytes(&self, head: &Head) -> &[u8] {
        self.bytes.get(head.start..).unwrap_or(&[])
    }

    /// The least and the greatest number.
    pub(crate) fn extremes(&self) -> (i64, i64) {
        let blocks = (self.entries as usize).div_ceil(BLOCK);
        let heads = (0..blocks).map(|block| self.head(block));
        heads.fold((i64::MAX, i64::MIN), |(low, high), head| {
            (low.min(head.least), high.max(head.greatest))
        })
    }

    /// One number.
    pub(crate) fn get(&self, entry: u32) -> i64 {
        let (block, at) = (entry as usize / BLOCK, entry as usize % BLOCK);
        let head = self.head(block);
        self.within(&head, self.block_bytes(&head), at)
    }

    #[inline]
    fn within(&self, head: &Head, bytes: &[u8], at: usize) -> i64 {
        match head.width {
            0 => head.evenly(at),
            1..=32 => head
                .least
                .wrapping_add(i64::from(bits::get(bytes, head.width, at))),
            _ => i64_at(bytes, at.saturating_mul(8)),
        }
    }

    /// Calls `f` with the numbers of consecutive entries, some at a time.
    fn pieces(&self, range: Range<u32>, mut f: impl FnMut(Piece<'_>)) {
        let (mut small, mut wide) = ([0_u32; PIECE], [0_i64; PIECE]);
        let end = range.end as usize;
        let mut from = range.start as usize;
        while from < end {
            let block = from / BLOCK;
            let head = self.head(block);
            let bytes = self.block_bytes(&head);
            let block_end = end.min((block + 1) * BLOCK);
            while from < block_end {
                let at = from % BLOCK;
                let count = (block_end - from).min(PIECE);
                let (small, wide) = (&mut small[..count], &mut wide[..count]);
                if (1..=32).contains(&head.width) {
                    bits::unpack(bytes, head.width, at, small);
                    f(Piece::Distances(head.least, small));
                } else {
                    head.fill(bytes, at, wide);
                    f(Piece::Numbers(wide));
                }
                from += count;
            }
        }
    }

    /// Appends the numbers of entries.
    pub(crate) fn append<T: Copy>(
        &self,
        entries: &Docs<'_>,
        out: &mut Vec<T>,
        convert: impl Fn(i64) -> T + Copy,
    ) {
        out.reserve(entries.len());
        match entries {
            Docs::Range(range) => self.pieces(range.clone(), |piece| match piece {
                Piece::Distances(least, distances) => {
                    let number = |d: &u32| convert(least.wrapping_add(i64::from(*d)));
                    out.extend(distances.iter().map(number));
                }
                Piece::Numbers(numbers) => out.extend(numbers.iter().map(|v| convert(*v))),
            }),
            Docs::List(list) => {
                let mut rest = *list;
                let mut distances = Vec::new();
                while let Some(first) = rest.first() {
                    let block = *first as usize / BLOCK;
                    let end = (block + 1) * BLOCK;
                    let count = rest.partition_point(|entry| (*entry as usize) < end);
                    let (here, after) = rest.split_at(count);
                    rest = after;
                    let span = here.last().map_or(0, |last| last - first + 1) as usize;
                    let head = self.head(block);
                    let bytes = self.block_bytes(&head);
                    if here.len() * DENSE > span && (1..=32).contains(&head.width) {
                        distances.resize(BLOCK, 0);
                        let between = &mut distances[..span];
                        bits::unpack(bytes, head.width, *first as usize % BLOCK, between);
                        out.extend(here.iter().map(|entry| {
                            let distance = between[(entry - first) as usize];
                            convert(head.least.wrapping_add(i64::from(distance)))
                        }));
                    } else if (1..=32).contains(&head.width) {
                        let at = here.iter().map(|entry| *entry as usize % BLOCK);
                        listed::each(bytes, head.width, at, |distance| {
                            out.push(convert(head.least.wrapping_add(i64::from(distance))));
                        });
                    } else {
                        let at = |entry: &u32| *entry as usize % BLOCK;
                        let number = |entry| convert(self.within(&head, bytes, at(entry)));
                        out.extend(here.iter().map(number));
                    }
                }
            }
        }
    }

    /// Appends one bit an entry, whether its number lies between the ends (included). The range begins at a multiple of 64.
    pub(crate) fn matching(&self, range: Range<u32>, low: i64, high: i64, out: &mut Vec<u64>) {
        let mut small = [0_u32; PIECE];
        let end = range.end as usize;
        let mut from = range.start as usize;
        while from < end {
            let head = self.head(from / BLOCK);
            let block_end = end.min((from / BLOCK + 1) * BLOCK);
            let count = block_end - from;
            if low > high || head.greatest < low || head.least > high {
                out.extend(std::iter::repeat_n(0, count.div_ceil(64)));
            } else if low <= head.least && head.greatest <= high {
                out.extend(std::iter::repeat_n(u64::MAX, count / 64));
                if !count.is_multiple_of(64) {
                    out.push((1 << (count % 64)) - 1);
                }
            } else if (1..=32).contains(&head.width) {
                let first = low.saturating_sub(head.least).max(0) as u64;
                let last = high.wrapping_sub(head.least) as u64;
                let first = u32::try_from(first).unwrap_or(u32::MAX);
                let reach = u32::try_from(last).unwrap_or(u32::MAX) - first;
                let span = Span { first, reach };
                let bytes = self.block_bytes(&head);
                for at in (from..block_end).step_by(PIECE) {
                    let small = &mut small[..PIECE.min(block_end - at)];
                    bits::unpack(bytes, head.width, at % BLOCK, small);
                    within::push(small, &[span], out);
                }
            } else {
                self.pieces(from as u32..block_end as u32, |piece| {
                    if let Piece::Numbers(numbers) = piece {
                        bits::push_words(numbers, out, |v| low <= v && v <= high);
                    }
                });
            }
            from = block_end;
        }
    }

    /// Of ascending numbers the entries between the ends (included).
    pub(crate) fn sorted(&self, low: i64, high: i64) -> Range<u32> {
        let first = self.first_not(|v| v < low);
        let last = self.first_not(|v| v <= high);
        first..last.max(first)
    }

    fn first_not(&self, below: impl Fn(i64) -> bool) -> u32 {
        let (mut from, mut to) = (0, self.entries);
        while from < to {
            let middle = from + (to - from) / 2;
            if below(self.get(middle)) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(values: &[i64]) -> PackedNumbers {
        let (heads, bytes) = pack(values);
        let (heads, bytes) = (Region::of(heads), Region::of(bytes));
        PackedNumbers::new(heads, bytes, values.len() as u32).unwrap()
    }

    #[test]
    fn numbers_survive_and_match() {
        let spread = |i: i64| (i * 7919) % 100_003 - 50_000;
        let shapes: [Vec<i64>; 6] = [
            (0..10_000).collect(),
            (0..9_000).map(spread).collect(),
            (0..5_000_i64)
                .map(|i| i.wrapping_mul(i64::MAX / 3))
                .collect(),
            vec![i64::MIN, i64::MAX, 0, 7],
            vec![42; 4_097],
            vec![-3],
        ];
        for values in shapes {
            let packed = packed(&values);
            let mut out = Vec::new();
            packed.append(&Docs::Range(0..values.len() as u32), &mut out, |v| v);
            assert_eq!(out, values);
            let list: Vec<u32> = (0..values.len() as u32).step_by(13).collect();
            let mut some = Vec::new();
            packed.append(&Docs::List(&list), &mut some, |v| v);
            assert!(
                list.iter()
                    .zip(some)
                    .all(|(at, v)| values[*at as usize] == v)
            );
            for (low, high) in [
                (0, 100),
                (-50_000, -49_990),
                (i64::MIN, 5),
                (7, i64::MAX),
                (5, 4),
            ] {
                let mut words = Vec::new();
                packed.matching(0..values.len() as u32, low, high, &mut words);
                for (at, value) in values.iter().enumerate() {
                    let set = words[at / 64] >> (at % 64) & 1 == 1;
                    assert_eq!(
                        set,
                        low <= *value && *value <= high,
                        "{value} in {low}..={high}"
                    );
                }
            }
        }
    }

    #[test]
    fn ascending_numbers_are_searched() {
        let packed = packed(&(0..10_000).map(|i| i / 3).collect::<Vec<_>>());
        assert_eq!(packed.sorted(5, 6), 15..21);
        assert_eq!(packed.sorted(9_999, 10_000), 10_000..10_000);
    }
}
