//! A mask: one bit a row of a block.
//!
//! Must not know: predicates. Invariant: bits at and beyond `rows` are zero.

/// Rows of a block, at most [`crate::project::BLOCK_ROWS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u64>,
    rows: usize,
}

impl Mask {
    /// Every row.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        let mut words = vec![u64::MAX; rows.div_ceil(64)];
        if let Some(last) = words.last_mut()
            && !rows.is_multiple_of(64)
        {
            *last = (1 << (rows % 64)) - 1;
        }
        Self { words, rows }
    }

    /// No row.
    #[must_use]
    pub fn none(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(64)],
            rows,
        }
    }

    /// From one bit a row, 64 to a word; missing words hold no row, bits beyond the rows are dropped.
    #[must_use]
    pub fn from_words(mut words: Vec<u64>, rows: usize) -> Self {
        words.resize(rows.div_ceil(64), 0);
        let mut mask = Self { words, rows };
        if !rows.is_multiple_of(64) {
            mask.and(&Self::all(rows));
        }
        mask
    }

    /// Number of rows the mask is about.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of rows in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// True without a row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// True with every row.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count() == self.rows
    }

    /// Adds a row.
    #[inline]
    pub fn set(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Adds the rows of a range.
    pub fn set_range(&mut self, range: std::ops::Range<usize>) {
        let end = range.end.min(self.rows);
        let mut row = range.start;
        while row < end {
            let (word, from) = (row / 64, row % 64);
            let to = (end - word * 64).min(64);
            let below = |bits: usize| {
                if bits == 64 {
                    u64::MAX
                } else {
                    (1 << bits) - 1
                }
            };
            self.words[word] |= below(to) & !below(from);
            row = word * 64 + to;
        }
    }

    /// True where the row is in it.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// The rows for which `test` answers true, all of the block.
    #[inline]
    pub fn fill(rows: usize, mut test: impl FnMut(usize) -> bool) -> Self {
        let mut words = Vec::with_capacity(rows.div_ceil(64));
        let mut row = 0;
        while row < rows {
            let end = (row + 64).min(rows);
            let mut word = 0_u64;
            for bit in row..end {
                word |= u64::from(test(bit)) << (bit - row);
            }
            words.push(word);
            row = end;
        }
        Self { words, rows }
    }

    /// Keeps what is in both.
    pub fn and(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(a, b)| *a &= b);
    }

    /// Adds what is in the other.
    pub fn or(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(a, b)| *a |= b);
    }

    /// Takes out what is in the other.
    pub fn subtract(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(a, b)| *a &= !b);
    }

    /// The rows in ascending order, offset by `base`.
    pub fn collect_into(&self, base: u32, out: &mut Vec<u32>) {
        segment::push_positions(&self.words, base, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_end_are_never_set() {
        let mask = Mask::all(70);
        assert_eq!(mask.count(), 70);
        let even = Mask::fill(70, |row| row % 2 == 0);
        let mut odd = mask;
        odd.subtract(&even);
        let mut rows = Vec::new();
        odd.collect_into(100, &mut rows);
        assert_eq!((rows.len(), rows[0]), (35, 101));
    }
}
