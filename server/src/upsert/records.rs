//! Keys and ranks of rows, of a batch on its way in or of a segment that is here.
//!
//! A key of up to 8 bytes of fixed width is kept exactly, any other as 128 bits of hash. A rank that one number column makes is that
//! number, in order; any other is a list of values.
//! Must not know: what is done with them. Invariant: equal rows have equal keys and ranks, wherever they are read from.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use common::{DataType, Schema, Value, Values};
use roaring::RoaringBitmap;
use segment::{Docs, RowBatch, Segment, key_of, key_of_long};

use super::plan::{KeyPlan, NamedColumn};

/// What makes a row newer than another of its key.
#[derive(Debug, Clone)]
pub(crate) enum Rank {
    /// One number.
    Number(i64),
    /// One value of another type, or one a comparison column; null where the row does not have it.
    Values(Box<[Value]>),
}

/// A column of the rows, with what is null of it.
struct Source<'a> {
    values: Cow<'a, Values>,
    data_type: DataType,
    nulls: Nulls<'a>,
}

enum Nulls<'a> {
    OfBatch(&'a [u32]),
    OfSegment(Option<Arc<RoaringBitmap>>, u32),
}

impl Source<'_> {
    fn is_null(&self, row: usize) -> bool {
        match &self.nulls {
            Nulls::OfBatch(nulls) => nulls.binary_search(&(row as u32)).is_ok(),
            Nulls::OfSegment(nulls, first) => nulls
                .as_ref()
                .is_some_and(|nulls| nulls.contains(first + row as u32)),
        }
    }

    fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            Value::Null
        } else {
            self.values.get(row, self.data_type)
        }
    }
}

/// Rows.
pub(crate) struct Records<'a> {
    keys: Vec<u128>,
    comparison: Vec<Source<'a>>,
    delete: Option<Source<'a>>,
}

/// A row as the index sees it.
pub(crate) struct Record {
    pub(crate) key: u128,
    pub(crate) rank: Rank,
    pub(crate) deleted: bool,
}

impl<'a> Records<'a> {
    /// The rows of a batch with the columns of a schema.
    pub(crate) fn of_batch(plan: &KeyPlan, schema: &Schema, batch: &'a RowBatch) -> Option<Self> {
        let source = |column: &NamedColumn| {
            let at = schema
                .fields
                .iter()
                .position(|(_, f)| f.name == column.name)?;
            let of = batch.columns().get(at)?;
            Some(Source {
                values: Cow::Borrowed(&of.values),
                data_type: column.data_type,
                nulls: Nulls::OfBatch(&of.nulls),
            })
        };
        Self::of(plan, batch.rows(), source)
    }

