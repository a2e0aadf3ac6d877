//! The sorted dictionary of a sealed column, read in place.
//!
//! Must not know: rows. Invariant: no id and no bytes of the file make it panic; out of range reads as the placeholder.

use std::cmp::Ordering;
use std::ops::Range;

use common::{DataType, Value, Values};

use crate::bounds::Limits;
use crate::buffer::map::Region;
use crate::number::{Number, with_number};
use crate::var::{self, VarKind};
use crate::{Bound, Dictionary, IdSet};

/// A mapped dictionary.
pub(crate) struct SealedDictionary {
    values: Region,
    ends: Region,
    len: u32,
    data_type: DataType,
}

fn u32_at(bytes: &[u8], index: usize) -> u32 {
    bytes
        .get(index * 4..)
        .and_then(|rest| rest.first_chunk::<4>())
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// First id for which `less` is false, as on a sorted slice.
fn partition(len: u32, less: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if less(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The ids of ascending integers among ascending values: each is searched from where the one before was, in steps that double, so that
/// few are found in as many steps as a search by halves takes and many in few steps each.
fn galloped(len: u32, ascending: &[i64], value: impl Fn(u32) -> i64) -> Vec<u32> {
    let (mut found, mut from) = (Vec::new(), 0);
    for wanted in ascending {
        let (mut low, mut high, mut step) = (from, from, 1_u32);
        while high < len && value(high) < *wanted {
            low = high + 1;
            high = high.saturating_add(step).min(len);
            step = step.saturating_mul(2);
        }
        from = low + partition(high.saturating_sub(low), |id| value(low + id) < *wanted);
        if from >= len {
            break;
        }
        if value(from) == *wanted {
            found.push(from);
        }
    }
    found
}

impl SealedDictionary {
    pub(crate) fn new(values: Region, ends: Region, len: u32, data_type: DataType) -> Self {
        Self {
            values,
            ends,
            len,
            data_type,
        }
    }

    /// True where the buffers have the size that the length asks for.
    pub(crate) fn is_whole(&self) -> bool {
        let width = with_number!(self.data_type.stored(), T => T::WIDTH, _ => 0);
        if width > 0 {
            self.values.len() == self.len as usize * width
        } else {
            self.ends.len() == self.len as usize * 4
        }
    }

    fn bytes(&self, id: u32) -> &[u8] {
        var_bytes(&self.values, &self.ends, id)
    }

    fn decode_numbers<T: Number>(&self, ids: &[u32]) -> Values {
        let bytes: &[u8] = &self.values;
        T::wrap(ids.iter().map(|id| T::at(bytes, *id as usize)).collect())
    }

    fn decode_var(&self, ids: &[u32]) -> Values {
        let (values, ends): (&[u8], &[u8]) = (&self.values, &self.ends);
        let bytes = ids.iter().map(|id| var_bytes(values, ends, *id));
        VarKind::of(self.data_type).collect(ids.len(), bytes)
    }

    fn run(&self, first: u32, last: u32) -> IdSet {
        IdSet::Run(first..last.max(first))
    }

    fn number_range<T: Number>(&self, limits: &Limits<'_>) -> IdSet {
        let bytes: &[u8] = &self.values;
        let Some(ranks) = limits.numbers::<T>() else {
            return IdSet::none();
        };
        let rank = |id: u32| T::at(bytes, id as usize).rank();
        let first = partition(self.len, |id| rank(id) < ranks.first);
        let last = partition(self.len, |id| rank(id) <= ranks.last);
        self.run(first, last)
    }

    fn var_range(&self, lower: &Bound, upper: &Bound) -> IdSet {
        let kind = VarKind::of(self.data_type);
        let end = |bound: &Bound, above: Ordering, none: u32| {
            let (value, skip_equal) = match bound {
                Bound::Unbounded => return Some(none),
                Bound::Included(value) => (value, above == Ordering::Greater),
                Bound::Excluded(value) => (value, above == Ordering::Less),
            };
            let value = var::bytes_of(value)?;
            Some(partition(self.len, |id| {
                match kind.compare(self.bytes(id), &value) {
                    Ordering::Less => true,
                    Ordering::Equal => skip_equal,
                    Ordering::Greater => false,
                }
            }))
        };
        // A lower end skips what is below it (and equal, where excluded); an upper end counts what is not above it.
        match (
            end(lower, Ordering::Less, 0),
            end(upper, Ordering::Greater, self.len),
        ) {
            (Some(first), Some(last)) => self.run(first, last),
            _ => IdSet::none(),
        }
    }
}

#[inline]
fn var_bytes<'a>(values: &'a [u8], ends: &[u8], id: u32) -> &'a [u8] {
    let id = id as usize;
    let range: Range<usize> = match id {
        0 => 0..u32_at(ends, 0) as usize,
        _ => u32_at(ends, id - 1) as usize..u32_at(ends, id) as usize,
    };
    values.get(range).unwrap_or(&[])
}

impl Dictionary for SealedDictionary {
    fn len(&self) -> u32 {
        self.len
    }

    fn is_sorted(&self) -> bool {
        true
    }

    fn value(&self, id: u32) -> Value {
        with_number!(self.data_type.stored(),
            T => T::at(&self.values, id as usize).value(self.data_type),
            _ => VarKind::of(self.data_type).value(self.bytes(id), self.data_type))
    }

    fn decode(&self, ids: &[u32]) -> Values {
        with_number!(self.data_type.stored(), T => self.decode_numbers::<T>(ids), _ => self.decode_var(ids))
    }

    fn find(&self, value: &Value) -> Option<u32> {
        let bound = Bound::Included(value.clone());
        match self.range(&bound, &bound) {
            IdSet::Run(run) if !run.is_empty() => Some(run.start),
            _ => None,
        }
    }

    fn find_integers(&self, ascending: &[i64]) -> Option<Vec<u32>> {
        let bytes: &[u8] = &self.values;
        let int = |id: u32| i64::from(i32::at(bytes, id as usize));
        let long = |id: u32| i64::at(bytes, id as usize);
        match self.data_type.stored() {
            DataType::Int => Some(galloped(self.len, ascending, int)),
            DataType::Long => Some(galloped(self.len, ascending, long)),
            _ => None,
        }
    }

    fn range(&self, lower: &Bound, upper: &Bound) -> IdSet {
        let limits = Limits { lower, upper };
        with_number!(self.data_type.stored(),
            T => self.number_range::<T>(&limits),
            _ => self.var_range(lower, upper))
    }

    fn matching_text(&self, test: &mut dyn FnMut(&str) -> bool) -> IdSet {
        if self.data_type.stored() != DataType::String {
            return IdSet::none();
        }
        IdSet::from_test(self.len, |id| test(var::text(self.bytes(id))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn galloping_finds_what_a_search_finds() {
        let values: Vec<i64> = (-5_000..5_000).map(|v| v * 3).collect();
        let value = |id: u32| values[id as usize];
        for (step, count) in [(7_i64, 5_000), (1, 40_000), (997, 60), (3, 0), (40_000, 1)] {
            let mut wanted: Vec<i64> = (0..count).map(|n| 15_000 - n * step).collect();
            wanted.extend([i64::MIN, i64::MAX]);
            wanted.sort_unstable();
            let expected: Vec<u32> = wanted
                .iter()
                .filter_map(|v| values.binary_search(v).ok())
                .map(|id| id as u32)
                .collect();
            let len = values.len() as u32;
            assert_eq!(galloped(len, &wanted, value), expected, "{step}");
        }
        assert!(galloped(0, &[1, 2], value).is_empty());
    }
}
