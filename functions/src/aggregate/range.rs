//! MINMAXRANGE: the distance between the smallest and the greatest number.
//!
//! Must not know: which extreme came first. Invariant: nothing is -Infinity, or null with null handling.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::broken;
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["minmaxrange", "minmaxrangemv"],
    numbered: false,
    doc: "Greatest number minus smallest.",
    bind,
}];

struct Range {
    multi: bool,
    null_handling: bool,
}

/// Smallest and greatest so far; the smaller is the greater where nothing was seen.
struct Ends {
    min: f64,
    max: f64,
}

impl Ends {
    fn add(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (min, max) = bytes.split_at_checked(8)?;
        Some(Self {
            min: f64::from_be_bytes(min.try_into().ok()?),
            max: f64::from_be_bytes(max.try_into().ok()?),
        })
    }
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    if arguments::data_type(call, 0) != DataType::Bytes {
        arguments::expect_number(call, 0)?;
    }
    Ok(erased(Range {
        multi: arguments::is_multi(call, 0),
        null_handling: call.null_handling,
    }))
}

impl Aggregate for Range {
    type State = Ends;

    fn returns(&self) -> ColumnType {
        DataType::Double.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Ends {
        Ends {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    fn update(
        &self,
        states: &mut [Ends],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = &inputs[0];
        if let Values::Bytes(v) = block.values() {
            let mut wrong = false;
            rows::each_row(block, groups, |group, row| {
                match Ends::from_bytes(v.get(block.at(row))) {
                    Some(ends) => states[group].add(&ends),
                    None => wrong = true,
                }
            });
            return if wrong { Err(broken()) } else { Ok(()) };
        }
        rows::each_number(block, groups, |group, x| {
            let state = &mut states[group];
            state.min = state.min.min(x);
            state.max = state.max.max(x);
        })
    }

    fn merge(&self, into: &mut Ends, from: Ends) -> Result<(), FunctionError> {
        into.add(&from);
        Ok(())
    }

    fn save(&self, state: &Ends, out: &mut Vec<u8>) {
        out.extend(state.min.to_be_bytes());
        out.extend(state.max.to_be_bytes());
    }

    fn load(&self, bytes: &[u8]) -> Result<Ends, FunctionError> {
        Ends::from_bytes(bytes).ok_or_else(broken)
    }

    fn finish(&self, state: &Ends) -> Value {
        if self.null_handling && state.min > state.max {
            return Value::Null;
        }
        Value::Double(state.max - state.min)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first_multi(name, arguments, self.multi)
    }
}
