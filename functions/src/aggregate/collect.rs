//! ARRAYAGG and LISTAGG: all values in the order of their rows.
//!
//! Must not know: ORDER BY inside the call, rows arrive ordered. Invariant: parts append in the order of merging; with
//! distinct the first of equal values stays.

use ahash::RandomState;
use common::{Block, ColumnType, DataType, Value};
use hashbrown::HashSet;

use super::bytes::{Reader, put_len};
use super::values::{put_value, read_value};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["arrayagg"],
        numbered: false,
        doc: "The values as an array: ARRAY_AGG(x, 'TYPE' [, distinct]).",
        bind: bind_array,
    },
    AggregateRow {
        names: &["listagg"],
        numbered: false,
        doc: "The texts joined by a separator: LISTAGG(x, ',' [, distinct]).",
        bind: bind_list,
    },
];

enum Answer {
    Array,
    Text(String),
}

struct Collect {
    answer: Answer,
    data_type: DataType,
    distinct: bool,
    null_of_nothing: bool,
}

/// The values, and which are held where distinct.
#[derive(Default)]
struct Held {
    values: Vec<Value>,
    known: HashSet<Vec<u8>, RandomState>,
}

fn distinct(call: &AggregateCall<'_>) -> Result<bool, FunctionError> {
    if call.arguments.len() < 3 {
        return Ok(false);
    }
    let value = arguments::literal(call, 2)?.cast(DataType::Boolean)?;
    Ok(matches!(value, Value::Boolean(true)))
}

fn bind_array(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=3)?;
    let data_type = match arguments::text(call, 1)? {
        Some(name) => name
            .parse::<DataType>()
            .map_err(|error| arguments::refused(call, &error.to_string()))?,
        None => arguments::data_type(call, 0),
    };
    Ok(erased(Collect {
        answer: Answer::Array,
        data_type,
        distinct: distinct(call)?,
        null_of_nothing: call.null_handling && arguments::multi_stage(call),
    }))
}

fn bind_list(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=3)?;
    let separator = arguments::text(call, 1)?.unwrap_or(",").to_owned();
    Ok(erased(Collect {
        answer: Answer::Text(separator),
        data_type: DataType::String,
        distinct: distinct(call)?,
        null_of_nothing: call.null_handling || arguments::multi_stage(call),
    }))
}

impl Collect {
    fn push(&self, state: &mut Held, value: Value) {
        if self.distinct {
            let mut bytes = Vec::new();
            put_value(&mut bytes, &value);
            if !state.known.insert(bytes) {
                return;
            }
        }
        state.values.push(value);
    }
}

impl Aggregate for Collect {
    type State = Held;

    fn returns(&self) -> ColumnType {
        match self.answer {
            Answer::Array => ColumnType::mv(self.data_type),
            Answer::Text(_) => DataType::String.into(),
        }
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Held {
        Held::default()
    }

    fn update(
        &self,
        states: &mut [Held],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let multi = inputs[0].column_type().multi;
        let block = inputs[0].cast(ColumnType {
            data_type: self.data_type,
            multi,
        })?;
        let leaves = rows::leaves(&block);
        rows::each_at(&block, groups, |group, item| {
            self.push(&mut states[group], leaves.get(item, self.data_type));
        });
        Ok(())
    }

    fn merge(&self, into: &mut Held, mut from: Held) -> Result<(), FunctionError> {
        if self.distinct {
            for value in from.values {
                self.push(into, value);
            }
        } else {
            into.values.append(&mut from.values);
        }
        Ok(())
    }

    fn save(&self, state: &Held, out: &mut Vec<u8>) {
        put_len(out, state.values.len());
        state.values.iter().for_each(|value| put_value(out, value));
    }

    fn load(&self, bytes: &[u8]) -> Result<Held, FunctionError> {
        let mut reader = Reader::new(bytes);
        let mut state = Held::default();
        for _ in 0..reader.len(1)? {
            let value = read_value(&mut reader, self.data_type)?;
            self.push(&mut state, value);
        }
        reader.end(state)
    }

    fn finish(&self, state: &Held) -> Value {
        if state.values.is_empty() && self.null_of_nothing {
            return Value::Null;
        }
        match &self.answer {
            Answer::Array => Value::Array(self.data_type, state.values.clone()),
            Answer::Text(separator) => {
                let texts: Vec<&str> = state.values.iter().filter_map(Value::as_str).collect();
                Value::String(texts.join(separator))
            }
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Held) -> usize {
        let text = |value: &Value| value.as_str().map_or(0, str::len);
        state.values.capacity() * size_of::<Value>() + state.values.iter().map(text).sum::<usize>()
    }
}
