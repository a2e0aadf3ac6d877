//! Rows of segments in the order of their keys, so that an index much larger than the caches is walked from one end to the other.
//!
//! Must not know: what becomes of rows. Invariant: rows of one key keep the order in which they were put.

use super::key_index::{Place, SHARDS};

/// Rows that are ordered at a time.
const ROWS: usize = 1 << 22;
/// Piles that rows are dealt out to before each is ordered by itself.
const PILES: usize = SHARDS << 4;

/// A key, and where its row is.
pub(crate) type KeyedPlace = (u128, Place);

/// Rows whose ranks are numbers, dealt out by the first bits of their keys.
pub(crate) struct Piles {
    piles: Vec<Vec<KeyedPlace>>,
    rows: usize,
}

impl Default for Piles {
    fn default() -> Self {
        let mut piles = Vec::new();
        piles.resize_with(PILES, Vec::new);
        Self { piles, rows: 0 }
    }
}

impl Piles {
    /// Adds a row.
    pub(crate) fn put(&mut self, key: u128, place: Place) {
        let pile = (key >> (u128::BITS - PILES.trailing_zeros())) as usize;
        if let Some(pile) = self.piles.get_mut(pile) {
            pile.push((key, place));
            self.rows += 1;
        }
    }

    /// True where no more should come before what is here is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS
    }

    /// Gives the rows away in the order of their keys, those of a shard of the index at a time: a shard that had some of its keys only
    /// would have them at the wrong homes.
    pub(crate) fn take(&mut self, mut rows: impl FnMut(&[KeyedPlace])) {
        let mut of_shard = Vec::new();
        for piles in self.piles.chunks_mut(PILES / SHARDS) {
            of_shard.clear();
            for pile in piles {
                pile.sort_by_key(|(key, _)| *key);
                of_shard.append(pile);
            }
            rows(&of_shard);
        }
        self.rows = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_whole_and_those_of_a_key_in_their_order() {
        let key = |n: u32| xxhash_rust::xxh3::xxh3_128(&(n % 700).to_le_bytes());
        let place = |n: u32| Place::new(n % 3, n, n.is_multiple_of(5), i64::from(n) * 3);
        let mut piles = Piles::default();
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
