//! Group numbers of a segment's rows.
//!
//! Keys with a dictionary use its ids; others number their values as they come. Where the ids of all keys together are few,
//! or a single key's values are numbered, an array maps them to groups; otherwise a chain of hash tables does, pair by pair.
//! Must not know: aggregations, other segments. Invariant: see the parent.

use common::{Block, ColumnType, Values};
use functions::scalar::EvalContext;
use hashbrown::HashMap;
use segment::Docs;

use super::interner::Interner;
use crate::QueryError;
use crate::expr::{BoundExpr, without_nulls};
use crate::project::{Projection, SegmentColumns, Source, null_flags};

/// Largest number of id combinations that an array maps (4 MiB of group numbers).
const DENSE_LIMIT: u64 = 1 << 20;
const UNSEEN: u32 = u32::MAX;

enum KeyKind<'a> {
    /// Ids of the column's dictionary; null is the id after the last.
    Dictionary(&'a dyn segment::Column, u32),
    /// Values are numbered; null is number 0, values follow.
    Interned(Interner),
}

struct Key<'a> {
    expr: &'a BoundExpr,
    column_type: ColumnType,
    kind: KeyKind<'a>,
}

enum Combine {
    /// Group by combination; `UNSEEN` where none yet. It grows where a single key's values are numbered as they come.
    Dense { groups: Vec<u32>, strides: Vec<u64> },
    /// One table a key after the first: (number so far, number of this key) -> number.
    Chain(Vec<HashMap<u64, u32, ahash::RandomState>>),
}

/// Numbers the groups of one segment.
pub struct SegmentKeys<'a> {
    keys: Vec<Key<'a>>,
    columns: &'a SegmentColumns<'a>,
    combine: Combine,
    /// Key numbers by group, `keys.len()` each.
    members: Vec<u32>,
    count: u32,
    limit: u32,
    /// True once rows were left out because of the limit.
    pub limit_reached: bool,
    /// True where nulls stay nulls beside a multi-value key, as in DISTINCT.
    pub keeps_nulls: bool,
}

/// The groups of a block's rows.
#[derive(Debug, Default)]
pub struct RowGroups {
    /// Group of each row, or of each combination of elements.
    pub groups: Vec<u32>,
    /// Where rows were repeated (multi-value keys) or left out: the row of each entry of `groups`.
    pub rows: Option<Vec<u32>>,
}

impl<'a> SegmentKeys<'a> {
    /// Prepares the keys of a segment.
    #[must_use]
    pub fn new(keys: &'a [BoundExpr], columns: &'a SegmentColumns<'a>, limit: usize) -> Self {
        let keys: Vec<Key<'a>> = keys.iter().map(|expr| key(expr, columns)).collect();
        let mut strides = Vec::with_capacity(keys.len());
        let mut combinations = Some(1_u64);
        for key in &keys {
            strides.push(combinations.unwrap_or(0));
            combinations = match key.kind {
                KeyKind::Dictionary(_, cardinality) => {
                    combinations.and_then(|c| c.checked_mul(u64::from(cardinality) + 1))
                }
                KeyKind::Interned(_) => None,
            };
        }
        let alone = keys.len() == 1 && combinations.is_none();
        let combine = match combinations {
            _ if alone => Combine::Dense {
                groups: Vec::new(),
                strides: vec![1],
            },
            Some(count) if count <= DENSE_LIMIT => Combine::Dense {
                groups: vec![UNSEEN; count as usize],
                strides,
            },
            _ => Combine::Chain(keys.iter().map(|_| HashMap::default()).collect()),
        };
        let limit = u32::try_from(limit).unwrap_or(UNSEEN - 1);
        Self {
            keys,
            columns,
            combine,
            members: Vec::new(),
            count: 0,
            limit,
            limit_reached: false,
            keeps_nulls: false,
        }
    }

    /// Number of groups so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Groups the rows of a projection.
    ///
    /// # Errors
    /// Where an expression refuses a value.
    pub fn group(
        &mut self,
        projection: &mut Projection<'_>,
        context: &EvalContext,
    ) -> Result<RowGroups, QueryError> {
        let docs = projection.docs().clone();
        // Together with a multi-value key, nulls group under the values that stand for them.
        let by_elements = self.keys.iter().any(|key| key.expr.column_type().multi);
        let mut plain = (by_elements && !self.keeps_nulls)
            .then(|| Projection::new(self.columns, docs.clone()).ignoring_nulls());
        let mut numbers: Vec<Vec<u32>> = Vec::with_capacity(self.keys.len());
        let mut lists: Vec<Option<Vec<u32>>> = Vec::with_capacity(self.keys.len());
        for key in &mut self.keys {
            let (offsets, of_rows) = match &mut plain {
                Some(plain) => key.numbers(self.columns, &docs, plain, context, true)?,
                None => key.numbers(self.columns, &docs, projection, context, false)?,
            };
            numbers.push(of_rows);
            lists.push(offsets);
        }
        let rows = lists
            .iter()
            .any(Option::is_some)
            .then(|| explode(&mut numbers, &lists, docs.len()));
        Ok(self.combine(&numbers, rows, docs.len()))
    }

