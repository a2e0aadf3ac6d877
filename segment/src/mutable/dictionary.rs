//! The growing dictionary: ids in order of first appearance.
//!
//! Must not know: rows. Invariant: a snapshot sees exactly the ids below its length.

use std::sync::Arc;

use arc_swap::ArcSwap;
use common::{DataType, Value, Values};

use super::hash_table::{Table, TableWriter};
use super::store::{Store, StoreWriter};
use crate::bounds::Limits;
use crate::buffer::chunks::Appender;
use crate::number::Number;
use crate::var::{self, VarKind};
use crate::{Bound, Dictionary, IdSet};

/// The writer's side.
pub(crate) struct DictionaryWriter {
    store: StoreWriter,
    reader: Store,
    table: TableWriter,
}

#[inline]
fn mix(bits: u64) -> u32 {
    (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

#[inline]
fn tag_of<T: Number>(value: T) -> u32 {
    if T::WIDTH == 4 {
        value.bits() as u32
    } else {
        mix(value.bits())
    }
}

fn encode_numbers<T: Number>(
    store: &mut Appender<T>,
    table: &mut TableWriter,
    values: &[T],
    out: &mut Vec<u32>,
) {
    for value in values {
        let tag = tag_of(*value);
        let found = table.table().find(tag, |id| {
            T::WIDTH == 4 || store.get(id as usize).bits() == value.bits()
        });
        out.push(match found {
            Ok(id) => id,
            Err(cell) => {
                let id = store.len() as u32;
                store.push(*value);
                table.insert(cell, tag, id);
                id
            }
        });
    }
}

impl DictionaryWriter {
    pub(crate) fn new(data_type: DataType) -> Self {
        let store = StoreWriter::new(data_type);
        Self {
            reader: store.reader(),
            store,
            table: TableWriter::new(),
        }
    }

    /// What snapshots read.
    pub(crate) fn shared(&self) -> (Store, Arc<ArcSwap<Table>>) {
        (self.reader.clone(), self.table.reader())
    }

    /// Distinct values so far.
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    /// Appends the ids of values of the stored type, adding what is new.
    pub(crate) fn encode(&mut self, values: &Values, out: &mut Vec<u32>) {
        let table = &mut self.table;
        match (&mut self.store, values) {
            (StoreWriter::Int(s), Values::Int(v)) => encode_numbers(s, table, v, out),
            (StoreWriter::Long(s), Values::Long(v)) => encode_numbers(s, table, v, out),
            (StoreWriter::Float(s), Values::Float(v)) => encode_numbers(s, table, v, out),
            (StoreWriter::Double(s), Values::Double(v)) => encode_numbers(s, table, v, out),
            (StoreWriter::Var(s, kind), values) => {
                let Store::Var(arena, _) = &self.reader else {
                    return;
                };
                var::for_each(values, |bytes| {
                    let tag = (kind.hash(bytes) >> 32) as u32;
                    let found = table
                        .table()
                        .find(tag, |id| kind.same(arena.get(id as usize), bytes));
                    out.push(match found {
                        Ok(id) => id,
                        Err(cell) => {
                            let id = s.len() as u32;
                            s.push(bytes);
                            table.insert(cell, tag, id);
                            id
                        }
                    });
                });
            }
            _ => debug_assert!(false, "values of another type"),
        }
    }

    pub(crate) fn publish(&mut self) {
        self.store.publish();
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.memory_bytes() + self.table.memory_bytes()
    }
}

/// A snapshot of a growing dictionary.
#[derive(Clone)]
pub(crate) struct GrowingDictionary {
    pub(crate) store: Store,
    pub(crate) table: Arc<ArcSwap<Table>>,
    pub(crate) len: u32,
    pub(crate) data_type: DataType,
}

impl GrowingDictionary {
    fn find_bytes(&self, tag: u32, mut same: impl FnMut(usize) -> bool) -> Option<u32> {
        let table = self.table.load();
        table
            .find(tag, |id| id < self.len && same(id as usize))
            .ok()
    }

    fn find_number<T: Number>(&self, value: &Value, get: impl Fn(usize) -> T) -> Option<u32> {
        let value = T::from_value(value).or_else(|| match value {
            Value::Boolean(v) => T::from_value(&Value::Int(i32::from(*v))),
            _ => None,
        })?;
        self.find_bytes(tag_of(value), |id| get(id).bits() == value.bits())
    }

    fn text(&self, id: u32) -> &str {
        match &self.store {
            Store::Var(arena, VarKind::Text) => var::text(arena.get(id as usize)),
            _ => "",
        }
    }
}

impl Dictionary for GrowingDictionary {
    fn len(&self) -> u32 {
        self.len
    }

    fn is_sorted(&self) -> bool {
        false
    }

    fn value(&self, id: u32) -> Value {
        self.store.value(id as usize, self.data_type)
    }

    fn decode(&self, ids: &[u32]) -> Values {
        self.store.decode(ids)
    }

    fn find(&self, value: &Value) -> Option<u32> {
        match &self.store {
            Store::Int(s) => self.find_number(value, |id| s.get(id)),
            Store::Long(s) => self.find_number(value, |id| s.get(id)),
            Store::Float(s) => self.find_number(value, |id| s.get(id)),
            Store::Double(s) => self.find_number(value, |id| s.get(id)),
            Store::Var(arena, kind) => {
                let bytes = var::bytes_of(value)?;
                let tag = (kind.hash(&bytes) >> 32) as u32;
                self.find_bytes(tag, |id| kind.same(arena.get(id), &bytes))
            }
        }
    }

    fn range(&self, lower: &Bound, upper: &Bound) -> IdSet {
        fn numbers<T: Number>(len: u32, limits: &Limits<'_>, get: impl Fn(u32) -> T) -> IdSet {
            match limits.numbers::<T>() {
                Some(test) => IdSet::from_test(len, |id| test.contains(get(id))),
                None => IdSet::none(),
            }
        }
        let limits = Limits { lower, upper };
        match &self.store {
            Store::Int(s) => numbers(self.len, &limits, |id| s.get(id as usize)),
            Store::Long(s) => numbers(self.len, &limits, |id| s.get(id as usize)),
            Store::Float(s) => numbers(self.len, &limits, |id| s.get(id as usize)),
            Store::Double(s) => numbers(self.len, &limits, |id| s.get(id as usize)),
            Store::Var(arena, kind) => {
                let test = limits.bytes(*kind);
                IdSet::from_test(self.len, |id| test.contains(arena.get(id as usize)))
            }
        }
    }

    fn matching_text(&self, test: &mut dyn FnMut(&str) -> bool) -> IdSet {
        if !matches!(self.store, Store::Var(_, VarKind::Text)) {
            return IdSet::none();
        }
        IdSet::from_test(self.len, |id| test(self.text(id)))
    }
}
