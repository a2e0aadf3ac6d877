//! Optional indexes of sealed segments: one file and one row in [`TYPES`] each.
//!
//! Must not know: who asks. Invariant: an index answers what a full scan would, or says that it cannot.

use crate::{Dictionary, IdSet, Predicate};

/// A predicate as dictionary ids: the set, and whether the rows without them are wanted. `None` where it has no such form.
pub fn ids_of(dictionary: &dyn Dictionary, predicate: &Predicate) -> Option<(IdSet, bool)> {
    let cardinality = dictionary.len();
    let one = |value| {
        dictionary
            .find(value)
            .map_or_else(IdSet::none, |id| IdSet::Run(id..id + 1))
    };
    let many = |values: &[common::Value]| {
        let ids: Vec<u32> = values.iter().filter_map(|v| dictionary.find(v)).collect();
        IdSet::from_ids(cardinality, &ids)
    };
    Some(match predicate {
        Predicate::Ids(ids) => (ids.clone(), false),
        Predicate::Eq(value) => (one(value), false),
        Predicate::NotEq(value) => (one(value), true),
        Predicate::In(values) => (many(values), false),
        Predicate::NotIn(values) => (many(values), true),
        Predicate::Range { lower, upper } => (dictionary.range(lower, upper), false),
        Predicate::RegexpLike { .. } | Predicate::JsonMatch(_) | Predicate::TextMatch(_) => {
            return None;
        }
    })
}