    fn combine(
        &mut self,
        numbers: &[Vec<u32>],
        rows: Option<Vec<u32>>,
        row_count: usize,
    ) -> RowGroups {
        let entries = rows.as_ref().map_or(row_count, Vec::len);
        let mut groups = Vec::with_capacity(entries);
        let mut left_out = false;
        for entry in 0..entries {
            let group = self.group_of(numbers, entry);
            left_out |= group == UNSEEN;
            groups.push(group);
        }
        if !left_out {
            return RowGroups { groups, rows };
        }
        self.limit_reached = true;
        let kept: Vec<usize> = (0..entries).filter(|e| groups[*e] != UNSEEN).collect();
        RowGroups {
            rows: Some(
                kept.iter()
                    .map(|e| rows.as_ref().map_or(*e as u32, |r| r[*e]))
                    .collect(),
            ),
            groups: kept.iter().map(|e| groups[*e]).collect(),
        }
    }

    #[inline]
    fn group_of(&mut self, numbers: &[Vec<u32>], entry: usize) -> u32 {
        match &mut self.combine {
            Combine::Dense { groups, strides } => {
                let mut combination = 0_u64;
                for (of_key, stride) in numbers.iter().zip(strides.iter()) {
                    combination += u64::from(of_key[entry]) * stride;
                }
                let combination = combination as usize;
                if combination >= groups.len() {
                    groups.resize((combination + 1).next_power_of_two(), UNSEEN);
                }
                let slot = &mut groups[combination];
                if *slot == UNSEEN && self.count < self.limit {
                    *slot = self.count;
                    self.count += 1;
                    self.members
                        .extend(numbers.iter().map(|of_key| of_key[entry]));
                }
                *slot
            }
            Combine::Chain(tables) => {
                let mut number = 0_u32;
                let last = tables.len().saturating_sub(1);
                for (index, (of_key, table)) in numbers.iter().zip(tables.iter_mut()).enumerate() {
                    let pair = u64::from(number) << 32 | u64::from(of_key[entry]);
                    let next = table.len() as u32;
                    if index == last && next >= self.limit {
                        match table.get(&pair) {
                            Some(found) => return *found,
                            None => return UNSEEN,
                        }
                    }
                    number = *table.entry(pair).or_insert(next);
                }
                if number == self.count {
                    self.count += 1;
                    self.members
                        .extend(numbers.iter().map(|of_key| of_key[entry]));
                }
                number
            }
        }
    }

    /// The key columns of all groups, in order of group number.
    #[must_use]
    pub fn into_key_blocks(self) -> Vec<Block> {
        let width = self.keys.len();
        let count = self.count as usize;
        self.keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                let numbers: Vec<u32> = (0..count)
                    .map(|group| self.members[group * width + index])
                    .collect();
                key.decode(&numbers)
            })
            .collect()
    }
}

fn key<'a>(expr: &'a BoundExpr, columns: &'a SegmentColumns<'a>) -> Key<'a> {
    let column_type = expr.column_type();
    let element = ColumnType::sv(column_type.data_type);
    let kind = match expr.as_column().map(|index| &columns.sources[index]) {
        Some(Source::Stored { column, .. }) if column.dictionary().is_some() => {
            KeyKind::Dictionary(
                *column,
                column.dictionary().map_or(0, segment::Dictionary::len),
            )
        }
        _ => KeyKind::Interned(Interner::new(element)),
    };
    Key {
        expr,
        column_type: element,
        kind,
    }
}

type Numbers = (Option<Vec<u32>>, Vec<u32>);