    /// Consecutive rows of a segment.
    pub(crate) fn of_segment(
        plan: &KeyPlan,
        schema: &Schema,
        segment: &dyn Segment,
        rows: std::ops::Range<u32>,
    ) -> Option<Records<'static>> {
        let source = |column: &NamedColumn| {
            let Some(of) = segment.column(&column.name) else {
                return missing(schema, column, rows.clone());
            };
            Some(Source {
                values: Cow::Owned(of.values(Docs::Range(rows.clone()))),
                data_type: column.data_type,
                nulls: Nulls::OfSegment(of.nulls(), rows.start),
            })
        };
        Records::of(plan, rows.len(), source)
    }

    fn of(
        plan: &KeyPlan,
        rows: usize,
        source: impl Fn(&NamedColumn) -> Option<Source<'a>>,
    ) -> Option<Self> {
        let all = |columns: &[NamedColumn]| columns.iter().map(&source).collect::<Option<Vec<_>>>();
        Some(Self {
            keys: keys_of(&all(&plan.key)?, rows),
            comparison: all(&plan.comparison)?,
            delete: match &plan.delete {
                Some(column) => Some(source(column)?),
                None => None,
            },
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.keys.len()
    }

    /// The keys of all rows.
    pub(crate) fn keys(&self) -> &[u128] {
        &self.keys
    }

    /// A row.
    pub(crate) fn get(&self, row: usize) -> Record {
        Record {
            key: self.keys[row],
            rank: self.rank(row),
            deleted: self.is_deleted(row),
        }
    }

    /// True where there are rows, and one column of numbers makes their ranks.
    pub(crate) fn have_numbers(&self) -> bool {
        self.rows() > 0 && self.number(0).is_some()
    }

    /// The rank of a row, where one column of numbers makes it. A missing value counts as the column's default.
    pub(crate) fn number(&self, row: usize) -> Option<i64> {
        let [only] = self.comparison.as_slice() else {
            return None;
        };
        match only.values.as_ref() {
            Values::Int(v) => Some(i64::from(v[row])),
            Values::Long(v) => Some(v[row]),
            Values::Float(v) => Some(ordered(f64::from(v[row]))),
            Values::Double(v) => Some(ordered(v[row])),
            _ => None,
        }
    }

    /// True where a row says that its key is deleted.
    pub(crate) fn is_deleted(&self, row: usize) -> bool {
        let mark = self.delete.as_ref();
        mark.is_some_and(|source| says_deleted(&source.value(row)))
    }

    fn rank(&self, row: usize) -> Rank {
        if let Some(number) = self.number(row) {
            return Rank::Number(number);
        }
        if let [only] = self.comparison.as_slice() {
            return Rank::Values(Box::new([only.values.get(row, only.data_type)]));
        }
        Rank::Values(self.comparison.iter().map(|s| s.value(row)).collect())
    }
}

fn keys_of(columns: &[Source<'_>], rows: usize) -> Vec<u128> {
    if let [only] = columns
        && let Values::Long(values) = only.values.as_ref()
    {
        return values.iter().map(|value| key_of_long(*value)).collect();
    }
    let mut scratch = Vec::new();
    let mut key = |row| {
        let columns = columns.iter().map(|source| source.values.as_ref());
        key_of(columns, row, &mut scratch)
    };
    (0..rows).map(&mut key).collect()
}

fn missing(
    schema: &Schema,
    column: &NamedColumn,
    rows: std::ops::Range<u32>,
) -> Option<Source<'static>> {
    let (role, field) = schema.field_with_role(&column.name)?;
    let default = field.null_value(role).ok()?;
    let mut values = Values::empty(column.data_type);
    rows.clone().for_each(|_| values.push(&default));
    let mut nulls = RoaringBitmap::new();
    nulls.insert_range(rows.clone());
    Some(Source {
        values: Cow::Owned(values),
        data_type: column.data_type,
        nulls: Nulls::OfSegment(Some(Arc::new(nulls)), rows.start),
    })
}

/// A number whose order among integers is the order of the floats.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The number that [`Rank::Number`] stands for in a column of that type.
pub(crate) fn number_of(rank: i64, data_type: DataType) -> f64 {
    match data_type.stored() {
        DataType::Float | DataType::Double => {
            f64::from_bits((rank ^ (((rank >> 63) as u64) >> 1) as i64) as u64)
        }
        _ => rank as f64,
    }
}

/// Pinot's reading of a deletion mark: true, "true" or "1", the number 1.
fn says_deleted(value: &Value) -> bool {
    match value {
        Value::Boolean(mark) => *mark,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        other => other.as_f64().is_some_and(|number| number as i32 == 1),
    }
}

/// How many comparison values a row has.
pub(crate) fn given(values: &[Value]) -> usize {
    values.iter().filter(|value| !value.is_null()).count()
}

/// How new a row is, against the row that its key has now. A row that has one of several comparison values is compared by it alone.
pub(crate) fn compare(new: &[Value], old: &[Value]) -> Ordering {
    if given(new) == 1 && new.len() > 1 {
        let pairs = new.iter().zip(old).find(|(new, _)| !new.is_null());
        return pairs.map_or(Ordering::Greater, |(new, old)| new.total_cmp(old));
    }
    let orders = new.iter().zip(old).map(|(new, old)| new.total_cmp(old));
    orders
        .into_iter()
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The values of the newer row, and those of the older where it has none.
pub(crate) fn merged(new: &[Value], old: &[Value]) -> Box<[Value]> {
    let pairs = new.iter().zip(old);
    pairs
        .map(|(new, old)| if new.is_null() { old } else { new }.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_their_order_as_integers() {
        let floats = [f64::NEG_INFINITY, -2.5, -0.5, 0.0, 1e-9, 3.0, f64::INFINITY];
        assert!(floats.windows(2).all(|w| ordered(w[0]) < ordered(w[1])));
        for float in floats {
            assert_eq!(number_of(ordered(float), DataType::Double), float);
        }
    }

    #[test]
    fn a_row_with_one_of_two_values_is_compared_by_it() {
        let row =
            |a: Option<i64>, b: Option<i64>| [a, b].map(|v| v.map_or(Value::Null, Value::Long));
        let old = row(Some(5), Some(9));
        assert_eq!(compare(&row(None, Some(8)), &old), Ordering::Less);
        assert_eq!(compare(&row(Some(5), None), &old), Ordering::Equal);
        assert_eq!(
            compare(&row(None, Some(1)), &row(Some(7), None)),
            Ordering::Greater
        );
    }

    #[test]
    fn deletion_marks() {
        assert!(says_deleted(&Value::String("TRUE".to_owned())));
        assert!(says_deleted(&Value::Int(1)));
        assert!(!says_deleted(&Value::Int(2)));
        assert!(!says_deleted(&Value::Null));
    }
}
