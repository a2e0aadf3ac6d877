//! The range index: bit-sliced ids, or order-preserving ranks of raw numbers, with the extremes of each block.
//!
//! | part | content |
//! |---|---|
//! | head | lowest rank `u64`, bits `u32`, entries `u32` |
//! | extremes | per block of 4096 entries: smallest and largest key, `u64` each |
//! | slices | per 64 entries: one `u64` a bit, lowest bit first |
//!
//! A key is the id, or the rank minus the lowest. A range compares 64 entries with two operations a bit, and blocks that
//! lie wholly inside or outside are not read. Must not know: values. Invariant: exact.

use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use super::collect::{RowCollector, at_least_one, complement};
use super::{ColumnContext, ColumnSource, IndexType, ids_of, wanted};
use crate::bounds::Limits;
use crate::buffer::map::Region;
use crate::number::{Number, with_number};
use crate::{Answer, Bound, Dictionary, IdSet, IndexReader, Predicate};

/// The kind.
pub(crate) struct RangeIndex;

const HEAD: u64 = 16;
/// Words of 64 entries in a block.
const BLOCK_WORDS: usize = 64;
const BLOCK: usize = BLOCK_WORDS * 64;

impl IndexType for RangeIndex {
    fn id(&self) -> &'static str {
        "range_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, raw: bool) -> Option<Json> {
        let list = &table.table_index_config.range_index_columns;
        let numeric = with_number!(field.data_type.stored(), T => T::WIDTH > 0, _ => false);
        let possible = !raw || numeric;
        (possible && wanted(list, table, field, "range")).then_some(Json::Null)
    }

    fn build(&self, column: &ColumnSource<'_>, _settings: &Json, out: &mut Vec<u8>) -> bool {
        let Some(keys) = keys(column) else {
            return false;
        };
        let lowest = keys.iter().min().copied().unwrap_or(0);
        let highest = keys.iter().max().copied().unwrap_or(0);
        let bits = (u64::BITS - (highest - lowest).leading_zeros()).max(1);
        out.extend(lowest.to_le_bytes());
        out.extend(bits.to_le_bytes());
        out.extend((keys.len() as u32).to_le_bytes());
        for block in keys.chunks(BLOCK) {
            let (low, high) = block
                .iter()
                .fold((u64::MAX, 0), |(low, high), k| (low.min(*k), high.max(*k)));
            out.extend((low - lowest).to_le_bytes());
            out.extend((high - lowest).to_le_bytes());
        }
        for word in keys.chunks(64) {
            let mut slices = [0_u64; 64];
            for (at, key) in word.iter().enumerate() {
                let mut key = key - lowest;
                while key != 0 {
                    slices[key.trailing_zeros() as usize] |= 1 << at;
                    key &= key - 1;
                }
            }
            for slice in &slices[..bits as usize] {
                out.extend(slice.to_le_bytes());
            }
        }
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let number = |at: usize| u64_at(&bytes, at);
        let (lowest, sizes) = (number(0), number(1));
        let (bits, entries) = (sizes as u32, (sizes >> 32) as u32);
        let blocks = (u64::from(entries)).div_ceil(BLOCK as u64);
        let slices = u64::from(entries).div_ceil(64) * u64::from(bits) * 8;
        let size = HEAD + blocks * 16 + slices;
        if entries != column.entries || !(1..=64).contains(&bits) || bytes.len() as u64 != size {
            return Err(format!(
                "{} bytes for {entries} entries of {bits} bits, expected {} entries",
                bytes.len(),
                column.entries
            ));
        }
        Ok(Arc::new(RangeReader {
            lowest,
            bits,
            extremes: bytes.part(HEAD, blocks * 16).unwrap_or_else(Region::empty),
            slices: bytes
                .part(HEAD + blocks * 16, slices)
                .unwrap_or_else(Region::empty),
            data_type: column.data_type,
            dictionary: column.dictionary.clone(),
            row_ends: column.row_ends.clone(),
            rows: column.rows,
            entries,
        }))
    }
}

