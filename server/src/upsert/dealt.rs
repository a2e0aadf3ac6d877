//! Rows of segments in the order of their keys, so that an index much larger than the caches is walked from one end to the other.
//!
//! Must not know: what becomes of rows. Invariant: rows of one key keep the order in which they were put.

use super::key_index::{Place, SHARDS};

/// Rows that are ordered at a time, of 32 bytes each.
const ROWS: usize = 1 << 24;
/// Piles that rows are dealt out to before each is ordered by itself.
const PILES: usize = SHARDS << 4;
const PILE_BITS: u32 = PILES.trailing_zeros();

/// A key, and where its row is.
pub(crate) type KeyedPlace = (u128, Place);

/// Rows whose ranks are numbers, dealt out by the first bits of their keys.
pub(crate) struct Piles {
    piles: Vec<Vec<KeyedPlace>>,
    rows: usize,
    to_come: usize,
}

impl Piles {
    /// No rows yet; about so many are to come.
    pub(crate) fn new(to_come: usize) -> Self {
        let mut piles = Vec::new();
        piles.resize_with(PILES, Vec::new);
        Self {
            piles,
            rows: 0,
            to_come,
        }
    }

    /// Adds a row.
    pub(crate) fn put(&mut self, key: u128, place: Place) {
        let at = (key >> (u128::BITS - PILE_BITS)) as usize;
        let Some(pile) = self.piles.get_mut(at) else {
            return;
        };
        if pile.capacity() == 0 {
            // Keys are hashes: piles come out alike, and are asked for once.
            let each = self.to_come.min(ROWS) / PILES;
            pile.reserve_exact(each + 4 * each.isqrt() + 4);
        }
        pile.push((key, place));
        self.rows += 1;
    }

    /// True where no more should come before what is here is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS
    }

    /// Gives the rows away in the order of their keys, those of a shard of the index at a time: a shard that had some of its keys only
    /// would have them at the wrong homes. The memory of a pile goes with its rows, as that of the index comes.
    pub(crate) fn take(&mut self, mut rows: impl FnMut(&[KeyedPlace])) {
        let (mut of_shard, mut ends) = (Vec::new(), Vec::new());
        for piles in self.piles.chunks_mut(PILES / SHARDS) {
            of_shard.clear();
            for pile in piles {
                append_ordered(std::mem::take(pile), &mut ends, &mut of_shard);
            }
            rows(&of_shard);
        }
        self.to_come = self.to_come.saturating_sub(self.rows);
        self.rows = 0;
    }
}

/// Appends the rows of a pile in the order of their keys. As many buckets as there are rows leave next to nothing to compare.
fn append_ordered(pile: Vec<KeyedPlace>, ends: &mut Vec<u32>, out: &mut Vec<KeyedPlace>) {
    let Some(first) = pile.first().copied() else {
        return;
    };
    let bits = pile.len().next_power_of_two().trailing_zeros().max(1);
    let bucket = |key: u128| ((key << PILE_BITS) >> (u128::BITS - bits)) as usize;
    ends.clear();
    ends.resize(1 << bits, 0);
    for (key, _) in &pile {
        ends[bucket(*key)] += 1;
    }
    let mut end = 0;
    for count in ends.iter_mut() {
        // The start of the bucket, which grows to its end below.
        end += std::mem::replace(count, end);
    }
    let from = out.len();
    out.resize(from + pile.len(), first);
    let ordered = &mut out[from..];
    for row in pile {
        let next = &mut ends[bucket(row.0)];
        ordered[*next as usize] = row;
        *next += 1;
    }
    let mut start = 0;
    for end in ends.iter().map(|end| *end as usize) {
        if end > start + 1 {
            ordered[start..end].sort_by_key(|(key, _)| *key);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_whole_and_those_of_a_key_in_their_order() {
        let key = |n: u32| xxhash_rust::xxh3::xxh3_128(&(n % 700).to_le_bytes());
        let place = |n: u32| Place::new(n % 3, n, n.is_multiple_of(5), i64::from(n) * 3);
        let mut piles = Piles::new(5_000);
        (0..10_000).for_each(|n| piles.put(key(n), place(n)));
        let mut taken = Vec::new();
        piles.take(|rows| taken.extend_from_slice(rows));
        let in_order = |w: &[KeyedPlace]| (w[0].0, w[0].1.doc()) < (w[1].0, w[1].1.doc());
        assert!(taken.windows(2).all(in_order));
        let as_put = |(of, at): &KeyedPlace| (*of, *at) == (key(at.doc()), place(at.doc()));
        assert!(taken.iter().all(as_put));
        assert_eq!(taken.len(), 10_000);
        piles.take(|rows| assert!(rows.is_empty()));
    }
}