impl Key<'_> {
    /// A number a row, or offsets and a number an element.
    fn numbers(
        &mut self,
        columns: &SegmentColumns<'_>,
        docs: &Docs<'_>,
        projection: &mut Projection<'_>,
        context: &EvalContext,
        ignore_nulls: bool,
    ) -> Result<Numbers, QueryError> {
        match &mut self.kind {
            KeyKind::Dictionary(column, _) if column.column_type().multi => {
                let (mut offsets, mut ids) = (Vec::new(), Vec::new());
                // A null list groups under the element that stands for it.
                column.id_lists(docs.clone(), &mut offsets, &mut ids);
                Ok((Some(offsets), ids))
            }
            KeyKind::Dictionary(column, cardinality) => {
                let mut ids = Vec::with_capacity(docs.len());
                column.ids(docs.clone(), &mut ids);
                let nulls = self.expr.as_column().and_then(|i| columns.handled_nulls(i));
                if let Some(nulls) = nulls.filter(|_| !ignore_nulls) {
                    for (row, null) in null_flags(nulls, docs).into_iter().enumerate() {
                        if null {
                            ids[row] = *cardinality;
                        }
                    }
                }
                Ok((None, ids))
            }
            KeyKind::Interned(interner) => {
                let mut block = self.expr.evaluate(projection, context)?;
                if ignore_nulls || !columns.null_handling() {
                    block = without_nulls(block);
                }
                Ok(interned(interner, &block))
            }
        }
    }

    fn decode(&self, numbers: &[u32]) -> Block {
        let (values, nulls): (Values, Vec<bool>) = match &self.kind {
            KeyKind::Dictionary(column, cardinality) => {
                let nulls: Vec<bool> = numbers.iter().map(|n| n == cardinality).collect();
                let safe: Vec<u32> = numbers
                    .iter()
                    .map(|n| if n == cardinality { 0 } else { *n })
                    .collect();
                match column.dictionary() {
                    Some(dictionary) if !dictionary.is_empty() => (dictionary.decode(&safe), nulls),
                    _ => (Values::empty(self.column_type.data_type), Vec::new()),
                }
            }
            KeyKind::Interned(interner) => {
                let nulls: Vec<bool> = numbers.iter().map(|n| *n == 0).collect();
                if nulls.iter().all(|null| *null) {
                    let mut values = Values::empty(self.column_type.data_type);
                    numbers.iter().for_each(|_| values.push_placeholder());
                    (values, nulls)
                } else {
                    let any = numbers.iter().copied().find(|n| *n > 0).unwrap_or(1);
                    let safe: Vec<u32> = numbers
                        .iter()
                        .map(|n| if *n == 0 { any - 1 } else { n - 1 })
                        .collect();
                    (interner.decode(&safe), nulls)
                }
            }
        };
        Block::new(self.column_type, values).with_nulls(Some(nulls))
    }
}

fn interned(interner: &mut Interner, block: &Block) -> Numbers {
    if let Values::Array(array) = block.values() {
        let (mut offsets, mut numbers) = (vec![0], Vec::new());
        for row in 0..block.rows() {
            if block.is_null(row) {
                numbers.push(0);
            } else {
                numbers.extend(
                    array
                        .range(block.at(row))
                        .map(|item| interner.number(&array.items, item) + 1),
                );
            }
            offsets.push(numbers.len() as u32);
        }
        return (Some(offsets), numbers);
    }
    if block.is_constant() {
        let number = if block.is_null(0) {
            0
        } else {
            interner.number(block.values(), 0) + 1
        };
        return (None, vec![number; block.rows()]);
    }
    let numbers = (0..block.rows())
        .map(|row| {
            if block.is_null(row) {
                0
            } else {
                interner.number(block.values(), row) + 1
            }
        })
        .collect();
    (None, numbers)
}

/// Repeats rows for every combination of elements of their multi-value keys; answers the row of each entry.
fn explode(numbers: &mut [Vec<u32>], lists: &[Option<Vec<u32>>], row_count: usize) -> Vec<u32> {
    let mut out: Vec<Vec<u32>> = numbers.iter().map(|_| Vec::new()).collect();
    let mut rows = Vec::new();
    for row in 0..row_count {
        let ranges: Vec<std::ops::Range<usize>> = lists
            .iter()
            .map(|offsets| match offsets {
                Some(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
                None => row..row + 1,
            })
            .collect();
        let total: usize = ranges.iter().map(ExactSizeIterator::len).product();
        for combination in 0..total {
            let mut rest = combination;
            for ((range, of_key), to) in ranges.iter().zip(numbers.iter()).zip(&mut out) {
                to.push(of_key[range.start + rest % range.len()]);
                rest /= range.len();
            }
            rows.push(row as u32);
        }
    }
    for (to, from) in numbers.iter_mut().zip(out) {
        *to = from;
    }
    rows
}
