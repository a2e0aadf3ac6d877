//! COVAR_POP and COVAR_SAMP.
//!
//! Must not know: single columns, see the moments. Invariant: every row counts; a null is the default of its type.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::{Reader, put_f64};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["covarpop"],
        numbered: false,
        doc: "Covariance of the population.",
        bind: |call| bind(call, 0.0),
    },
    AggregateRow {
        names: &["covarsamp"],
        numbered: false,
        doc: "Covariance of a sample.",
        bind: |call| bind(call, 1.0),
    },
];

struct Covariance {
    /// Taken off the count: 1 for a sample.
    less: f64,
    returns: DataType,
    null_handling: bool,
}

#[derive(Default)]
struct Sums {
    n: f64,
    x: f64,
    y: f64,
    xy: f64,
}

impl Sums {
    fn add(&mut self, (x, y): (f64, f64)) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xy += x * y;
    }

    fn merge(&mut self, from: &Self) {
        self.n += from.n;
        self.x += from.x;
        self.y += from.y;
        self.xy += from.xy;
    }
}

fn bind(call: &AggregateCall<'_>, less: f64) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 2..=2)?;
    arguments::expect_readable(call, 0)?;
    arguments::expect_readable(call, 1)?;
    arguments::expect_no_decimal(call, 0)?;
    arguments::expect_no_decimal(call, 1)?;
    let found = arguments::data_type(call, 0);
    Ok(erased(Covariance {
        less,
        // The multi-stage engine types the answer as the first argument.
        returns: if arguments::multi_stage(call) && found.is_numeric() {
            found
        } else {
            DataType::Double
        },
        null_handling: call.null_handling,
    }))
}

impl Aggregate for Covariance {
    type State = Sums;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Sums {
        Sums::default()
    }

    fn update(
        &self,
        states: &mut [Sums],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let left = rows::filled(&inputs[0]).cast(DataType::Double.into())?;
        let right = rows::filled(&inputs[1]).cast(DataType::Double.into())?;
        let (Values::Double(xs), Values::Double(ys)) = (left.values(), right.values()) else {
            return Ok(());
        };
        let at = |row| (xs[left.at(row)], ys[right.at(row)]);
        match groups {
            // A block's own sums first: sums of large numbers lose other digits in another order.
            Groups::One(rows) => {
                let mut own = Sums::default();
                (0..rows).for_each(|row| own.add(at(row)));
                states[0].merge(&own);
            }
            Groups::Each(_) => groups.for_each(|row, group| states[group].add(at(row))),
        }
        Ok(())
    }

    fn merge(&self, into: &mut Sums, from: Sums) -> Result<(), FunctionError> {
        into.merge(&from);
        Ok(())
    }

    fn save(&self, state: &Sums, out: &mut Vec<u8>) {
        for x in [state.n, state.x, state.y, state.xy] {
            put_f64(out, x);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Sums, FunctionError> {
        let mut reader = Reader::new(bytes);
        let state = Sums {
            n: reader.f64()?,
            x: reader.f64()?,
            y: reader.f64()?,
            xy: reader.f64()?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Sums) -> Value {
        let covariance = if state.n == 0.0 || state.n - self.less <= 0.0 {
            f64::NEG_INFINITY
        } else {
            let rows = state.n - self.less;
            state.xy / rows - state.x * state.y / (state.n * rows)
        };
        arguments::number_as(covariance, self.returns)
    }

    fn finish_group(&self, state: &Sums) -> Value {
        if state.n == 0.0 && self.null_handling {
            return Value::Null;
        }
        self.finish(state)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::tight(name, arguments)
    }
}
