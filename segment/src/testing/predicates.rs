//! The suite that every index passes: it answers what a full scan does.
//!
//! Must not know: one index from another. Invariant: `AtMost` is a superset, `Exact` is the same, an estimate of 0 is true.

use common::{DataType, Value};
use roaring::RoaringBitmap;

use super::{Random, random_value};
use crate::{Answer, Bound, Column, Docs, IdSet, Predicate};

/// Checks all indexes of a column with random predicates; answers how many were answered.
///
/// # Errors
/// The first wrong answer.
pub fn indexes_agree(column: &dyn Column, rows: u32, seed: u64) -> Result<usize, String> {
    let mut random = Random(seed);
    let data_type = column.column_type().data_type;
    let values = column.values(Docs::Range(0..rows));
    let rows_values: Vec<Value> = (0..rows as usize)
        .map(|row| values.get(row, data_type))
        .collect();
    let mut answered = 0;
    for _ in 0..24 {
        let predicate = random_predicate(&mut random, column, &rows_values);
        let expected: RoaringBitmap = (0..)
            .zip(&rows_values)
            .filter(|(_, value)| matches(&predicate, value, column))
            .map(|(row, _)| row)
            .collect();
        for index in column.indexes() {
            let wrong = |what: &str| format!("{} on {predicate:?}: {what}", index.id());
            if index.estimate(&predicate) == Some(0) && !expected.is_empty() {
                return Err(wrong(&format!("estimate 0 of {}", expected.len())));
            }
            answered += 1;
            match index.matching(&predicate) {
                Some(Answer::Exact(found)) if found != expected => {
                    return Err(wrong(&format!("{found:?}, expected {expected:?}")));
                }
                Some(Answer::AtMost(found)) if !expected.is_subset(&found) => {
                    return Err(wrong("not a superset"));
                }
                Some(Answer::Between { sure, open })
                    if !sure.is_subset(&expected) || !expected.is_subset(&(&sure | &open)) =>
                {
                    return Err(wrong("outside of what is sure and what may be"));
                }
                Some(_) => {}
                None => answered -= 1,
            }
        }
    }
    Ok(answered)
}

fn random_literal(random: &mut Random, data_type: DataType, rows: &[Value]) -> Value {
    let row = rows.get(random.below(rows.len() as u64) as usize);
    match (random.below(3), row) {
        (0, _) | (_, None) => random_value(random, data_type, 1000),
        (_, Some(Value::Array(_, items))) => items.first().cloned().unwrap_or_default(),
        (_, Some(value)) => value.clone(),
    }
}

fn random_predicate(random: &mut Random, column: &dyn Column, rows: &[Value]) -> Predicate {
    let data_type = column.column_type().data_type;
    let literal = |random: &mut Random| random_literal(random, data_type, rows);
    let literals = |random: &mut Random| (0..random.below(5)).map(|_| literal(random)).collect();
    let bound = |random: &mut Random| match random.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(literal(random)),
        _ => Bound::Excluded(literal(random)),
    };
    match random.below(7) {
        0 => Predicate::Eq(literal(random)),
        1 => Predicate::NotEq(literal(random)),
        2 => Predicate::In(literals(random)),
        3 => Predicate::NotIn(literals(random)),
        4 if column.dictionary().is_some() => {
            let cardinality = column.dictionary().map_or(0, crate::Dictionary::len);
            let ids: Vec<u32> = (0..random.below(9))
                .map(|_| random.below(u64::from(cardinality)) as u32)
                .filter(|id| *id < cardinality)
                .collect();
            Predicate::Ids(IdSet::from_ids(cardinality, &ids))
        }
        _ => Predicate::Range {
            lower: bound(random),
            upper: bound(random),
        },
    }
}

/// What a full scan says of a row.
fn matches(predicate: &Predicate, row: &Value, column: &dyn Column) -> bool {
    let items = match row {
        Value::Array(_, items) => items.as_slice(),
        value => std::slice::from_ref(value),
    };
    match predicate {
        Predicate::NotEq(value) => items.iter().all(|item| item != value),
        Predicate::NotIn(values) => items.iter().all(|item| !values.contains(item)),
        positive => items.iter().any(|item| holds(positive, item, column)),
    }
}

fn holds(predicate: &Predicate, item: &Value, column: &dyn Column) -> bool {
    match predicate {
        Predicate::Eq(value) => item == value,
        Predicate::In(values) => values.contains(item),
        Predicate::Ids(ids) => column
            .dictionary()
            .and_then(|dictionary| dictionary.find(item))
            .is_some_and(|id| ids.contains(id)),
        Predicate::Range { lower, upper } => {
            let above = match lower {
                Bound::Unbounded => true,
                Bound::Included(value) => item.total_cmp(value).is_ge(),
                Bound::Excluded(value) => item.total_cmp(value).is_gt(),
            };
            above
                && match upper {
                    Bound::Unbounded => true,
                    Bound::Included(value) => item.total_cmp(value).is_le(),
                    Bound::Excluded(value) => item.total_cmp(value).is_lt(),
                }
        }
        _ => false,
    }
}
