//! One column of a source, in the order and encoding in which it will be written.
//!
//! Must not know: bytes. Invariant: a dictionary is sorted, without duplicates, and every value in it occurs.

use common::{ArrayVec, Value, Values};
use roaring::RoaringBitmap;

use crate::error::{Result, SegmentError};
use crate::mutable::dictionary::DictionaryWriter;
use crate::number::Number;
use crate::plan::ColumnPlan;
use crate::var::{self, VarKind};
use crate::{Column, Docs, Segment};

/// The entries of a column: of all rows, one after the other.
pub(crate) enum Entries {
    /// Sorted distinct values, and an id an entry.
    Dictionary {
        /// Distinct values.
        values: Values,
        /// Ids.
        ids: Vec<u32>,
    },
    /// Values.
    Raw(Values),
}

/// A column.
pub(crate) struct ColumnData<'a> {
    pub(crate) plan: &'a ColumnPlan,
    pub(crate) entries: Entries,
    /// End of each row among the entries, for a multi-value column.
    pub(crate) row_ends: Option<Vec<u32>>,
    pub(crate) nulls: RoaringBitmap,
}

impl<'a> ColumnData<'a> {
    pub(crate) fn load(
        source: &dyn Segment,
        plan: &'a ColumnPlan,
        order: Option<&[u32]>,
        rows: u32,
    ) -> Result<Self> {
        let Some(column) = source.column(&plan.name) else {
            return Ok(Self::default_rows(plan, rows));
        };
        if column.column_type().stored() != plan.column_type.stored() {
            return Err(SegmentError::Config(format!(
                "column `{}` of segment `{}` has type {}, expected {}",
                plan.name,
                source.name(),
                column.column_type(),
                plan.column_type
            )));
        }
        let all = 0..source.doc_count();
        let (entries, row_ends) = match column.dictionary() {
            Some(dictionary) if !plan.raw => {
                let (ids, row_ends) = load_ids(column, all, order);
                let every: Vec<u32> = (0..dictionary.len()).collect();
                (with_dictionary(&dictionary.decode(&every), ids), row_ends)
            }
            _ => {
                let (values, row_ends) = load_values(column, all, order);
                (Self::encode(plan, values), row_ends)
            }
        };
        let entries = without_large_dictionary(plan, entries);
        let nulls = match (plan.nullable, column.nulls()) {
            (true, Some(nulls)) => match order {
                None => (*nulls).clone(),
                Some(order) => (0..)
                    .zip(order)
                    .filter(|(_, row)| nulls.contains(**row))
                    .map(|(at, _)| at)
                    .collect(),
            },
            _ => RoaringBitmap::new(),
        };
        Ok(Self {
            plan,
            entries,
            row_ends,
            nulls,
        })
    }

    /// A column that the source does not have: the default in every row, null where nulls are recorded.
    fn default_rows(plan: &'a ColumnPlan, rows: u32) -> Self {
        let default = match &plan.default {
            Value::Array(_, items) => items.first().unwrap_or(&Value::Null),
            other => other,
        };
        let mut values = Values::empty(plan.column_type.data_type);
        for _ in 0..rows {
            values.push(default);
        }
        let mut nulls = RoaringBitmap::new();
        if plan.nullable {
            nulls.insert_range(0..rows);
        }
        Self {
            plan,
            entries: Self::encode(plan, values),
            row_ends: plan.column_type.multi.then(|| (1..=rows).collect()),
            nulls,
        }
    }

    fn encode(plan: &ColumnPlan, values: Values) -> Entries {
        if plan.raw {
            return Entries::Raw(values);
        }
        let mut writer = DictionaryWriter::new(plan.column_type.data_type);
        let mut ids = Vec::with_capacity(values.len());
        writer.encode(&values, &mut ids);
        writer.publish();
        let (store, _) = writer.shared();
        let every = store.gather(&Docs::Range(0..writer.len() as u32));
        with_dictionary(&every, ids)
    }
}

/// Rows from which on a dictionary that hardly any row shares is not worth its bytes.
const LARGE: usize = 1 << 16;

fn without_large_dictionary(plan: &ColumnPlan, entries: Entries) -> Entries {
    match entries {
        Entries::Dictionary { values, ids }
            if plan.may_drop_dictionary && ids.len() >= LARGE && values.len() > ids.len() / 2 =>
        {
            Entries::Raw(values.take(&ids))
        }
        entries => entries,
    }
}

/// Ids of all entries in the wanted order, with row ends for a multi-value column.
fn load_ids(
    column: &dyn Column,
    all: std::ops::Range<u32>,
    order: Option<&[u32]>,
) -> (Vec<u32>, Option<Vec<u32>>) {
    let mut ids = Vec::new();
    if !column.column_type().multi {
        column.ids(Docs::Range(all), &mut ids);
        if let Some(order) = order {
            ids = order.iter().map(|row| ids[*row as usize]).collect();
        }
        return (ids, None);
    }
    let mut offsets = Vec::new();
    column.id_lists(Docs::Range(all), &mut offsets, &mut ids);
    let Some(order) = order else {
        offsets.remove(0);
        return (ids, Some(offsets));
    };
    let (mut ordered, mut ends) = (
        Vec::with_capacity(ids.len()),
        Vec::with_capacity(order.len()),
    );
    for row in order {
        let row = *row as usize;
        ordered.extend_from_slice(&ids[offsets[row] as usize..offsets[row + 1] as usize]);
        ends.push(ordered.len() as u32);
    }
    (ordered, Some(ends))
}