fn u64_at(bytes: &[u8], index: usize) -> u64 {
    bytes
        .get(index * 8..)
        .and_then(|rest| rest.first_chunk::<8>())
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn keys(column: &ColumnSource<'_>) -> Option<Vec<u64>> {
    fn ranks<T: Number>(values: &[T]) -> Vec<u64> {
        values.iter().map(|v| v.rank()).collect()
    }
    if let Some(ids) = column.ids {
        return Some(ids.iter().map(|id| u64::from(*id)).collect());
    }
    Some(match column.values {
        Values::Int(v) => ranks(v),
        Values::Long(v) => ranks(v),
        Values::Float(v) => ranks(v),
        Values::Double(v) => ranks(v),
        _ => return None,
    })
}

struct RangeReader {
    lowest: u64,
    bits: u32,
    extremes: Region,
    slices: Region,
    data_type: DataType,
    dictionary: Option<Arc<dyn Dictionary>>,
    row_ends: Option<Region>,
    rows: u32,
    entries: u32,
}

/// Inclusive keys; `None` matches nothing.
type Keys = Option<(u64, u64)>;

impl RangeReader {
    /// The keys of a predicate, and whether the other rows are wanted.
    fn keys(&self, predicate: &Predicate) -> Option<(Keys, bool)> {
        if let Some(dictionary) = &self.dictionary {
            let (ids, negated) = ids_of(&**dictionary, predicate)?;
            let IdSet::Run(run) = ids else {
                return None;
            };
            let keys = (!run.is_empty()).then(|| {
                let of = |id: u32| u64::from(id).saturating_sub(self.lowest);
                (of(run.start), of(run.end - 1))
            });
            // Ids below the lowest do not occur, but must not become the lowest.
            let keys = keys.filter(|_| u64::from(run.end) > self.lowest);
            return Some((keys, negated));
        }
        let (lower, upper, negated) = match predicate {
            Predicate::Range { lower, upper } => (lower.clone(), upper.clone(), false),
            Predicate::Eq(v) => (
                Bound::Included(v.clone()),
                Bound::Included(v.clone()),
                false,
            ),
            Predicate::NotEq(v) => (Bound::Included(v.clone()), Bound::Included(v.clone()), true),
            _ => return None,
        };
        let limits = Limits {
            lower: &lower,
            upper: &upper,
        };
        let ranks =
            with_number!(self.data_type.stored(), T => limits.numbers::<T>(), _ => return None);
        let keys = ranks.and_then(|ranks| {
            let last = ranks.last.checked_sub(self.lowest)?;
            Some((ranks.first.saturating_sub(self.lowest), last))
        });
        Some((keys, negated))
    }

    /// Calls `f` with each word of entries that match.
    fn words(&self, (first, last): (u64, u64), mut f: impl FnMut(u32, u64)) {
        let largest = u64::MAX >> (64 - self.bits);
        if first > largest {
            return;
        }
        let last = last.min(largest);
        let words = (self.entries as usize).div_ceil(64);
        let slices: &[u8] = &self.slices;
        for block in 0..words.div_ceil(BLOCK_WORDS) {
            let low = u64_at(&self.extremes, block * 2);
            let high = u64_at(&self.extremes, block * 2 + 1);
            if high < first || low > last {
                continue;
            }
            let inside = first <= low && high <= last;
            for word in block * BLOCK_WORDS..words.min((block + 1) * BLOCK_WORDS) {
                let left = self.entries as usize - word * 64;
                let valid = if left >= 64 {
                    u64::MAX
                } else {
                    (1 << left) - 1
                };
                let set = if inside {
                    u64::MAX
                } else {
                    let start = word * self.bits as usize * 8;
                    let word = slices.get(start..start + self.bits as usize * 8);
                    between(word.unwrap_or(&[]), first, last)
                };
                f(word as u32, set & valid);
            }
        }
    }

    fn rows(&self, keys: Keys) -> RoaringBitmap {
        let Some(keys) = keys else {
            return RoaringBitmap::new();
        };
        let expected = u64::from(self.expected(keys));
        let mut rows = RowCollector::new(self.rows, expected);
        match &self.row_ends {
            None => self.words(keys, |word, set| rows.add_word(word, set)),
            Some(ends) => {
                let ends = ends.as_chunks::<4>().0;
                let mut row = 0;
                self.words(keys, |word, mut set| {
                    while set != 0 {
                        let entry = word * 64 + set.trailing_zeros();
                        while ends
                            .get(row)
                            .is_some_and(|end| u32::from_le_bytes(*end) <= entry)
                        {
                            row += 1;
                        }
                        rows.add(row as u32);
                        set &= set - 1;
                    }
                });
            }
        }
        rows.finish()
    }

    /// About how many entries match, from the extremes of the blocks alone.
    fn expected(&self, (first, last): (u64, u64)) -> u32 {
        let mut count = 0.0;
        for block in self.extremes.as_chunks::<16>().0 {
            let (low, high) = (u64_at(block, 0), u64_at(block, 1));
            if high < first || low > last {
                continue;
            }
            let overlap = last.min(high).saturating_sub(first.max(low)) as f64 + 1.0;
            let width = high.saturating_sub(low) as f64 + 1.0;
            count += BLOCK as f64 * (overlap / width).min(1.0);
        }
        (count.ceil() as u32).min(self.entries)
    }
}

/// Bits of the 64 entries of a word whose key lies in an inclusive range.
#[inline]
fn between(word: &[u8], first: u64, last: u64) -> u64 {
    // From the lowest bit up: an entry compares as its higher bits do, and as the lower ones where those are equal.
    let (mut at_least, mut at_most) = (u64::MAX, u64::MAX);
    for (bit, slice) in word.as_chunks::<8>().0.iter().enumerate() {
        let set = u64::from_le_bytes(*slice);
        at_least = if first >> bit & 1 == 1 {
            at_least & set
        } else {
            at_least | set
        };
        at_most = if last >> bit & 1 == 1 {
            at_most | !set
        } else {
            at_most & !set
        };
    }
    at_least & at_most
}

impl IndexReader for RangeReader {
    fn id(&self) -> &'static str {
        RangeIndex.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        let (keys, negated) = self.keys(predicate)?;
        let count = keys.map_or(0, |keys| self.expected(keys)).min(self.rows);
        Some(if negated {
            at_least_one(self.rows, count)
        } else {
            count
        })
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        let (keys, negated) = self.keys(predicate)?;
        let rows = self.rows(keys);
        Some(Answer::Exact(if negated {
            complement(self.rows, rows)
        } else {
            rows
        }))
    }
}
