//! Which rows of a segment count, while all of its rows are taken in at once, in the order of their keys.
//!
//! Must not know: keys. Invariant: as bitmaps it is what single changes of the bitmaps would have made.

use std::sync::Arc;

use roaring::RoaringBitmap;

/// One bit a row.
pub(super) struct Bits {
    valid: Vec<u64>,
    /// Those of them that are no deletions; only where the table has them.
    shown: Option<Vec<u64>>,
}

fn change(words: &mut [u64], doc: u32, to: bool) {
    if let Some(word) = words.get_mut((doc / 64) as usize) {
        let bit = 1_u64 << (doc % 64);
        *word = if to { *word | bit } else { *word & !bit };
    }
}

fn bitmap(words: &[u64]) -> Arc<RoaringBitmap> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Arc::new(RoaringBitmap::from_lsb0_bytes(0, &bytes))
}

impl Bits {
    /// No row of so many.
    pub(super) fn new(rows: u64, with_deletions: bool) -> Self {
        let words = rows.div_ceil(64) as usize;
        Self {
            valid: vec![0; words],
            shown: with_deletions.then(|| vec![0; words]),
        }
    }

    /// A row counts.
    pub(super) fn set(&mut self, doc: u32, deleted: bool) {
        change(&mut self.valid, doc, true);
        if let Some(shown) = &mut self.shown
            && !deleted
        {
            change(shown, doc, true);
        }
    }

    /// A row counts no more.
    pub(super) fn clear(&mut self, doc: u32) {
        change(&mut self.valid, doc, false);
        if let Some(shown) = &mut self.shown {
            change(shown, doc, false);
        }
    }

    /// Rows that count, and those of them that are no deletions.
    pub(super) fn into_bitmaps(self) -> (Arc<RoaringBitmap>, Option<Arc<RoaringBitmap>>) {
        (bitmap(&self.valid), self.shown.as_deref().map(bitmap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_the_bitmaps_that_single_changes_make() {
        let mut bits = Bits::new(200_000, true);
        let (mut valid, mut shown) = (RoaringBitmap::new(), RoaringBitmap::new());
        for doc in (0..200_000).step_by(3) {
            bits.set(doc, doc % 2 == 0);
            valid.insert(doc);
            if doc % 2 != 0 {
                shown.insert(doc);
            }
        }
        for doc in (0..200_000).step_by(7) {
            bits.clear(doc);
            valid.remove(doc);
            shown.remove(doc);
        }
        let (of_valid, of_shown) = bits.into_bitmaps();
        assert_eq!((&*of_valid, of_shown.as_deref()), (&valid, Some(&shown)));
    }
}
