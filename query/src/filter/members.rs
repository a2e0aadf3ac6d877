//! The ids of a dictionary's integers that are in a large set.
//!
//! Must not know: where the set is from. Invariant: an id is found exactly where its value is in the set.

use common::{DataType, Value};
use segment::{Dictionary, IdSet};

/// The ids of those of the integers, which ascend, that the dictionary has.
pub(super) fn ids(dictionary: &dyn Dictionary, data_type: DataType, integers: &[i64]) -> IdSet {
    let found = dictionary
        .find_integers(integers)
        .unwrap_or_else(|| searched(dictionary, data_type, integers));
    IdSet::from_ids(dictionary.len(), &found)
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

#[cfg(test)]
mod tests {
    use super::*;
    use common::Values;
    use segment::Bound;

    /// Integers in no order.
    struct Ints(Vec<i32>);

    impl Dictionary for Ints {
        fn len(&self) -> u32 {
            self.0.len() as u32
        }
        fn is_sorted(&self) -> bool {
            false
        }
        fn value(&self, id: u32) -> Value {
            Value::Int(self.0[id as usize])
        }
        fn decode(&self, ids: &[u32]) -> Values {
            Values::Int(ids.iter().map(|id| self.0[*id as usize]).collect())
        }
        fn find(&self, value: &Value) -> Option<u32> {
            let value = i32::try_from(value.as_i64()?).ok()?;
            let at = self.0.iter().position(|v| *v == value);
            at.map(|id| id as u32)
        }
        fn range(&self, _: &Bound, _: &Bound) -> IdSet {
            IdSet::none()
        }
        fn matching_text(&self, _: &mut dyn FnMut(&str) -> bool) -> IdSet {
            IdSet::none()
        }
    }

    #[test]
    fn a_value_beyond_the_type_is_not_found_as_another_one() {
        let dictionary = Ints(vec![7, -3, 0, 12, -1]);
        let beyond = (1_i64 << 32) + 7;
        let integers = [i64::MIN, -3, -2, 12, beyond, i64::MAX];
        let found = ids(&dictionary, DataType::Int, &integers);
        assert_eq!(found, IdSet::from_ids(5, &[1, 3]));
    }
}
