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
    /// Each row counts until it is taken back.
    counting: bool,
}

fn change(words: &mut [u64], doc: u32, to: bool) {
    if let Some(word) = words.get_mut((doc / 64) as usize) {
        let bit = 1_u64 << (doc % 64);
        *word = if to { *word | bit } else { *word & !bit };
    }
}

fn words(rows: u32, ones: bool) -> Vec<u64> {
    let mut words = vec![if ones { u64::MAX } else { 0 }; rows.div_ceil(64) as usize];
    if let Some(last) = words.last_mut().filter(|_| !rows.is_multiple_of(64)) {
        *last &= (1 << (rows % 64)) - 1;
    }
    words
}

fn bitmap(words: &[u64]) -> Arc<RoaringBitmap> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Arc::new(RoaringBitmap::from_lsb0_bytes(0, &bytes))
}

impl Bits {
    /// So many rows, none of which counts, or each where `counting`: then one that is taken in does already.
    pub(super) fn new(rows: u32, with_deletions: bool, counting: bool) -> Self {
        Self {
            valid: words(rows, counting),
            shown: with_deletions.then(|| words(rows, counting)),
            counting,
        }
    }

    /// A row counts.
    pub(super) fn set(&mut self, doc: u32, deleted: bool) {
        if self.counting {
            return;
        }
        change(&mut self.valid, doc, true);
        if !deleted {
            self.show(doc, true);
        }
    }

    /// A row is a deletion.
    pub(super) fn hide(&mut self, doc: u32) {
        self.show(doc, false);
    }

    fn show(&mut self, doc: u32, to: bool) {
        if let Some(shown) = &mut self.shown {
            change(shown, doc, to);
        }
    }

    /// A row counts no more.
    pub(super) fn clear(&mut self, doc: u32) {
        change(&mut self.valid, doc, false);
        self.show(doc, false);
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
        let mut bits = Bits::new(200_000, true, false);
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

    #[test]
    fn rows_that_count_from_the_start_end_as_the_same_bitmaps() {
        for rows in [0, 64, 1000] {
            let mut bits = Bits::new(rows, true, true);
            let mut valid: RoaringBitmap = (0..rows).collect();
            let mut shown = valid.clone();
            for doc in (0..rows).step_by(5) {
                bits.hide(doc);
                bits.set(doc, true);
                shown.remove(doc);
            }
            for doc in (0..rows).step_by(7) {
                bits.clear(doc);
                valid.remove(doc);
                shown.remove(doc);
            }
            let (of_valid, of_shown) = bits.into_bitmaps();
            assert_eq!((&*of_valid, of_shown.as_deref()), (&valid, Some(&shown)));
        }
    }
}
