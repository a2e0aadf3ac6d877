//! BOOL_AND and BOOL_OR.
//!
//! Must not know: three-valued logic; nulls are skipped. Invariant: nothing is true for AND and false for OR, or null with
//! null handling.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_bool};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["booland"],
        numbered: false,
        doc: "True where every value is.",
        bind: |call| bind(call, true),
    },
    AggregateRow {
        names: &["boolor"],
        numbered: false,
        doc: "True where any value is.",
        bind: |call| bind(call, false),
    },
];

struct Bool {
    /// The answer of nothing: true for AND.
    neutral: bool,
    /// Values of other types are taken for booleans.
    lenient: bool,
    null_handling: bool,
}

struct Seen {
    value: bool,
    seen: bool,
}

fn bind(
    call: &AggregateCall<'_>,
    neutral: bool,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    Ok(erased(Bool {
        neutral,
        lenient: arguments::multi_stage(call),
        null_handling: call.null_handling,
    }))
}

impl Aggregate for Bool {
    type State = Seen;

    fn returns(&self) -> ColumnType {
        DataType::Boolean.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Seen {
        Seen {
            value: self.neutral,
            seen: false,
        }
    }

    fn update(
        &self,
        states: &mut [Seen],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let neutral = self.neutral;
        let found = inputs[0].column_type().data_type;
        if !self.lenient && !matches!(found, DataType::Boolean | DataType::Unknown) {
            let name = if neutral { "boolAnd" } else { "boolOr" };
            return Err(FunctionError::Evaluation(format!(
                "Unsupported data type {name} for {found}"
            )));
        }
        let block = inputs[0].cast(ColumnType {
            data_type: DataType::Boolean,
            multi: inputs[0].column_type().multi,
        })?;
        rows::each_number(&block, groups, |group, x| {
            let state = &mut states[group];
            state.seen = true;
            if (x != 0.0) != neutral {
                state.value = !neutral;
            }
        })
    }

    fn merge(&self, into: &mut Seen, from: Seen) -> Result<(), FunctionError> {
        into.seen |= from.seen;
        if from.value != self.neutral {
            into.value = from.value;
        }
        Ok(())
    }

    fn save(&self, state: &Seen, out: &mut Vec<u8>) {
        put_bool(out, state.value);
        put_bool(out, state.seen);
    }

    fn load(&self, bytes: &[u8]) -> Result<Seen, FunctionError> {
        let mut reader = Reader::new(bytes);
        let state = Seen {
            value: reader.bool()?,
            seen: reader.bool()?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Seen) -> Value {
        if self.null_handling && !state.seen {
            Value::Null
        } else {
            Value::Boolean(state.value)
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}
