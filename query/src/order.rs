//! Comparing rows of ORDER BY keys without making single values of them.
//!
//! Must not know: where the keys come from. Invariant: the order of `Value::total_cmp`, with nulls where each key puts them.

use std::cmp::Ordering;

use common::value::{compare_doubles, compare_text};
use common::{Block, Values};

use crate::plan::PlanOrder;

/// Where fewer than one row in so many is wanted, rows are compared with the last one that would do.
const FEW: usize = 8;

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
        if wanted == 0 {
            return Vec::new();
        }
        let compare = |a: &u32, b: &u32| self.compare(*a as usize, *b as usize).then(a.cmp(b));
        let mut rows: Vec<u32> = if wanted < count / FEW {
            self.candidates(count, wanted)
        } else {
            (0..count as u32).collect()
        };
        if wanted < rows.len() {
            rows.select_nth_unstable_by(wanted - 1, compare);
            rows.truncate(wanted);
        }
        rows.sort_unstable_by(compare);
        rows
    }

    /// At most twice as many rows as are wanted, the wanted ones among them: each row is compared with the last one that would do, most
    /// rows only once, and by their first key alone where that is a number.
    fn candidates(&self, count: usize, wanted: usize) -> Vec<u32> {
        let Some((first, ascending, _)) = self.keys.first() else {
            return self.better(count, wanted, |_, _| true);
        };
        if first.nulls().is_some() || first.is_constant() {
            return self.better(count, wanted, |_, _| true);
        }
        match (first.values(), *ascending) {
            (Values::Int(v), true) => self.better(count, wanted, |a, b| v[a] <= v[b]),
            (Values::Int(v), false) => self.better(count, wanted, |a, b| v[a] >= v[b]),
            (Values::Long(v), true) => self.better(count, wanted, |a, b| v[a] <= v[b]),
            (Values::Long(v), false) => self.better(count, wanted, |a, b| v[a] >= v[b]),
            (Values::Double(v), ascending) => self.better(count, wanted, |a, b| {
                let order = compare_doubles(v[a], v[b]);
                if ascending {
                    order.is_le()
                } else {
                    order.is_ge()
                }
            }),
            _ => self.better(count, wanted, |_, _| true),
        }
    }

    /// The candidates, where `may` tells at little cost that a row is not worse than another one by its first key.
    #[inline]
    fn better(&self, count: usize, wanted: usize, may: impl Fn(usize, usize) -> bool) -> Vec<u32> {
        let compare = |a: &u32, b: &u32| self.compare(*a as usize, *b as usize).then(a.cmp(b));
        let mut rows: Vec<u32> = Vec::with_capacity(wanted * 2);
        let mut last = None;
        for row in 0..count {
            // An equal row with a higher number comes later and does not do.
            if last.is_some_and(|last| !may(row, last) || self.compare(row, last).is_ge()) {
                continue;
            }
            rows.push(row as u32);
            if rows.len() == wanted * 2 {
                rows.select_nth_unstable_by(wanted - 1, compare);
                rows.truncate(wanted);
                last = rows.last().map(|last| *last as usize);
            }
        }
        rows
    }
}

fn values(block: &Block, a: usize, b: usize) -> Ordering {
    let (x, y) = (block.at(a), block.at(b));
    match block.values() {
        Values::Int(v) => v[x].cmp(&v[y]),
        Values::Long(v) => v[x].cmp(&v[y]),
        Values::Float(v) => compare_doubles(f64::from(v[x]), f64::from(v[y])),
        Values::Double(v) => compare_doubles(v[x], v[y]),
        Values::Text(v) => compare_text(v.get(x), v.get(y)),
        Values::Bytes(v) => v.get(x).cmp(v.get(y)),
        Values::BigDecimal(v) => v[x].cmp(&v[y]),
        Values::Array(_) => block.value(a).total_cmp(&block.value(b)),
    }
}

#[cfg(test)]
mod tests {
    use common::{DataType, Value};

    use super::*;

    #[test]
    fn few_of_many_are_the_first_of_all() {
        let of = |n: i64| n * 7_919 % 613;
        let make = |data_type, value: &dyn Fn(i64) -> Value| {
            let values: Vec<Value> = (0..5_000).map(value).collect();
            Block::from_values(data_type, &values)
        };
        let keys = [
            make(DataType::Long, &|n| Value::Long(of(n))),
            make(DataType::Int, &|n| Value::Int(of(n) as i32 % 9)),
            make(DataType::Double, &|n| Value::Double(of(n) as f64 / -3.0)),
            make(DataType::String, &|n| Value::String(of(n).to_string())),
            make(DataType::Long, &|n| match n % 5 {
                0 => Value::Null,
                _ => Value::Long(of(n) % 20),
            }),
        ];
        let second = make(DataType::Long, &|n| Value::Long(n % 71));
        for (key, ascending) in keys.iter().flat_map(|key| [(key, true), (key, false)]) {
            let order = RowOrder {
                keys: vec![(key, ascending, false), (&second, !ascending, false)],
            };
            let all = order.first(5_000, 5_000);
            for wanted in [1, 2, 10, 600] {
                assert_eq!(order.first(5_000, wanted), all[..wanted]);
            }
        }
    }
}
