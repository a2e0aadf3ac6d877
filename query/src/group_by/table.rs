//! Groups by their key values: what segments, threads and servers merge into.
//!
//! Must not know: segments. Invariant: one group per distinct key, but for a part that says otherwise until it is merged; states and key
//! columns have one entry a group.

use common::{Block, ColumnType, Value, Values};
use functions::Grouped;
use hashbrown::HashTable;
use rayon::prelude::*;

use super::key::{self, KeyColumn};
use super::parts::{Hashed, numbered};
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
    /// Keys may occur more than once.
    repeats: bool,
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
            repeats: false,
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
            repeats: false,
        }
    }

    /// A table whose keys may occur more than once: only [`GroupTable::merge_all`] takes it.
    #[must_use]
    pub fn with_repeats(mut self, repeats: bool) -> Self {
        self.repeats = repeats;
        self
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
        blocks(&self.types, self.keys.iter().cloned())
    }

    /// The key columns and the states.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Block>, Vec<Box<dyn Grouped>>) {
        (blocks(&self.types, self.keys.into_iter()), self.states)
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
        debug_assert!(
            !self.repeats && !other.repeats,
            "only merge_all takes these"
        );
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
        let repeats = tables.iter().any(|table| table.repeats);
        let few = total < LARGE || rayon::current_num_threads() < 2 || tables.len() < 2;
        if !repeats && (few || tables[0].keys.is_empty()) {
            let mut parts = tables.into_iter();
            let Some(mut first) = parts.next() else {
                return Ok(None);
            };
            parts.try_for_each(|part| first.merge(part))?;
            return Ok(Some(first));
        }
        Self::joined(tables, states).map(Some)
    }

    /// One table of the groups of many.
    fn joined(
        mut tables: Vec<Self>,
        mut states: Vec<Box<dyn Grouped>>,
    ) -> Result<Self, QueryError> {
        let hashed: Vec<Hashed<'_>> = tables
            .par_iter_mut()
            .map(|table| Hashed {
                hashes: match std::mem::take(&mut table.hashes) {
                    hashes if hashes.len() == table.count => hashes,
                    _ => key::hashes(&table.keys, table.count),
                },
                keys: &table.keys,
            })
            .collect();
        let groups = numbered(&hashed);
        drop(hashed);
        let keys = (0..tables[0].keys.len())
            .into_par_iter()
            .map(|at| {
                let columns: Vec<&KeyColumn> = tables.iter().map(|t| &t.keys[at]).collect();
                KeyColumn::gather(&columns, &groups.first)
            })
            .collect();
        let types = tables[0].types.clone();
        let count = groups.first.len();
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
                for (theirs, to) in of_tables.into_iter().zip(&groups.to) {
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
            repeats: false,
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

fn blocks(types: &[ColumnType], keys: impl Iterator<Item = KeyColumn>) -> Vec<Block> {
    let of_key = |(column_type, key): (&ColumnType, KeyColumn)| {
        Block::new(*column_type, key.values).with_nulls(key.nulls)
    };
    types.iter().zip(keys).map(of_key).collect()
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

    #[test]
    fn keys_that_occur_more_than_once_become_one_group() {
        let keys: Vec<i64> = (0..1_000).map(|n| n % 300).collect();
        let parts = vec![table(&keys).with_repeats(true), table(&[5, 299, 300])];
        let merged = GroupTable::merge_all(parts, Vec::new()).unwrap().unwrap();
        let mut found: Vec<Value> = (0..merged.len()).map(|g| merged.key(g, 0)).collect();
        found.sort_by(Value::total_cmp);
        assert!(found == (0..=300).map(Value::Long).collect::<Vec<_>>());
        let alone = GroupTable::merge_all(vec![table(&[7, 7]).with_repeats(true)], Vec::new());
        assert_eq!(alone.unwrap().unwrap().len(), 1);
    }
}
