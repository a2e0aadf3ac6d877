//! SUM, $SUM0 and SUMMV.
//!
//! Must not know: result types beyond its own. Invariant: sums are DOUBLE, as Pinot's are, whatever the answer's type; whole
//! numbers of a block are summed exactly before they join it.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::{Reader, put_bool, put_f64};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["sum", "sum0", "$sum0"],
        numbered: false,
        doc: "Sum of numbers.",
        bind,
    },
    AggregateRow {
        names: &["summv"],
        numbered: false,
        doc: "Sum of the elements of a multi-value.",
        bind,
    },
];

struct Sum {
    returns: DataType,
    multi: bool,
    null_of_nothing: bool,
}

/// A running sum.
pub(crate) struct Total {
    total: f64,
    seen: bool,
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    arguments::expect_number(call, 0)?;
    let multi_stage = arguments::multi_stage(call);
    Ok(erased(Sum {
        returns: match arguments::data_type(call, 0) {
            found if multi_stage && !arguments::named_multi(call) => sum_type(found),
            _ => DataType::Double,
        },
        multi: arguments::is_multi(call, 0),
        null_of_nothing: call.null_handling || (multi_stage && call.name == "sum"),
    }))
}

/// The type of a sum in the multi-stage engine.
pub(crate) fn sum_type(argument: DataType) -> DataType {
    match argument {
        DataType::Int | DataType::Long | DataType::Boolean | DataType::Timestamp => DataType::Long,
        DataType::BigDecimal => DataType::BigDecimal,
        DataType::Float => DataType::Float,
        _ => DataType::Double,
    }
}

/// The sum of a whole block without nulls; whole numbers exactly.
pub(crate) fn whole_sum(block: &Block, rows: usize) -> Option<f64> {
    if block.is_constant() || block.nulls().is_some() {
        return None;
    }
    Some(match block.values() {
        Values::Int(v) => v.iter().take(rows).map(|x| i64::from(*x)).sum::<i64>() as f64,
        Values::Long(v) => v.iter().take(rows).map(|x| i128::from(*x)).sum::<i128>() as f64,
        Values::Float(v) => v.iter().take(rows).map(|x| f64::from(*x)).sum(),
        Values::Double(v) => v.iter().take(rows).sum(),
        _ => return None,
    })
}

impl Aggregate for Sum {
    type State = Total;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Total {
        Total {
            total: 0.0,
            seen: false,
        }
    }

    fn update(
        &self,
        states: &mut [Total],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = &inputs[0];
        if let Groups::One(rows) = groups
            && let Some(sum) = whole_sum(block, rows)
        {
            states[0].total += sum;
            states[0].seen |= rows > 0;
            return Ok(());
        }
        rows::each_number(block, groups, |group, x| {
            let state = &mut states[group];
            state.total += x;
            state.seen = true;
        })
    }

    fn merge(&self, into: &mut Total, from: Total) -> Result<(), FunctionError> {
        into.total += from.total;
        into.seen |= from.seen;
        Ok(())
    }

    fn save(&self, state: &Total, out: &mut Vec<u8>) {
        put_f64(out, state.total);
        put_bool(out, state.seen);
    }

    fn load(&self, bytes: &[u8]) -> Result<Total, FunctionError> {
        let mut reader = Reader::new(bytes);
        let total = Total {
            total: reader.f64()?,
            seen: reader.bool()?,
        };
        reader.end(total)
    }

    fn finish(&self, state: &Total) -> Value {
        if self.null_of_nothing && !state.seen {
            return Value::Null;
        }
        arguments::number_as(state.total, self.returns)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        let name = if name.ends_with("sum0") { "sum" } else { name };
        label::first_multi(name, arguments, self.multi)
    }
}
