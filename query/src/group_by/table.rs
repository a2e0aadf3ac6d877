//! Groups by their key values: what segments, threads and servers merge into.
//!
//! Must not know: segments. Invariant: one group per distinct key; states and key columns have one entry a group.

use common::{Block, ColumnType, Value, Values};
use functions::Grouped;
use hashbrown::HashMap;

use crate::QueryError;

/// Groups with their keys and states.
pub struct GroupTable {
    types: Vec<ColumnType>,
    keys: Vec<(Values, Vec<bool>)>,
    index: HashMap<Vec<u8>, u32, ahash::RandomState>,
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
            .map(|t| (Values::empty(t.data_type), Vec::new()))
            .collect();
        Self {
            types,
            keys,
            index: HashMap::default(),
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
            .map(|block| {
                let nulls = block
                    .nulls()
                    .map_or_else(|| vec![false; count], <[bool]>::to_vec);
                (block.into_values(), nulls)
            })
            .collect();
        Self {
            types,
            keys,
            index: HashMap::default(),
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
            .map(|(column_type, (values, nulls))| {
                Block::new(*column_type, values.clone()).with_nulls(Some(nulls.clone()))
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
        if self.index.is_empty() && self.count > 0 {
            self.index.reserve(self.count);
            let mut key = Vec::new();
            for group in 0..self.count {
                key.clear();
                encode(&self.keys, group, &mut key);
                self.index.insert(key.clone(), group as u32);
            }
        }
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
        let mut to = Vec::with_capacity(other.count);
        let mut key = Vec::new();
        for group in 0..other.count {
            key.clear();
            encode(&other.keys, group, &mut key);
            let next = self.count as u32;
            let number = match self.index.get(key.as_slice()) {
                Some(number) => *number,
                None => {
                    self.index.insert(key.clone(), next);
                    for ((values, nulls), (from, from_nulls)) in
                        self.keys.iter_mut().zip(&other.keys)
                    {
                        values.push_from(from, group);
                        nulls.push(from_nulls[group]);
                    }
                    self.count += 1;
                    next
                }
            };
            to.push(number);
        }
        for (mine, theirs) in self.states.iter_mut().zip(other.states) {
            mine.grow(self.count);
            mine.merge(theirs, &to)?;
        }
        Ok(())
    }

    /// Adds one group by its key, as it comes from the wire; answers its number.
    pub fn add(&mut self, key_blocks: &[Block], row: usize) -> u32 {
        self.build_index();
        let keys: Vec<(Values, Vec<bool>)> = key_blocks
            .iter()
            .map(|block| {
                let mut values = Values::empty(block.column_type().data_type);
                values.push_from(block.values(), block.at(row));
                (values, vec![block.is_null(row)])
            })
            .collect();
        let mut key = Vec::new();
        encode(&keys, 0, &mut key);
        let next = self.count as u32;
        if let Some(found) = self.index.get(key.as_slice()) {
            return *found;
        }
        self.index.insert(key, next);
        for ((values, nulls), (from, from_nulls)) in self.keys.iter_mut().zip(&keys) {
            values.push_from(from, 0);
            nulls.push(from_nulls[0]);
        }
        self.count += 1;
        self.states
            .iter_mut()
            .for_each(|state| state.grow(self.count));
        next
    }

    /// The value of a key of a group.
    #[must_use]
    pub fn key(&self, group: usize, key: usize) -> Value {
        let (values, nulls) = &self.keys[key];
        if nulls[group] {
            Value::Null
        } else {
            values.get(group, self.types[key].data_type)
        }
    }
}

/// A group's key as bytes; equal keys give equal bytes.
fn encode(keys: &[(Values, Vec<bool>)], group: usize, out: &mut Vec<u8>) {
    for (values, nulls) in keys {
        if nulls[group] {
            out.push(0);
            continue;
        }
        out.push(1);
        let variable = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        };
        match values {
            Values::Int(v) => out.extend(v[group].to_le_bytes()),
            Values::Long(v) => out.extend(v[group].to_le_bytes()),
            Values::Float(v) => out.extend(v[group].to_bits().to_le_bytes()),
            Values::Double(v) => out.extend(v[group].to_bits().to_le_bytes()),
            Values::BigDecimal(v) => variable(v[group].normalized().to_string().as_bytes(), out),
            Values::Text(v) => variable(v.get(group).as_bytes(), out),
            Values::Bytes(v) => variable(v.get(group), out),
            Values::Array(_) => {}
        }
    }
}
