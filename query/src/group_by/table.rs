//! Groups by their key values: what segments, threads and servers merge into.
//!
//! Must not know: segments. Invariant: one group per distinct key; states and key columns have one entry a group.

use common::{Block, ColumnType, Value, Values};
use functions::Grouped;
use hashbrown::HashTable;
use rayon::prelude::*;

use super::key::{self, KeyColumn};
use crate::QueryError;

/// Groups of all parts from which on parts are merged by all threads.
const LARGE: usize = 1 << 16;

/// Groups with their keys and states.
pub struct GroupTable {
    types: Vec<ColumnType>,
    keys: Vec<KeyColumn>,
    /// Hash of each group's key, once there is an index.
    hashes: Vec<u64>,
    index: HashTable<u32>,
    /// One a aggregation.
    pub states: Vec<Box<dyn Grouped>>,
    count: usize,
}

impl GroupTable {
    /// No groups.
    #[must_use]
    pub fn new(types: Vec<ColumnType>, states: Vec<Box<dyn Grouped>>) -> Self {
        let keys = types
            .iter()
            .map(|t| KeyColumn {
                values: Values::empty(t.data_type),
                nulls: None,
            })
            .collect();
        Self {
            types,
            keys,
            hashes: Vec::new(),
            index: HashTable::new(),
            states,
            count: 0,
        }
    }

    /// A table of one segment's groups, whose keys are distinct already.
    #[must_use]
    pub fn from_distinct(keys: Vec<Block>, count: usize, states: Vec<Box<dyn Grouped>>) -> Self {
        let types = keys.iter().map(Block::column_type).collect();
        let keys = keys
            .into_iter()
            .map(|block| KeyColumn {
                nulls: block.nulls().map(<[bool]>::to_vec),
                values: block.into_values(),
            })
            .collect();
        Self {
            types,
            keys,
            hashes: Vec::new(),
            index: HashTable::new(),
            states,
            count,
        }
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True without groups.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The key columns.
    #[must_use]
    pub fn key_blocks(&self) -> Vec<Block> {
        self.types
            .iter()
            .zip(&self.keys)
            .map(|(column_type, key)| {
                Block::new(*column_type, key.values.clone()).with_nulls(key.nulls.clone())
            })
            .collect()
    }

    /// Approximate bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let states: usize = self.states.iter().map(|s| s.bytes()).sum();
        states + self.count * 24 * (self.keys.len() + 1)
    }

    fn build_index(&mut self) {
        if self.hashes.len() < self.count {
            self.hashes = key::hashes(&self.keys, self.count);
            self.index = HashTable::with_capacity(self.count);
            for (group, hash) in (0..).zip(&self.hashes) {
                self.index
                    .insert_unique(*hash, group, |g| self.hashes[*g as usize]);
            }
        }
    }

    /// The group of a row of other key columns; a new one where there is none.
    fn place(&mut self, keys: &[KeyColumn], row: usize, hash: u64) -> u32 {
        let mine = &self.keys;
        let same = |group: &u32| key::equal(mine, *group as usize, keys, row);
        if let Some(found) = self.index.find(hash, same) {
            return *found;
        }
        let next = self.count as u32;
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.index
            .insert_unique(hash, next, |g| hashes[*g as usize]);
        for (to, from) in self.keys.iter_mut().zip(keys) {
            to.push_from(from, row);
        }
        self.count += 1;
        next
    }

    /// Merges another table in.
    ///
    /// # Errors
    /// Where states do not fit each other.
    pub fn merge(&mut self, other: Self) -> Result<(), QueryError> {
        if other.count == 0 {
            return Ok(());
        }
        if self.count == 0 {
            *self = other;
            return Ok(());
        }
        if other.count > self.count {
            // The larger one keeps its place.
            let smaller = std::mem::replace(self, other);
            return self.merge(smaller);
        }
        self.build_index();
        let hashes = if other.hashes.len() == other.count {
            other.hashes
        } else {
            key::hashes(&other.keys, other.count)
        };
        let to: Vec<u32> = hashes
            .iter()
            .enumerate()
            .map(|(row, hash)| self.place(&other.keys, row, *hash))
            .collect();
        for (mine, theirs) in self.states.iter_mut().zip(other.states) {
            mine.grow(self.count);
            mine.merge(theirs, &to)?;
        }
        Ok(())
    }

    /// Merges many tables, with all threads where they are large; `states` are those of no group yet.
    ///
    /// # Errors
    /// Where states do not fit each other.
    pub fn merge_all(
        tables: Vec<Self>,
        states: Vec<Box<dyn Grouped>>,
    ) -> Result<Option<Self>, QueryError> {
        let total: usize = tables.iter().map(Self::len).sum();
        let threads = rayon::current_num_threads();
        let mut tables: Vec<Self> = tables;
        if total < LARGE || threads < 2 || tables.len() < 2 || tables[0].keys.is_empty() {
            let mut parts = tables.into_iter();
            let Some(mut first) = parts.next() else {
                return Ok(None);
            };
            parts.try_for_each(|part| first.merge(part))?;
            return Ok(Some(first));
        }
        tables.par_iter_mut().for_each(|table| {
            if table.hashes.len() < table.count {
                table.hashes = key::hashes(&table.keys, table.count);
            }
        });
        let parts = (threads * 4).next_power_of_two();
        let numbered: Vec<Part> = (0..parts)
            .into_par_iter()
            .map(|part| Part::of(&tables, part as u64, parts as u64, total / parts))
            .collect();
        Self::joined(tables, &numbered, states).map(Some)
    }

