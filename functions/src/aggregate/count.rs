//! COUNT and COUNTMV.
//!
//! Must not know: which rows passed the filter. Invariant: the answer is never null.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::{Reader, put_i64};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["count"],
        numbered: false,
        doc: "Number of rows; COUNT(x) leaves out nulls with null handling.",
        bind: |call| bind(call, false),
    },
    AggregateRow {
        names: &["countmv"],
        numbered: false,
        doc: "Number of elements of a multi-value.",
        bind: |call| bind(call, true),
    },
];

struct Count {
    elements: bool,
    /// Nulls are left out.
    argument: bool,
}

fn bind(
    call: &AggregateCall<'_>,
    elements: bool,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, usize::from(elements)..=1)?;
    let literal = call.arguments.first().is_some_and(|a| a.literal.is_some());
    let multi_stage = arguments::multi_stage(call) && !literal;
    let counted = call.null_handling && !literal;
    let argument = !call.arguments.is_empty() && (counted || multi_stage || elements);
    Ok(erased(Count { elements, argument }))
}

impl Aggregate for Count {
    type State = i64;

    fn returns(&self) -> ColumnType {
        DataType::Long.into()
    }

    fn inputs(&self) -> Vec<usize> {
        if self.argument { vec![0] } else { Vec::new() }
    }

    fn start(&self) -> i64 {
        0
    }

    fn update(
        &self,
        states: &mut [i64],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        match (inputs.first(), groups) {
            (Some(block), _) if self.elements && matches!(block.values(), Values::Array(_)) => {
                rows::each_row(block, groups, |group, row| {
                    if let Values::Array(array) = block.values() {
                        states[group] += array.range(block.at(row)).len() as i64;
                    }
                });
            }
            (Some(block), _) if block.nulls().is_some() => {
                rows::each_row(block, groups, |group, _| states[group] += 1);
            }
            (_, Groups::One(rows)) => states[0] += rows as i64,
            (_, Groups::Each(groups)) => {
                for group in groups {
                    states[*group as usize] += 1;
                }
            }
        }
        Ok(())
    }

    fn merge(&self, into: &mut i64, from: i64) -> Result<(), FunctionError> {
        *into = into.wrapping_add(from);
        Ok(())
    }

    fn save(&self, state: &i64, out: &mut Vec<u8>) {
        put_i64(out, *state);
    }

    fn load(&self, bytes: &[u8]) -> Result<i64, FunctionError> {
        let mut reader = Reader::new(bytes);
        let count = reader.i64()?;
        reader.end(count)
    }

    fn count_rows(&self, state: &mut i64, rows: i64) {
        *state = state.wrapping_add(rows);
    }

    fn finish(&self, state: &i64) -> Value {
        Value::Long(*state)
    }

    fn reads_values(&self) -> bool {
        self.elements
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        if self.argument {
            label::first(name, arguments)
        } else {
            format!("{name}(*)")
        }
    }
}
