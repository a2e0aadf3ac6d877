//! AVG and AVGMV.
//!
//! Must not know: exact decimals, averages are DOUBLE. Invariant: the state is Pinot's pair of sum and count, and its bytes
//! are those of Pinot's serialised pair, which BYTES arguments hold.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::broken;
use super::sum::whole_sum;
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["avg", "avgmv"],
    numbered: false,
    doc: "Mean of numbers.",
    bind,
}];

struct Average {
    multi: bool,
    null_of_nothing: bool,
    planned: Planned,
}

/// What the multi-stage engine's planner makes of an average: a quotient of a sum in the sum's own type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Planned {
    /// DOUBLE by DOUBLE.
    Double,
    /// The sum of whole numbers is a LONG, and ends where LONG does.
    Long,
    /// The sum of FLOATs is a FLOAT.
    Float,
    /// The mean of decimals is shown as one.
    Decimal,
}

/// Sum and count.
#[derive(Default)]
struct Pair {
    sum: f64,
    count: i64,
}

impl Pair {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (sum, count) = bytes.split_at_checked(8)?;
        Some(Self {
            sum: f64::from_be_bytes(sum.try_into().ok()?),
            count: i64::from_be_bytes(count.try_into().ok()?),
        })
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count = self.count.wrapping_add(other.count);
    }
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    if arguments::data_type(call, 0) != DataType::Bytes {
        arguments::expect_number(call, 0)?;
    }
    let named_multi = arguments::named_multi(call);
    let planned = match arguments::data_type(call, 0) {
        DataType::Int | DataType::Long if arguments::multi_stage(call) => Planned::Long,
        DataType::Float if arguments::multi_stage(call) && !named_multi => Planned::Float,
        DataType::BigDecimal if arguments::multi_stage(call) => Planned::Decimal,
        _ => Planned::Double,
    };
    Ok(erased(Average {
        multi: arguments::is_multi(call, 0),
        null_of_nothing: call.null_handling || (arguments::multi_stage(call) && !named_multi),
        planned,
    }))
}

impl Aggregate for Average {
    type State = Pair;

    fn returns(&self) -> ColumnType {
        match self.planned {
            Planned::Decimal => DataType::BigDecimal.into(),
            Planned::Double | Planned::Long | Planned::Float => DataType::Double.into(),
        }
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Pair {
        Pair::default()
    }

    fn update(
        &self,
        states: &mut [Pair],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = &inputs[0];
        if let Values::Bytes(v) = block.values() {
            let mut wrong = false;
            rows::each_row(block, groups, |group, row| {
                match Pair::from_bytes(v.get(block.at(row))) {
                    Some(pair) => states[group].add(&pair),
                    None => wrong = true,
                }
            });
            return if wrong { Err(broken()) } else { Ok(()) };
        }
        if let Groups::One(rows) = groups
            && let Some(sum) = whole_sum(block, rows)
        {
            states[0].add(&Pair {
                sum,
                count: rows as i64,
            });
            return Ok(());
        }
        rows::each_number(block, groups, |group, x| {
            let state = &mut states[group];
            state.sum += x;
            state.count += 1;
        })
    }

    fn merge(&self, into: &mut Pair, from: Pair) -> Result<(), FunctionError> {
        into.add(&from);
        Ok(())
    }

    fn save(&self, state: &Pair, out: &mut Vec<u8>) {
        out.extend(state.sum.to_be_bytes());
        out.extend(state.count.to_be_bytes());
    }

    fn load(&self, bytes: &[u8]) -> Result<Pair, FunctionError> {
        Pair::from_bytes(bytes).ok_or_else(broken)
    }

    fn finish(&self, state: &Pair) -> Value {
        if state.count > 0 {
            let mean = state.sum / state.count as f64;
            match self.planned {
                Planned::Double => Value::Double(mean),
                Planned::Long => Value::Double(state.sum as i64 as f64 / state.count as f64),
                Planned::Float => Value::Double(f64::from(state.sum as f32) / state.count as f64),
                Planned::Decimal => Value::Double(mean)
                    .cast(DataType::BigDecimal)
                    .unwrap_or(Value::Null),
            }
        } else if self.null_of_nothing || matches!(self.planned, Planned::Decimal) {
            // A BIG_DECIMAL has no infinity.
            Value::Null
        } else {
            Value::Double(f64::NEG_INFINITY)
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first_multi(name, arguments, self.multi)
    }
}
