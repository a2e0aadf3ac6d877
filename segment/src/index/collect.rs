//! Collects row numbers in any order into a bitmap: a list while few, one bit a row when many.
//!
//! Must not know: where they come from. Invariant: rows at or above the row count are dropped.

use roaring::RoaringBitmap;

/// Rows so far.
pub(crate) struct RowCollector {
    rows: u32,
    list: Vec<u32>,
    /// One bit a row, once the list grew too long.
    bits: Vec<u8>,
}

impl RowCollector {
    /// For rows below a count; `expected` is about how many will come.
    pub(crate) fn new(rows: u32, expected: u64) -> Self {
        let dense = expected > u64::from(rows) / 32;
        Self {
            rows,
            list: Vec::new(),
            bits: if dense {
                vec![0; (rows as usize).div_ceil(8)]
            } else {
                Vec::new()
            },
        }
    }

    /// Adds a row.
    #[inline]
    pub(crate) fn add(&mut self, row: u32) {
        if row >= self.rows {
            return;
        }
        if self.bits.is_empty() {
            self.list.push(row);
        } else if let Some(byte) = self.bits.get_mut(row as usize / 8) {
            *byte |= 1 << (row % 8);
        }
    }

    /// Adds the rows `64 * word` to `64 * word + 63` whose bit is set.
    #[inline]
    pub(crate) fn add_word(&mut self, word: u32, mut set: u64) {
        let start = word as usize * 8;
        if let Some(bytes) = self.bits.get_mut(start..start + 8) {
            for (byte, more) in bytes.iter_mut().zip(set.to_le_bytes()) {
                *byte |= more;
            }
            return;
        }
        while set != 0 {
            self.add(word * 64 + set.trailing_zeros());
            set &= set - 1;
        }
    }

    /// The bitmap.
    pub(crate) fn finish(mut self) -> RoaringBitmap {
        if self.bits.is_empty() {
            self.list.sort_unstable();
            self.list.dedup();
            RoaringBitmap::from_sorted_iter(self.list).unwrap_or_default()
        } else {
            RoaringBitmap::from_lsb0_bytes(0, &self.bits)
        }
    }
}

/// The rows below a count that are not in a set.
pub(crate) fn complement(rows: u32, set: RoaringBitmap) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..rows);
    all - set
}

/// About how many of the rows are not among `count` estimated ones: 0 would be a promise, so it is at least one.
pub(crate) fn at_least_one(rows: u32, count: u32) -> u32 {
    rows.saturating_sub(count).max(1).min(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_bits_agree() {
        for expected in [0, 1000] {
            let mut rows = RowCollector::new(1000, expected);
            for row in [7, 3, 999, 3, 1000, 64] {
                rows.add(row);
            }
            rows.add_word(15, (1 << 63) | 1);
            let found: Vec<u32> = rows.finish().iter().collect();
            assert_eq!(found, [3, 7, 64, 960, 999]);
        }
    }
}
