//! ID_SET, FREQUENTSTRINGSSKETCH and FREQUENTLONGSSKETCH: sets and counts as base64, for other functions to read.
//!
//! Must not know: who reads them. Invariant: an id set's first byte is its kind: 0 empty, 1 a roaring bitmap of INT, 2 one of
//! LONG, 3 a Bloom filter of anything else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Block, ColumnType, DataType, Value};
use datasketches::frequencies::{FrequentItemValue, FrequentItemsSketch};

use super::bytes::{Reader, broken};
use super::distinct_set::DistinctSet;
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;
use crate::sketch::Item;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["idset"],
        numbered: false,
        doc: "The values as a set for IN_ID_SET, as base64.",
        bind: |call| {
            arguments::expect_count(call, 1..=2)?;
            Ok(erased(IdSet {
                data_type: arguments::data_type(call, 0),
            }))
        },
    },
    AggregateRow {
        names: &["frequentstringssketch"],
        numbered: false,
        doc: "Sketch of the most frequent texts, parameter maxMapSize = 256, as base64.",
        bind: |call| {
            bind_frequent(call, |item| match item {
                Item::Text(v) => Some(v.to_owned()),
                Item::Int(v) => Some(v.to_string()),
                Item::Long(v) => Some(v.to_string()),
                Item::Float(v) => Some(common::java_text::float_text(v)),
                Item::Double(v) => Some(common::java_text::double_text(v)),
                Item::Bytes(_) => None,
            })
        },
    },
    AggregateRow {
        names: &["frequentlongssketch"],
        numbered: false,
        doc: "Sketch of the most frequent whole numbers, parameter maxMapSize = 256, as base64.",
        bind: |call| {
            bind_frequent(call, |item| match item {
                Item::Int(v) => Some(v.into()),
                Item::Long(v) => Some(v),
                Item::Float(v) => Some(v as i64),
                Item::Double(v) => Some(v as i64),
                _ => None,
            })
        },
    },
];

struct IdSet {
    data_type: DataType,
}

impl IdSet {
    /// An item as a value of the argument's type.
    fn value(&self, item: Item<'_>) -> Value {
        match item {
            Item::Int(v) => Value::Long(v.into()),
            Item::Long(v) => Value::Long(v),
            Item::Float(v) => Value::Float(v),
            Item::Double(v) if self.data_type == DataType::Float => Value::Float(v as f32),
            Item::Double(v) => Value::Double(v),
            Item::Text(v) => Value::String(v.to_owned()),
            Item::Bytes(v) if self.data_type == DataType::Bytes => Value::Bytes(v.to_vec()),
            Item::Bytes(v) => Value::String(String::from_utf8_lossy(v).into_owned()),
        }
    }
}

impl Aggregate for IdSet {
    type State = DistinctSet;

    fn returns(&self) -> ColumnType {
        DataType::String.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> DistinctSet {
        DistinctSet::Empty
    }

    fn update(
        &self,
        states: &mut [DistinctSet],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        DistinctSet::add_all(states, groups, &rows::filled(&inputs[0]), |set| set);
        Ok(())
    }

    fn merge(&self, into: &mut DistinctSet, from: DistinctSet) -> Result<(), FunctionError> {
        into.merge(from)
    }

    fn save(&self, state: &DistinctSet, out: &mut Vec<u8>) {
        state.save(out);
    }

    fn load(&self, bytes: &[u8]) -> Result<DistinctSet, FunctionError> {
        let mut reader = Reader::new(bytes);
        let set = DistinctSet::read(&mut reader)?;
        reader.end(set)
    }

    fn finish(&self, state: &DistinctSet) -> Value {
        if matches!(state, DistinctSet::Empty) {
            return Value::String(crate::id_set::IdSet::Empty.to_base64());
        }
        let mut set = crate::id_set::IdSet::create(self.data_type);
        state.each_item(|item| set.add(&self.value(item)));
        Value::String(set.to_base64())
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &DistinctSet) -> usize {
        state.heap_bytes()
    }
}

struct Frequent<T> {
    size: usize,
    item: fn(Item<'_>) -> Option<T>,
}

fn bind_frequent<T>(
    call: &AggregateCall<'_>,
    item: fn(Item<'_>) -> Option<T>,
) -> Result<Box<dyn AggregateFunction>, FunctionError>
where
    T: FrequentItemValue + Clone + Send + Sync + 'static,
{
    arguments::expect_count(call, 1..=2)?;
    let size = arguments::whole(call, 1, 256, 8..=1 << 20)? as usize;
    Ok(erased(Frequent {
        size: size.next_power_of_two(),
        item,
    }))
}

impl<T> Aggregate for Frequent<T>
where
    T: FrequentItemValue + Clone + Send + Sync + 'static,
{
    type State = Option<FrequentItemsSketch<T>>;

    fn returns(&self) -> ColumnType {
        DataType::String.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Self::State {
        FrequentItemsSketch::new(self.size).ok()
    }

    fn update(
        &self,
        states: &mut [Self::State],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        rows::each_item(&rows::filled(&inputs[0]), groups, |group, item| {
            if let (Some(sketch), Some(item)) = (&mut states[group], (self.item)(item)) {
                sketch.update(item);
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), FunctionError> {
        if let (Some(into), Some(from)) = (into, from) {
            into.merge(&from);
        }
        Ok(())
    }

    fn save(&self, state: &Self::State, out: &mut Vec<u8>) {
        if let Some(sketch) = state {
            out.extend(sketch.serialize());
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Self::State, FunctionError> {
        FrequentItemsSketch::deserialize(bytes)
            .map(Some)
            .map_err(|_| broken())
    }

    fn finish(&self, state: &Self::State) -> Value {
        state.as_ref().map_or(Value::Null, |sketch| {
            Value::String(STANDARD.encode(sketch.serialize()))
        })
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}
