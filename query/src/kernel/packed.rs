//! Rows and several sums of few groups, added up side by side in one word a row.
//!
//! Must not know: columns. Invariant: no field of a word overflows within a piece.

use super::PIECE;
use super::number::Span;

/// Places up to which taking the words apart after every piece costs little.
const MOST_PLACES: usize = 256;
/// Bits of the number of rows of a piece, which is the lowest field.
const COUNT_BITS: u32 = PIECE.ilog2() + 1;

/// A sum within the word.
struct Field {
    /// Which measure it belongs to.
    measure: usize,
    /// What is taken off its values, so that none is below 0.
    base: i64,
    shift: u32,
    mask: u64,
}

/// The words of a piece.
pub(super) struct Packed {
    fields: Vec<Field>,
    words: Vec<u64>,
    totals: Vec<u64>,
}

impl Packed {
    /// For sums of measures whose values are within those spans; `None` where nothing would be saved.
    pub(super) fn new(places: usize, sums: impl Iterator<Item = (usize, Span)>) -> Option<Self> {
        let mut fields = Vec::new();
        let mut used = COUNT_BITS;
        for (measure, span) in sums {
            let largest = (span.high - span.low).checked_mul(PIECE as i128)?;
            let bits = i128::BITS - largest.leading_zeros();
            if used + bits > u64::BITS {
                continue;
            }
            fields.push(Field {
                measure,
                base: i64::try_from(span.low).ok()?,
                shift: used % u64::BITS,
                mask: u64::MAX.checked_shr(u64::BITS - bits).unwrap_or(0),
            });
            used += bits;
        }
        (places <= MOST_PLACES && !fields.is_empty()).then(|| Self {
            fields,
            words: Vec::with_capacity(PIECE),
            totals: vec![0; places],
        })
    }

    /// True where the sum of a measure is among them.
    pub(super) fn has(&self, measure: usize) -> bool {
        self.fields.iter().any(|field| field.measure == measure)
    }

    /// Begins a piece.
    pub(super) fn begin(&mut self, rows: usize) {
        self.words.clear();
        self.words.resize(rows, 1);
    }

    /// The values of a measure's rows.
    pub(super) fn put(&mut self, measure: usize, values: &[i64]) {
        for field in self.fields.iter().filter(|f| f.measure == measure) {
            let (base, shift) = (field.base, field.shift);
            for (word, value) in self.words.iter_mut().zip(values) {
                let above = value.wrapping_sub(base) as u64;
                *word = word.wrapping_add(above << shift);
            }
        }
    }

    /// Adds the piece up by place, and to the counts and totals of all measures.
    pub(super) fn settle(&mut self, places: &[u32], counts: &mut [i64], totals: &mut [Vec<i64>]) {
        let sums = self.totals.as_mut_slice();
        for (place, word) in places.iter().zip(&self.words) {
            let sum = &mut sums[*place as usize];
            *sum = sum.wrapping_add(*word);
        }
        for (place, word) in sums.iter_mut().enumerate() {
            let word = std::mem::take(word);
            if word == 0 {
                continue;
            }
            let rows = (word & ((1 << COUNT_BITS) - 1)) as i64;
            counts[place] += rows;
            for field in &self.fields {
                let sum = ((word >> field.shift) & field.mask) as i64;
                totals[field.measure][place] += sum + field.base * rows;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_add_up_as_sums_do_at_their_limits() {
        let spans = [
            Span { low: -7, high: 50 },
            Span {
                low: 90_000,
                high: 10_000_000,
            },
            Span { low: 5, high: 5 },
            Span {
                low: 0,
                high: 1 << 40,
            },
        ];
        let mut packed = Packed::new(3, spans.iter().copied().enumerate()).unwrap();
        let kept: Vec<bool> = (0..4).map(|measure| packed.has(measure)).collect();
        assert_eq!(kept, [true, true, true, false]);
        let (mut counts, mut totals) = (vec![0; 3], vec![vec![0; 3]; 4]);
        let (mut rows, mut sums) = (vec![0; 3], vec![vec![0; 3]; 4]);
        for piece in 0..3 {
            let places: Vec<u32> = (0..PIECE as u32).map(|row| row * piece % 3).collect();
            packed.begin(PIECE);
            for (measure, span) in spans.iter().enumerate() {
                // The extremes most of all: a place that has every row of the first piece holds the largest sums there are.
                let (low, high) = (span.low as i64, span.high as i64);
                let value = |row: usize| match piece {
                    0 => high,
                    _ => low + row as i64 * 31 % (high - low + 1),
                };
                let values: Vec<i64> = (0..PIECE).map(value).collect();
                packed.put(measure, &values);
                for (place, value) in places.iter().zip(&values) {
                    sums[measure][*place as usize] += value;
                }
            }
            places.iter().for_each(|place| rows[*place as usize] += 1);
            packed.settle(&places, &mut counts, &mut totals);
        }
        assert_eq!(counts, rows);
        assert_eq!(totals[..3], sums[..3]);
        assert_eq!(totals[3], [0; 3]);
        assert!(Packed::new(MOST_PLACES + 1, spans.iter().copied().enumerate()).is_none());
        assert!(Packed::new(3, std::iter::empty()).is_none());
    }
}
