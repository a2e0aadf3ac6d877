//! Rows of a segment in the order of their keys, so that an index much larger than the caches is walked from one end to the other.
//!
//! Must not know: places. Invariant: rows of one key keep their order.

/// Rows that are ordered at a time.
pub(crate) const ROWS: usize = 1 << 20;
/// Piles that rows are dealt out to before each is ordered by itself.
const PILES: usize = 1 << 12;

/// A row whose rank is one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DealtRow {
    pub(crate) key: u128,
    pub(crate) rank: i64,
    pub(crate) doc: u32,
    pub(crate) deleted: bool,
}

fn pile_of(row: &DealtRow) -> usize {
    (row.key >> (u128::BITS - PILES.trailing_zeros())) as usize
}

/// The rows in the order of their keys.
pub(crate) fn dealt(rows: &[DealtRow]) -> Vec<DealtRow> {
    let mut next = vec![0_usize; PILES];
    for row in rows {
        next[pile_of(row)] += 1;
    }
    let mut begin = 0;
    for count in &mut next {
        begin += std::mem::replace(count, begin);
    }
    let mut out = vec![DealtRow::default(); rows.len()];
    for row in rows {
        let at = &mut next[pile_of(row)];
        out[*at] = *row;
        *at += 1;
    }
    // By now `next` holds the ends of the piles.
    let mut begin = 0;
    for end in next {
        out[begin..end].sort_unstable_by_key(|row| (row.key, row.doc));
        begin = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_whole_and_those_of_a_key_in_their_order() {
        let key = |n: u32| xxhash_rust::xxh3::xxh3_128(&(n % 700).to_le_bytes());
        let rows: Vec<DealtRow> = (0..10_000)
            .map(|doc| DealtRow {
                key: key(doc),
                rank: i64::from(doc) * 3,
                doc,
                deleted: doc % 5 == 0,
            })
            .collect();
        let dealt = dealt(&rows);
        let in_order = |w: &[DealtRow]| (w[0].key, w[0].doc) < (w[1].key, w[1].doc);
        assert!(dealt.windows(2).all(in_order));
        assert!(dealt.iter().all(|row| *row == rows[row.doc as usize]));
        assert_eq!(dealt.len(), rows.len());
        assert!(super::dealt(&[]).is_empty());
    }
}
