//! MINSTRING, MAXSTRING and ANYVALUE: one value out of many.
//!
//! Must not know: numbers. Invariant: nothing is null in either null mode; of several values ANYVALUE answers the smallest,
//! so that merging in any order answers the same.

use std::cmp::Ordering;

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{broken, put_bytes};
use super::values::{put_value, read_value};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["minstring"],
        numbered: false,
        doc: "First text in order.",
        bind: |call| bind(call, Ordering::Less, DataType::String),
    },
    AggregateRow {
        names: &["maxstring"],
        numbered: false,
        doc: "Last text in order.",
        bind: |call| bind(call, Ordering::Greater, DataType::String),
    },
    AggregateRow {
        names: &["anyvalue"],
        numbered: false,
        doc: "Any of the values.",
        bind: |call| {
            let found = arguments::data_type(call, 0);
            let returns = if arguments::multi_stage(call) {
                found
            } else {
                DataType::String
            };
            bind(call, Ordering::Less, returns)
        },
    },
];

struct One {
    wanted: Ordering,
    returns: DataType,
    /// What is kept: numbers as they are, although the answer is text.
    kept: DataType,
}

fn bind(
    call: &AggregateCall<'_>,
    wanted: Ordering,
    returns: DataType,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    let found = arguments::data_type(call, 0);
    let ordered = found.is_numeric();
    Ok(erased(One {
        wanted,
        returns,
        kept: if ordered { found } else { returns },
    }))
}

impl One {
    fn offer(&self, state: &mut Option<Value>, value: Value) {
        if state
            .as_ref()
            .is_none_or(|held| value.total_cmp(held) == self.wanted)
        {
            *state = Some(value);
        }
    }

    /// The value in the type that is kept; text shows BOOLEAN and TIMESTAMP as their stored numbers.
    fn typed(&self, value: Value) -> Result<Value, FunctionError> {
        let stored = match value {
            Value::Boolean(v) if self.kept == DataType::String => Value::Int(i32::from(v)),
            Value::Timestamp(v) if self.kept == DataType::String => Value::Long(v),
            other => other,
        };
        Ok(stored.cast(self.kept)?)
    }
}

impl Aggregate for One {
    type State = Option<Value>;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Option<Value> {
        None
    }

    fn update(
        &self,
        states: &mut [Option<Value>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = &inputs[0];
        let data_type = block.column_type().data_type;
        let leaves = rows::leaves(block);
        let mut failed = Ok(());
        rows::each_at(block, groups, |group, item| {
            match self.typed(leaves.get(item, data_type)) {
                Ok(value) => self.offer(&mut states[group], value),
                Err(error) => failed = Err(error),
            }
        });
        failed
    }

    fn merge(&self, into: &mut Option<Value>, from: Option<Value>) -> Result<(), FunctionError> {
        if let Some(value) = from {
            self.offer(into, value);
        }
        Ok(())
    }

    fn save(&self, state: &Option<Value>, out: &mut Vec<u8>) {
        if let Some(value) = state {
            let mut bytes = Vec::new();
            put_value(&mut bytes, value);
            put_bytes(out, &bytes);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Option<Value>, FunctionError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut reader = super::bytes::Reader::new(bytes);
        let mut inner = super::bytes::Reader::new(reader.bytes().map_err(|_| broken())?);
        let value = read_value(&mut inner, self.kept)?;
        reader.end(Some(value))
    }

    fn finish(&self, state: &Option<Value>) -> Value {
        match state {
            Some(value) if self.kept != self.returns => Value::String(value.to_text()),
            Some(value) => value.clone(),
            None => Value::Null,
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Option<Value>) -> usize {
        state.as_ref().and_then(Value::as_str).map_or(0, str::len)
    }
}
