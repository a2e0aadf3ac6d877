//! PERCENTILE, exact: keeps every number.
//!
//! Must not know: approximate forms. Invariant: the answer is one of the numbers, the one at floor(n * p / 100) of their order.

use common::value::compare_doubles;
use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_f64, put_len};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["percentile", "percentilemv"],
    numbered: true,
    doc: "Exact percentile: PERCENTILE(x, 99) or PERCENTILE99(x).",
    bind,
}];

struct Percentile {
    percentile: f64,
    returns: DataType,
    named_multi: bool,
    null_of_nothing: bool,
}

/// The percentile of a call: the number in the name or the second argument; parameters follow at the returned position.
pub(crate) fn percentile_of(call: &AggregateCall<'_>) -> Result<(f64, usize), FunctionError> {
    let (percentile, next) = match arguments::name_number(call.name) {
        Some(number) => (number, 1),
        None => match arguments::number(call, 1)? {
            Some(number) => (number, 2),
            None => {
                return Err(arguments::refused(
                    call,
                    "expects a percentile as argument 2",
                ));
            }
        },
    };
    if (0.0..=100.0).contains(&percentile) {
        Ok((percentile, next))
    } else {
        Err(FunctionError::Argument(format!(
            "Invalid percentile: {}",
            common::java_text::double_text(percentile)
        )))
    }
}

/// The number at a percentile; reorders the numbers. `None` without numbers.
pub(crate) fn select(numbers: &mut [f64], percentile: f64) -> Option<f64> {
    let last = numbers.len().checked_sub(1)?;
    let index = if percentile >= 100.0 {
        last
    } else {
        ((numbers.len() as f64 * percentile / 100.0) as usize).min(last)
    };
    Some(
        *numbers
            .select_nth_unstable_by(index, |a, b| compare_doubles(*a, *b))
            .1,
    )
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=2)?;
    let (percentile, next) = percentile_of(call)?;
    arguments::expect_count(call, next..=next)?;
    let named_multi = arguments::named_multi(call);
    let multi_stage = arguments::multi_stage(call) && !named_multi;
    Ok(erased(Percentile {
        percentile,
        returns: match arguments::data_type(call, 0) {
            found if multi_stage && found.is_numeric() => found,
            DataType::Timestamp if multi_stage => DataType::Timestamp,
            _ => DataType::Double,
        },
        named_multi,
        null_of_nothing: (call.null_handling && !named_multi) || multi_stage,
    }))
}

impl Aggregate for Percentile {
    type State = Vec<f64>;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        !self.named_multi
    }

    fn start(&self) -> Vec<f64> {
        Vec::new()
    }

    fn update(
        &self,
        states: &mut [Vec<f64>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        if let Groups::One(rows) = groups {
            states[0].reserve(rows);
        }
        let add = |group: usize, x: f64| states[group].push(x);
        if self.named_multi {
            rows::each_number(&rows::filled(&inputs[0]), groups, add)
        } else {
            rows::each_number(&inputs[0], groups, add)
        }
    }

    fn merge(&self, into: &mut Vec<f64>, mut from: Vec<f64>) -> Result<(), FunctionError> {
        if from.len() > into.len() {
            std::mem::swap(into, &mut from);
        }
        into.append(&mut from);
        Ok(())
    }

    fn save(&self, state: &Vec<f64>, out: &mut Vec<u8>) {
        put_len(out, state.len());
        state.iter().for_each(|x| put_f64(out, *x));
    }

    fn load(&self, bytes: &[u8]) -> Result<Vec<f64>, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(8)?;
        let numbers = (0..len).map(|_| reader.f64()).collect::<Result<_, _>>()?;
        reader.end(numbers)
    }

    fn finish(&self, state: &Vec<f64>) -> Value {
        match select(&mut state.clone(), self.percentile) {
            Some(number) => arguments::number_as(number, self.returns),
            None if self.null_of_nothing => Value::Null,
            None => Value::Double(f64::NEG_INFINITY),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::percentile(name, arguments, self.percentile)
    }

    fn heap_bytes(&self, state: &Vec<f64>) -> usize {
        state.capacity() * 8
    }
}
