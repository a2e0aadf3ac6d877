//! The ids of a dictionary's integers that are in a large set.
//!
//! Must not know: where the set is from. Invariant: an id is found exactly where its value is in the set.

use common::{DataType, Value, Values};
use segment::{Dictionary, IdSet};

/// One integer among so many values of a dictionary is searched in it; more are walked beside it.
const FEW: usize = 16;
/// Values of a dictionary that are read at once.
const CHUNK: u32 = 8192;

/// The ids of those of the integers, which ascend, that the dictionary has.
pub(super) fn ids(dictionary: &dyn Dictionary, data_type: DataType, integers: &[i64]) -> IdSet {
    let all = dictionary.len();
    if !dictionary.is_sorted() || all == 0 {
        return IdSet::from_ids(all, &searched(dictionary, data_type, integers));
    }
    let (least, most) = (dictionary.value(0), dictionary.value(all - 1));
    let least = least.as_i64().unwrap_or(i64::MIN);
    let most = most.as_i64().unwrap_or(i64::MAX);
    let start = integers.partition_point(|v| *v < least);
    let end = integers.partition_point(|v| *v <= most);
    let within = integers.get(start..end).unwrap_or_default();
    let found = if within.len().saturating_mul(FEW) < all as usize {
        searched(dictionary, data_type, within)
    } else {
        walked(dictionary, within)
    };
    IdSet::from_ids(all, &found)
}

fn searched(dictionary: &dyn Dictionary, data_type: DataType, integers: &[i64]) -> Vec<u32> {
    let typed = |v: &i64| match data_type.stored() {
        // A value beyond the type would come back as another one.
        DataType::Int => i32::try_from(*v).ok().map(Value::Int),
        _ => Some(Value::Long(*v)),
    };
    let values = integers.iter().filter_map(typed);
    values.filter_map(|v| dictionary.find(&v)).collect()
}

fn walked(dictionary: &dyn Dictionary, integers: &[i64]) -> Vec<u32> {
    let (mut left, mut found) = (integers, Vec::new());
    let mut see = |id: u32, value: i64| {
        let behind = left.iter().position(|next| *next >= value);
        left = behind.map_or(&[], |at| &left[at..]);
        if left.first() == Some(&value) {
            found.push(id);
        }
    };
    for start in (0..dictionary.len()).step_by(CHUNK as usize) {
        let ids: Vec<u32> = (start..dictionary.len().min(start + CHUNK)).collect();
        match dictionary.decode(&ids) {
            Values::Int(values) => {
                for (id, value) in ids.iter().zip(values) {
                    see(*id, i64::from(value));
                }
            }
            Values::Long(values) => {
                for (id, value) in ids.iter().zip(values) {
                    see(*id, value);
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment::Bound;

    /// Sorted integers.
    struct Ints(Vec<i32>);

    impl Dictionary for Ints {
        fn len(&self) -> u32 {
            self.0.len() as u32
        }
        fn is_sorted(&self) -> bool {
            true
        }
        fn value(&self, id: u32) -> Value {
            Value::Int(self.0[id as usize])
        }
        fn decode(&self, ids: &[u32]) -> Values {
            Values::Int(ids.iter().map(|id| self.0[*id as usize]).collect())
        }
        fn find(&self, value: &Value) -> Option<u32> {
            let value = i32::try_from(value.as_i64()?).ok()?;
            self.0.binary_search(&value).ok().map(|id| id as u32)
        }
        fn range(&self, _: &Bound, _: &Bound) -> IdSet {
            IdSet::none()
        }
        fn matching_text(&self, _: &mut dyn FnMut(&str) -> bool) -> IdSet {
            IdSet::none()
        }
    }

    #[test]
    fn searching_and_walking_find_the_same() {
        let dictionary = Ints((-10_000..10_000).map(|v| v * 3).collect());
        for (step, count) in [(7_i64, 9_000), (1, 40_000), (997, 60), (3, 0)] {
            let integers: Vec<i64> = (0..count).map(|n| 25_000 - n * step).collect();
            let wide = integers.iter().chain(&[i64::MIN, i64::MAX]).copied();
            let mut wide: Vec<i64> = wide.collect();
            wide.sort_unstable();
            let walked = walked(&dictionary, &wide);
            assert_eq!(walked, searched(&dictionary, DataType::Int, &wide));
            let ids = IdSet::from_ids(dictionary.len(), &walked);
            assert_eq!(ids, super::ids(&dictionary, DataType::Int, &wide));
            let wanted = integers.iter().filter(|v| **v % 3 == 0 && **v >= -30_000);
            assert_eq!(walked.len(), wanted.count(), "{step}");
        }
    }
}
