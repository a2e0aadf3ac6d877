//! Rows and several sums of few groups, added up side by side in one word a row.
//!
//! Must not know: columns. Invariant: no field of a word overflows before the words of all places are taken apart.

use super::PIECE;
use super::number::Span;

/// Rows after which words are taken apart: the longer, the less that costs, and the fewer sums have room in a word.
const ROUNDS: [usize; 2] = [4 * PIECE, PIECE];
/// Rows of a round for each place, below which taking the words apart costs too much.
const ROWS_PER_PLACE: usize = 8;

/// A sum within the word.
struct Field {
    /// Which measure it belongs to.
    measure: usize,
    /// What is taken off its values, so that none is below 0.
    base: i64,
    shift: u32,
    mask: u64,
}

/// The words of a piece, and of the places in a round of some pieces.
pub(super) struct Packed {
    fields: Vec<Field>,
    words: Vec<u64>,
    totals: Vec<u64>,
    /// Rows of a round, the most that the fields have room for.
    round: usize,
    /// Rows since the words of the places were taken apart.
    rows: usize,
}

/// The bits of the number of a round's rows, which is the lowest field.
fn count_bits(round: usize) -> u32 {
    round.ilog2() + 1
}

/// The fields of those sums that a word has room for, over so many rows.
fn fields(round: usize, sums: &[(usize, Span)]) -> Option<Vec<Field>> {
    let mut fields = Vec::with_capacity(sums.len());
    let mut used = count_bits(round);
    for (measure, span) in sums {
        let largest = (span.high - span.low).checked_mul(round as i128)?;
        let bits = i128::BITS - largest.leading_zeros();
        if used + bits > u64::BITS {
            continue;
        }
        fields.push(Field {
            measure: *measure,
            base: i64::try_from(span.low).ok()?,
            shift: used % u64::BITS,
            mask: u64::MAX.checked_shr(u64::BITS - bits).unwrap_or(0),
        });
        used += bits;
    }
    Some(fields)
}

impl Packed {
    /// For sums of measures whose values are within those spans; `None` where nothing would be saved.
    pub(super) fn new(places: usize, sums: impl Iterator<Item = (usize, Span)>) -> Option<Self> {
        let sums: Vec<(usize, Span)> = sums.collect();
        let rounds = ROUNDS
            .into_iter()
            .filter(|round| places * ROWS_PER_PLACE <= *round);
        let mut best: Option<(usize, Vec<Field>)> = None;
        for round in rounds {
            let fields = fields(round, &sums)?;
            if best.as_ref().map_or(0, |(_, fields)| fields.len()) < fields.len() {
                best = Some((round, fields));
            }
        }
        let (round, fields) = best?;
        Some(Self {
            fields,
            words: Vec::with_capacity(PIECE),
            totals: vec![0; places],
            round,
            rows: 0,
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

    /// Adds the piece up by place, and a round of pieces to the counts and totals of all measures.
    pub(super) fn settle(&mut self, places: &[u32], counts: &mut [i64], totals: &mut [Vec<i64>]) {
        if self.rows + places.len() > self.round {
            self.take_apart(counts, totals);
        }
        self.rows += places.len();
        let sums = self.totals.as_mut_slice();
        for (place, word) in places.iter().zip(&self.words) {
            let sum = &mut sums[*place as usize];
            *sum = sum.wrapping_add(*word);
        }
    }

    /// Adds what the words hold to the counts and totals of all measures.
    pub(super) fn take_apart(&mut self, counts: &mut [i64], totals: &mut [Vec<i64>]) {
        self.rows = 0;
        let count_bits = count_bits(self.round);
        for (place, word) in self.totals.iter_mut().enumerate() {
            let word = std::mem::take(word);
            if word == 0 {
                continue;
            }
            let rows = (word & ((1 << count_bits) - 1)) as i64;
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
        assert_eq!(packed.round, PIECE);
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
        packed.take_apart(&mut counts, &mut totals);
        assert_eq!(counts, rows);
        assert_eq!(totals[..3], sums[..3]);
        assert_eq!(totals[3], [0; 3]);
        let few = ROUNDS[0] / ROWS_PER_PLACE;
        assert!(Packed::new(few + 1, spans.iter().copied().enumerate()).is_none());
        assert!(Packed::new(3, std::iter::empty()).is_none());
    }

    #[test]
    fn a_round_of_several_pieces_is_the_longest_there_is() {
        let span = Span {
            low: -1,
            high: 1 << 23,
        };
        let mut packed = Packed::new(1_000, [(0, span)].into_iter()).unwrap();
        assert_eq!(packed.round, 4 * PIECE);
        let (mut counts, mut totals) = (vec![0; 1_000], vec![vec![0; 1_000]]);
        let places = vec![999; PIECE];
        for _ in 0..9 {
            packed.begin(PIECE);
            packed.put(0, &[1 << 23; PIECE]);
            packed.settle(&places, &mut counts, &mut totals);
        }
        packed.take_apart(&mut counts, &mut totals);
        let rows = 9 * PIECE as i64;
        assert_eq!((counts[999], totals[0][999]), (rows, rows << 23));
        assert_eq!(counts[..999], [0; 999]);
    }
}