fn load_values(
    column: &dyn Column,
    all: std::ops::Range<u32>,
    order: Option<&[u32]>,
) -> (Values, Option<Vec<u32>>) {
    let mut values = column.values(Docs::Range(all));
    if let Some(order) = order {
        values = values.take(order);
    }
    match values {
        Values::Array(ArrayVec { mut offsets, items }) => {
            offsets.remove(0);
            (*items, Some(offsets))
        }
        values => (values, None),
    }
}

/// The rank of each value among the distinct ones: equal values have equal ranks.
pub(crate) fn ranks(values: &Values) -> Vec<u32> {
    let order = ascending(values);
    let mut ranks = vec![0; values.len()];
    let mut rank = 0;
    for (at, index) in order.iter().enumerate() {
        if at > 0 && !equal(values, order[at - 1], *index) {
            rank += 1;
        }
        ranks[*index as usize] = rank;
    }
    ranks
}

/// Indexes in ascending order of their values; equal values in order of index.
fn ascending(values: &Values) -> Vec<u32> {
    fn numbers<T: Number>(values: &[T], order: &mut [u32]) {
        order.sort_by_key(|i| values[*i as usize].rank());
    }
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    match values {
        Values::Int(v) => numbers(v, &mut order),
        Values::Long(v) => numbers(v, &mut order),
        Values::Float(v) => numbers(v, &mut order),
        Values::Double(v) => numbers(v, &mut order),
        Values::Text(v) => order.sort_by(|a, b| {
            VarKind::Text.compare(v.get(*a as usize).as_bytes(), v.get(*b as usize).as_bytes())
        }),
        Values::Bytes(v) => order.sort_by(|a, b| v.get(*a as usize).cmp(v.get(*b as usize))),
        Values::BigDecimal(v) => order.sort_by(|a, b| v[*a as usize].cmp(&v[*b as usize])),
        Values::Array(_) => {}
    }
    order
}

fn equal(values: &Values, a: u32, b: u32) -> bool {
    let (a, b) = (a as usize, b as usize);
    match values {
        Values::Int(v) => v[a] == v[b],
        Values::Long(v) => v[a] == v[b],
        Values::Float(v) => v[a].bits() == v[b].bits(),
        Values::Double(v) => v[a].bits() == v[b].bits(),
        Values::Text(v) => v.get(a) == v.get(b),
        Values::Bytes(v) => v.get(a) == v.get(b),
        Values::BigDecimal(v) => v[a] == v[b],
        Values::Array(_) => false,
    }
}

/// Sorts a dictionary, drops what no entry uses, and renumbers the entries.
fn with_dictionary(values: &Values, mut ids: Vec<u32>) -> Entries {
    let mut used = vec![false; values.len()];
    for id in &ids {
        used[*id as usize] = true;
    }
    let mut sorted = ascending(values);
    sorted.retain(|id| used[*id as usize]);
    let mut distinct: Vec<u32> = Vec::with_capacity(sorted.len());
    let mut new_ids = vec![0_u32; values.len()];
    for id in sorted {
        if distinct.last().is_none_or(|last| !equal(values, *last, id)) {
            distinct.push(id);
        }
        new_ids[id as usize] = distinct.len() as u32 - 1;
    }
    for id in &mut ids {
        *id = new_ids[*id as usize];
    }
    Entries::Dictionary {
        values: values.take(&distinct),
        ids,
    }
}

/// Bytes of the longest value of varying length.
pub(crate) fn longest(values: &Values) -> u32 {
    let mut longest = 0;
    var::for_each(values, |bytes| longest = longest.max(bytes.len()));
    u32::try_from(longest).unwrap_or(u32::MAX)
}

/// True where values ascend.
pub(crate) fn ranks_sorted(values: &Values) -> bool {
    match values {
        Values::Int(v) => v.is_sorted_by_key(|x| x.rank()),
        Values::Long(v) => v.is_sorted_by_key(|x| x.rank()),
        Values::Float(v) => v.is_sorted_by_key(|x| x.rank()),
        Values::Double(v) => v.is_sorted_by_key(|x| x.rank()),
        Values::Text(v) => (1..v.len()).all(|i| {
            VarKind::Text
                .compare(v.get(i - 1).as_bytes(), v.get(i).as_bytes())
                .is_le()
        }),
        Values::Bytes(v) => (1..v.len()).all(|i| v.get(i - 1) <= v.get(i)),
        Values::BigDecimal(v) => v.is_sorted(),
        Values::Array(_) => false,
    }
}
