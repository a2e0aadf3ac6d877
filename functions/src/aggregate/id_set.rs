//! ID_SET, FREQUENTSTRINGSSKETCH and FREQUENTLONGSSKETCH: sets and counts as base64, for other functions to read.
//!
//! Must not know: who reads them. Invariant: an id set's first byte is its kind: 0 empty, 1 a roaring bitmap of INT, 2 one of
//! LONG, 4 exact values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Block, ColumnType, DataType, Value};
use datasketches::frequencies::{FrequentItemValue, FrequentItemsSketch};
use roaring::{RoaringBitmap, RoaringTreemap};

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
            Ok(erased(IdSet))
        },
    },
    AggregateRow {
        names: &["frequentstringssketch"],
        numbered: false,
        doc: "Sketch of the most frequent texts, parameter maxMapSize = 256, as base64.",
        bind: |call| {
            bind_frequent(call, |item| match item {
                Item::Text(v) => Some(v.to_owned()),
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
                Item::Long(v) => Some(v),
                Item::Float(v) => Some(v as i64),
                Item::Double(v) => Some(v as i64),
                _ => None,
            })
        },
    },
];

struct IdSet;

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
        let mut out = Vec::new();
        // Writing to a vector does not fail.
        let written = match state {
            DistinctSet::Empty => {
                out.push(0);
                Ok(())
            }
            DistinctSet::Int(set) => {
                out.push(1);
                set.iter()
                    .map(|x| *x as u32)
                    .collect::<RoaringBitmap>()
                    .serialize_into(&mut out)
            }
            DistinctSet::Long(set) => {
                out.push(2);
                set.iter()
                    .map(|x| *x as u64)
                    .collect::<RoaringTreemap>()
                    .serialize_into(&mut out)
            }
            other => {
                out.push(4);
                other.save(&mut out);
                Ok(())
            }
        };
        written.map_or(Value::Null, |()| Value::String(STANDARD.encode(out)))
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
