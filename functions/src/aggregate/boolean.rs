//! BOOL_AND and BOOL_OR.
//!
//! Nulls are skipped, except by the names with a `$`, which a window's frame asks by: there a null is neither true nor false,
//! as in three-valued logic. Must not know: rows before or after. Invariant: nothing is true for AND and false for OR, or
//! null with null handling.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_bool};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["booland", "$booland"],
        numbered: false,
        doc: "True where every value is.",
        bind: |call| bind(call, true),
    },
    AggregateRow {
        names: &["boolor", "$boolor"],
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
    /// A null among values that settle nothing makes the answer null.
    three_valued: bool,
}

struct Seen {
    value: bool,
    seen: bool,
    null: bool,
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
        three_valued: call.name.starts_with('$'),
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
            null: false,
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
        if self.three_valued && block.nulls().is_some() {
            groups.for_each(|row, group| states[group].null |= block.is_null(row));
        }
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
        into.null |= from.null;
        if from.value != self.neutral {
            into.value = from.value;
        }
        Ok(())
    }

    fn save(&self, state: &Seen, out: &mut Vec<u8>) {
        put_bool(out, state.value);
        put_bool(out, state.seen);
        if self.three_valued {
            put_bool(out, state.null);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Seen, FunctionError> {
        let mut reader = Reader::new(bytes);
        let state = Seen {
            value: reader.bool()?,
            seen: reader.bool()?,
            null: self.three_valued && reader.bool()?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Seen) -> Value {
        let open = state.null && state.value == self.neutral;
        if (self.null_handling && !state.seen) || open {
            Value::Null
        } else {
            Value::Boolean(state.value)
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{self, Dialect};
    use crate::scalar::Argument;

    fn answer(name: &str, values: &[Value]) -> Result<Value, FunctionError> {
        let arguments = [Argument {
            column_type: DataType::Boolean.into(),
            literal: None,
        }];
        let function = aggregate::bind(&AggregateCall {
            name,
            arguments: &arguments,
            null_handling: true,
            dialect: Dialect::MultiStage,
        })?;
        let mut state = function.grouped();
        state.grow(1);
        let block = Block::from_values(DataType::Boolean, values);
        state.update(Groups::One(values.len()), &[block])?;
        let mut bytes = Vec::new();
        state.save(0, &mut bytes);
        let mut merged = function.grouped();
        merged.grow(1);
        merged.load(0, &bytes)?;
        Ok(merged.finish(0))
    }

    #[test]
    fn a_null_in_a_frame_is_neither_true_nor_false() -> Result<(), FunctionError> {
        let (yes, no, null) = (Value::Boolean(true), Value::Boolean(false), Value::Null);
        for (name, values, expected) in [
            ("booland", [&yes, &null], &yes),
            ("$booland", [&yes, &null], &null),
            ("$booland", [&no, &null], &no),
            ("$boolor", [&no, &null], &null),
            ("$boolor", [&yes, &null], &yes),
            ("$boolor", [&null, &null], &null),
        ] {
            assert_eq!(
                &answer(name, &values.map(Clone::clone))?,
                expected,
                "{name}"
            );
        }
        Ok(())
    }
}
