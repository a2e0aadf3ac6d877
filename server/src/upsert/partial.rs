//! Partial upsert: what a new row takes over from the row that its key had, column by column.
//!
//! Must not know: where rows are. Invariant: null in the new row never hides a value of the old one, except under FORCE_OVERWRITE.

use common::{DataType, Value};

/// How an old and a new value meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// The new one, if there is one.
    Overwrite,
    /// The new one, even null (which then counts as the default value).
    ForceOverwrite,
    /// The old one.
    Ignore,
    /// Their sum.
    Increment,
    /// The values of both.
    Append,
    /// The distinct values of both, in order.
    Union,
    /// The smaller.
    Min,
    /// The greater.
    Max,
}

const NAMES: &[(&str, Strategy)] = &[
    ("OVERWRITE", Strategy::Overwrite),
    ("FORCE_OVERWRITE", Strategy::ForceOverwrite),
    ("IGNORE", Strategy::Ignore),
    ("INCREMENT", Strategy::Increment),
    ("APPEND", Strategy::Append),
    ("UNION", Strategy::Union),
    ("MIN", Strategy::Min),
    ("MAX", Strategy::Max),
];

impl Strategy {
    /// By its name in a table config.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, strategy)| *strategy)
    }

    /// What the new row holds. `Null` stands for null on either side; `default` is the column's default value.
    pub(crate) fn merge(self, old: Value, new: Value, default: &Value) -> Value {
        match (self, old.is_null(), new.is_null()) {
            (Self::ForceOverwrite, _, true) => default.clone(),
            (Self::ForceOverwrite, ..) | (_, true, _) => new,
            (_, false, true) => old,
            (Self::Overwrite, ..) => new,
            (Self::Ignore, ..) => old,
            (Self::Increment, ..) => old.plus(&new),
            (Self::Append, ..) => joined(old, new, false),
            (Self::Union, ..) => joined(old, new, true),
            (Self::Min, ..) if old.total_cmp(&new).is_le() => old,
            (Self::Max, ..) if old.total_cmp(&new).is_ge() => old,
            (Self::Min | Self::Max, ..) => new,
        }
    }
}

fn joined(old: Value, new: Value, distinct: bool) -> Value {
    let (data_type, mut items) = match (old, new) {
        (Value::Array(data_type, old), Value::Array(_, new)) => {
            (data_type, old.into_iter().chain(new).collect::<Vec<_>>())
        }
        (_, new) => return new,
    };
    if distinct {
        items.sort_by(Value::total_cmp);
        items.dedup_by(|a, b| a.total_cmp(b).is_eq());
    }
    Value::Array(data_type, items)
}

/// The default of a column as a row holds it.
pub(crate) fn default_of(default: &Value, data_type: DataType, multi: bool) -> Value {
    match default {
        Value::Array(..) => default.clone(),
        single if multi => Value::Array(data_type, vec![single.clone()]),
        single => single.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies() {
        let (a, b) = (Value::Int(2), Value::Int(3));
        let default = Value::Int(-1);
        let merge = |s: Strategy, old: &Value, new: &Value| {
            s.merge(old.clone(), new.clone(), &default).as_i64()
        };
        assert_eq!(merge(Strategy::Overwrite, &a, &b), Some(3));
        assert_eq!(merge(Strategy::Overwrite, &a, &Value::Null), Some(2));
        assert_eq!(merge(Strategy::ForceOverwrite, &a, &Value::Null), Some(-1));
        assert_eq!(merge(Strategy::Ignore, &a, &b), Some(2));
        assert_eq!(merge(Strategy::Ignore, &Value::Null, &b), Some(3));
        assert_eq!(merge(Strategy::Increment, &a, &b), Some(5));
        assert_eq!(merge(Strategy::Min, &a, &b), Some(2));
        assert_eq!(merge(Strategy::Max, &a, &b), Some(3));
        let list = |items: &[i32]| {
            Value::Array(
                DataType::Int,
                items.iter().copied().map(Value::Int).collect(),
            )
        };
        let append = Strategy::Append.merge(list(&[2, 1]), list(&[2]), &default);
        assert!(append.total_cmp(&list(&[2, 1, 2])).is_eq());
        let union = Strategy::Union.merge(list(&[2, 1]), list(&[2]), &default);
        assert!(union.total_cmp(&list(&[1, 2])).is_eq());
    }
}
