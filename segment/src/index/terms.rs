//! Terms in order, each with the Roaring bitmap of its rows: what the JSON and the text index are made of.
//!
//! | part | content |
//! |---|---|
//! | head | terms `u32`, bytes of all terms `u32` |
//! | ends | end of each term among the bytes, `u32`; padded to 8 bytes |
//! | rows | end of each bitmap among the bitmaps, `u64` |
//! | terms | bytes of all terms; padded to 8 bytes |
//! | bitmaps | Roaring portable format |
//!
//! Must not know: what terms mean. Invariant: a damaged bitmap counts as empty.

use std::collections::BTreeMap;
use std::ops::Range;

use roaring::RoaringBitmap;

use super::inverted::{read_bitmap, write_bitmap};
use crate::buffer::map::Region;

const HEAD: usize = 8;

/// Collects terms with their rows.
#[derive(Default)]
pub(crate) struct TermsBuilder(BTreeMap<Vec<u8>, Vec<u32>>);

impl TermsBuilder {
    /// Adds a row to a term; rows come in ascending order.
    pub(crate) fn add(&mut self, term: &[u8], row: u32) {
        match self.0.get_mut(term) {
            Some(rows) if rows.last() == Some(&row) => {}
            Some(rows) => rows.push(row),
            None => {
                self.0.insert(term.to_vec(), vec![row]);
            }
        }
    }

    /// Appends the bytes; false where they are too many.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> bool {
        let total: usize = self.0.keys().map(Vec::len).sum();
        let (Ok(count), Ok(total)) = (u32::try_from(self.0.len()), u32::try_from(total)) else {
            return false;
        };
        out.extend(count.to_le_bytes());
        out.extend(total.to_le_bytes());
        let mut end = 0_u32;
        for term in self.0.keys() {
            end += term.len() as u32;
            out.extend(end.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let (mut ends, mut bitmaps) = (Vec::new(), Vec::new());
        for rows in self.0.values() {
            write_bitmap(rows, &mut bitmaps);
            ends.extend((bitmaps.len() as u64).to_le_bytes());
        }
        out.append(&mut ends);
        self.0.keys().for_each(|term| out.extend_from_slice(term));
        out.resize(out.len().next_multiple_of(8), 0);
        out.append(&mut bitmaps);
        true
    }
}

/// Terms with their rows, wherever they are kept.
pub(crate) trait TermRows: Send + Sync {
    /// The rows of a term.
    fn rows(&self, term: &[u8]) -> RoaringBitmap;
    /// The rows of all terms that begin so and pass a test.
    fn rows_with(&self, prefix: &[u8], test: &dyn Fn(&[u8]) -> bool) -> RoaringBitmap;
}

/// Terms in place.
pub(crate) struct Terms {
    count: usize,
    ends: Region,
    row_ends: Region,
    terms: Region,
    bitmaps: Region,
    rows: u32,
}

fn u32_at(bytes: &[u8], index: usize) -> u32 {
    let chunk = bytes.get(index * 4..).and_then(|b| b.first_chunk::<4>());
    chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

impl Terms {
    /// Over its bytes; `None` where they are too few.
    pub(crate) fn open(bytes: &Region, rows: u32) -> Option<Self> {
        if bytes.len() < HEAD {
            return None;
        }
        let (count, total) = (u32_at(bytes, 0) as usize, u64::from(u32_at(bytes, 1)));
        let ends = (HEAD + count * 4).next_multiple_of(8) as u64;
        let terms = ends + count as u64 * 8;
        let bitmaps = (terms + total).next_multiple_of(8);
        Some(Self {
            count,
            ends: bytes.part(HEAD as u64, count as u64 * 4)?,
            row_ends: bytes.part(ends, count as u64 * 8)?,
            terms: bytes.part(terms, total)?,
            bitmaps: bytes.part(bitmaps, (bytes.len() as u64).checked_sub(bitmaps)?)?,
            rows,
        })
    }

    fn term(&self, at: usize) -> &[u8] {
        let start = if at == 0 {
            0
        } else {
            u32_at(&self.ends, at - 1)
        };
        let range = start as usize..u32_at(&self.ends, at) as usize;
        self.terms.get(range).unwrap_or(&[])
    }

    fn rows_of(&self, at: usize, out: &mut RoaringBitmap) {
        let end = |at: usize| {
            let chunk = self
                .row_ends
                .get(at * 8..)
                .and_then(|b| b.first_chunk::<8>());
            chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk)) as usize
        };
        let start = if at == 0 { 0 } else { end(at - 1) };
        let bytes = self.bitmaps.get(start..end(at)).unwrap_or(&[]);
        read_bitmap(bytes, &mut |row| {
            if row < self.rows {
                out.insert(row);
            }
        });
    }

    fn first_from(&self, term: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.term(middle) < term {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn beginning(&self, prefix: &[u8]) -> Range<usize> {
        let first = self.first_from(prefix);
        let mut end = first;
        while end < self.count && self.term(end).starts_with(prefix) {
            end += 1;
        }
        first..end
    }
}

impl TermRows for Terms {
    fn rows(&self, term: &[u8]) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        let at = self.first_from(term);
        if at < self.count && self.term(at) == term {
            self.rows_of(at, &mut out);
        }
        out
    }

    fn rows_with(&self, prefix: &[u8], test: &dyn Fn(&[u8]) -> bool) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        for at in self.beginning(prefix) {
            if test(self.term(at)) {
                self.rows_of(at, &mut out);
            }
        }
        out
    }
}
