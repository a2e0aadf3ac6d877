//! LISTAGG with an order of its own: texts joined in the order of keys.
//!
//! Must not know: SQL. Invariant: rows of equal keys stay in the order in which they came; nulls are the greatest keys.

use std::cmp::Ordering;

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_len};
use super::values::{put_value, read_value};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["$listagg"],
    numbered: false,
    doc: "What `LISTAGG(x, ',') WITHIN GROUP (ORDER BY ..)` stands for: text, separator, settings, keys.",
    bind,
}];

struct OrderedList {
    separator: String,
    distinct: bool,
    /// Of each key: its type, and whether it descends.
    keys: Vec<(ColumnType, bool)>,
}

/// A text with its keys.
type Entry = (Vec<Value>, String);

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 3..=usize::MAX)?;
    let separator = arguments::text(call, 1)?.unwrap_or(",").to_owned();
    let settings = arguments::text(call, 2)?.unwrap_or_default();
    let directions = settings.trim_start_matches('d').chars();
    let types = call.arguments.iter().skip(3).map(|a| a.column_type);
    Ok(erased(OrderedList {
        separator,
        distinct: settings.starts_with('d'),
        keys: types.zip(directions.map(|sign| sign == '-')).collect(),
    }))
}

impl OrderedList {
    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        for ((x, y), (_, descends)) in a.0.iter().zip(&b.0).zip(&self.keys) {
            let order = match (x.is_null(), y.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => x.total_cmp(y),
            };
            let order = if *descends { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

impl Aggregate for OrderedList {
    type State = Vec<Entry>;

    fn returns(&self) -> ColumnType {
        DataType::String.into()
    }

    fn inputs(&self) -> Vec<usize> {
        let keys = 3..3 + self.keys.len();
        std::iter::once(0).chain(keys).collect()
    }

    fn start(&self) -> Self::State {
        Vec::new()
    }

    fn update(
        &self,
        states: &mut [Self::State],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let Some((texts, keys)) = inputs.split_first() else {
            return Ok(());
        };
        let texts = texts.cast(DataType::String.into())?;
        groups.for_each(|row, group| {
            if !texts.is_null(row)
                && let Value::String(text) = texts.value(row)
            {
                let keys = keys.iter().map(|key| key.value(row)).collect();
                states[group].push((keys, text));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Self::State, mut from: Self::State) -> Result<(), FunctionError> {
        into.append(&mut from);
        Ok(())
    }

    fn save(&self, state: &Self::State, out: &mut Vec<u8>) {
        put_len(out, state.len());
        for (keys, text) in state {
            keys.iter().for_each(|key| put_value(out, key));
            put_value(out, &Value::String(text.clone()));
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Self::State, FunctionError> {
        let mut reader = Reader::new(bytes);
        let mut state = Vec::new();
        for _ in 0..reader.len(1)? {
            let mut keys = Vec::with_capacity(self.keys.len());
            for (column_type, _) in &self.keys {
                keys.push(read_value(&mut reader, column_type.data_type)?);
            }
            let text = read_value(&mut reader, DataType::String)?;
            state.push((keys, text.to_text()));
        }
        reader.end(state)
    }

    fn finish(&self, state: &Self::State) -> Value {
        if state.is_empty() {
            return Value::Null;
        }
        let mut entries: Vec<&Entry> = state.iter().collect();
        entries.sort_by(|a, b| self.compare(a, b));
        let mut texts: Vec<&str> = Vec::with_capacity(entries.len());
        let mut known = std::collections::HashSet::new();
        for (_, text) in entries {
            if !self.distinct || known.insert(text) {
                texts.push(text);
            }
        }
        Value::String(texts.join(&self.separator))
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        let entry = |(keys, text): &Entry| keys.capacity() * size_of::<Value>() + text.capacity();
        state.capacity() * size_of::<Entry>() + state.iter().map(entry).sum::<usize>()
    }
}
