//! Comparing rows of ORDER BY keys without making single values of them.
//!
//! Must not know: where the keys come from. Invariant: the order of `Value::total_cmp`, with nulls where each key puts them.

use std::cmp::Ordering;

use common::value::compare_text;
use common::{Block, Values};

use crate::plan::PlanOrder;

/// Keys of rows that can be compared.
pub(crate) struct RowOrder<'a> {
    keys: Vec<(&'a Block, bool, bool)>,
}

impl<'a> RowOrder<'a> {
    /// One block a key, in the order of the ORDER BY.
    pub(crate) fn new(blocks: &'a [Block], order: &[PlanOrder]) -> Self {
        let keys = blocks.iter().zip(order);
        Self {
            keys: keys
                .map(|(block, key)| (block, key.ascending, key.nulls_first))
                .collect(),
        }
    }

    /// Compares two rows.
    pub(crate) fn compare(&self, a: usize, b: usize) -> Ordering {
        for (block, ascending, nulls_first) in &self.keys {
            let ordering = match (block.is_null(a), block.is_null(b)) {
                (true, true) => Ordering::Equal,
                (true, false) if *nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if *nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) if *ascending => values(block, a, b),
                (false, false) => values(block, b, a),
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }

    /// The first `wanted` of the rows below a count, in order; equal rows in order of number.
    pub(crate) fn first(&self, count: usize, wanted: usize) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..count as u32).collect();
        let compare = |a: &u32, b: &u32| self.compare(*a as usize, *b as usize).then(a.cmp(b));
        if wanted == 0 {
            return Vec::new();
        }
        if wanted < count {
            rows.select_nth_unstable_by(wanted - 1, compare);
            rows.truncate(wanted);
        }
        rows.sort_unstable_by(compare);
        rows
    }
}

fn values(block: &Block, a: usize, b: usize) -> Ordering {
    let (x, y) = (block.at(a), block.at(b));
    match block.values() {
        Values::Int(v) => v[x].cmp(&v[y]),
        Values::Long(v) => v[x].cmp(&v[y]),
        Values::Float(v) => f64::from(v[x]).total_cmp(&f64::from(v[y])),
        Values::Double(v) => v[x].total_cmp(&v[y]),
        Values::Text(v) => compare_text(v.get(x), v.get(y)),
        Values::Bytes(v) => v.get(x).cmp(v.get(y)),
        Values::BigDecimal(v) => v[x].cmp(&v[y]),
        Values::Array(_) => block.value(a).total_cmp(&block.value(b)),
    }
}