    /// One table of groups that parts have numbered.
    fn joined(
        tables: Vec<Self>,
        parts: &[Part],
        mut states: Vec<Box<dyn Grouped>>,
    ) -> Result<Self, QueryError> {
        let mut to: Vec<Vec<u32>> = tables.iter().map(|t| vec![0; t.count]).collect();
        let mut first = Vec::new();
        for part in parts {
            let offset = first.len() as u32;
            first.extend_from_slice(&part.first);
            for (table, row, number) in &part.rows {
                to[*table as usize][*row as usize] = offset + number;
            }
        }
        let keys = (0..tables[0].keys.len())
            .into_par_iter()
            .map(|at| {
                let columns: Vec<&KeyColumn> = tables.iter().map(|t| &t.keys[at]).collect();
                KeyColumn::gather(&columns, &first)
            })
            .collect();
        let types = tables[0].types.clone();
        let count = first.len();
        let mut of_tables: Vec<_> = tables
            .into_iter()
            .map(|table| table.states.into_iter())
            .collect();
        let columns: Vec<Vec<Box<dyn Grouped>>> = states
            .iter()
            .map(|_| of_tables.iter_mut().filter_map(Iterator::next).collect())
            .collect();
        states.par_iter_mut().zip(columns).try_for_each(
            |(mine, of_tables)| -> Result<(), QueryError> {
                mine.grow(count);
                for (theirs, to) in of_tables.into_iter().zip(&to) {
                    mine.merge(theirs, to)?;
                }
                Ok(())
            },
        )?;
        Ok(Self {
            types,
            keys,
            hashes: Vec::new(),
            index: HashTable::new(),
            states,
            count,
        })
    }

    /// Adds one group by its key, as it comes from the wire; answers its number.
    pub fn add(&mut self, key_blocks: &[Block], row: usize) -> u32 {
        self.build_index();
        let keys: Vec<KeyColumn> = key_blocks
            .iter()
            .map(|block| {
                let mut values = Values::empty(block.column_type().data_type);
                values.push_from(block.values(), block.at(row));
                KeyColumn {
                    values,
                    nulls: block.is_null(row).then(|| vec![true]),
                }
            })
            .collect();
        let hash = key::hashes(&keys, 1)[0];
        let group = self.place(&keys, 0, hash);
        self.states
            .iter_mut()
            .for_each(|state| state.grow(self.count));
        group
    }

    /// The value of a key of a group.
    #[must_use]
    pub fn key(&self, group: usize, key: usize) -> Value {
        let column = &self.keys[key];
        if column.is_null(group) {
            Value::Null
        } else {
            column.values.get(group, self.types[key].data_type)
        }
    }
}

/// The groups of all tables whose hash falls into one part.
struct Part {
    /// Where each group occurs first: table and row.
    first: Vec<(u32, u32)>,
    /// Table, row, number within the part.
    rows: Vec<(u32, u32, u32)>,
}

impl Part {
    fn of(tables: &[GroupTable], part: u64, parts: u64, expected: usize) -> Self {
        let mut first: Vec<(u32, u32)> = Vec::with_capacity(expected);
        let mut rows = Vec::with_capacity(expected);
        let mut index: HashTable<u32> = HashTable::with_capacity(expected);
        for (number, table) in (0..).zip(tables) {
            for (row, hash) in (0_u32..).zip(&table.hashes) {
                // The lowest bits choose the part; the table uses others.
                if hash & (parts - 1) != part {
                    continue;
                }
                let same = |group: &u32| {
                    let (other, at) = first[*group as usize];
                    let other = &tables[other as usize].keys;
                    key::equal(other, at as usize, &table.keys, row as usize)
                };
                let hash = hash.rotate_left(17);
                let group = match index.find(hash, same) {
                    Some(found) => *found,
                    None => {
                        let next = first.len() as u32;
                        index.insert_unique(hash, next, |g| {
                            let (other, at) = first[*g as usize];
                            tables[other as usize].hashes[at as usize].rotate_left(17)
                        });
                        first.push((number, row));
                        next
                    }
                };
                rows.push((number, row, group));
            }
        }
        Self { first, rows }
    }
}

#[cfg(test)]
mod tests {
    use common::DataType;

    use super::*;

    fn table(keys: &[i64]) -> GroupTable {
        let values: Vec<Value> = keys.iter().map(|k| Value::Long(*k)).collect();
        let block = Block::from_values(DataType::Long, &values);
        GroupTable::from_distinct(vec![block], keys.len(), Vec::new())
    }

    #[test]
    fn large_parts_merge_as_small_ones_do() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap();
        let parts: Vec<Vec<i64>> = (0..3_i64)
            .map(|part| (part * 30_000..part * 30_000 + 50_000).collect())
            .collect();
        let merged = pool.install(|| {
            let tables = parts.iter().map(|keys| table(keys)).collect();
            GroupTable::merge_all(tables, Vec::new())
        });
        let merged = merged.unwrap().unwrap();
        assert_eq!(merged.len(), 110_000);
        let mut found: Vec<Value> = (0..merged.len())
            .map(|group| merged.key(group, 0))
            .collect();
        found.sort_by(Value::total_cmp);
        let expected: Vec<Value> = (0..110_000).map(Value::Long).collect();
        assert!(found == expected);
    }
}
