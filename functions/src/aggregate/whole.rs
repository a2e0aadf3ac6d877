//! SUMINT, SUMLONG, MINLONG and MAXLONG: whole numbers without a way through DOUBLE.
//!
//! Must not know: fractions. Invariant: sums wrap as Java's do; SUMINT makes an int of each value first.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_bool, put_i64};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

const fn row(
    names: &'static [&'static str],
    doc: &'static str,
    bind: fn(&AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError>,
) -> AggregateRow {
    AggregateRow {
        names,
        numbered: false,
        doc,
        bind,
    }
}

pub(crate) static ROWS: &[AggregateRow] = &[
    row(
        &["sumlong"],
        "Sum of whole numbers as LONG; wraps.",
        |call| bind(call, Join::Sum),
    ),
    row(
        &["sumint"],
        "Sum of whole numbers as LONG, each of them as an INT.",
        |call| bind(call, Join::SumInt),
    ),
    row(&["minlong"], "Smallest whole number.", |call| {
        bind(call, Join::Min)
    }),
    row(&["maxlong"], "Greatest whole number.", |call| {
        bind(call, Join::Max)
    }),
];

#[derive(Clone, Copy)]
enum Join {
    Sum,
    SumInt,
    Min,
    Max,
}

impl Join {
    fn join(self, a: i64, b: i64) -> i64 {
        match self {
            Self::Sum | Self::SumInt => a.wrapping_add(b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }

    fn nothing(self) -> i64 {
        match self {
            Self::Sum | Self::SumInt => 0,
            Self::Min => i64::MAX,
            Self::Max => i64::MIN,
        }
    }
}

struct Whole {
    join: Join,
    null_handling: bool,
}

struct Joined {
    value: i64,
    seen: bool,
}

fn bind(call: &AggregateCall<'_>, join: Join) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    match arguments::data_type(call, 0) {
        // Read as numbers where there are rows.
        DataType::String | DataType::Json if !arguments::multi_stage(call) => {}
        _ => arguments::expect_number(call, 0)?,
    }
    let null_handling = call.null_handling;
    Ok(erased(Whole {
        join,
        null_handling,
    }))
}

impl Whole {
    fn add(
        join: Join,
        states: &mut [Joined],
        groups: Groups<'_>,
        block: &Block,
    ) -> Result<(), FunctionError> {
        rows::each_long(block, groups, |group, x| {
            let state = &mut states[group];
            state.value = join.join(state.value, x);
            state.seen = true;
        })
    }
}

/// Each value as Java makes an `int` of it.
fn as_ints(block: &Block) -> Result<Block, FunctionError> {
    if block.column_type().multi {
        return Err(FunctionError::Evaluation(
            "SUMINT expects one value a row, not an array".to_owned(),
        ));
    }
    Ok(block.cast(DataType::Int.into())?)
}

impl Aggregate for Whole {
    type State = Joined;

    fn returns(&self) -> ColumnType {
        DataType::Long.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Joined {
        Joined {
            value: self.join.nothing(),
            seen: false,
        }
    }

    fn update(
        &self,
        states: &mut [Joined],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        // One loop each, so that the way of joining is settled outside of it.
        match self.join {
            Join::Sum => Self::add(Join::Sum, states, groups, &inputs[0]),
            Join::SumInt => {
                let ints = as_ints(&inputs[0])?;
                Self::add(Join::Sum, states, groups, &ints)
            }
            Join::Min => Self::add(Join::Min, states, groups, &inputs[0]),
            Join::Max => Self::add(Join::Max, states, groups, &inputs[0]),
        }
    }

    fn merge(&self, into: &mut Joined, from: Joined) -> Result<(), FunctionError> {
        into.value = self.join.join(into.value, from.value);
        into.seen |= from.seen;
        Ok(())
    }

    fn save(&self, state: &Joined, out: &mut Vec<u8>) {
        put_i64(out, state.value);
        put_bool(out, state.seen);
    }

    fn load(&self, bytes: &[u8]) -> Result<Joined, FunctionError> {
        let mut reader = Reader::new(bytes);
        let state = Joined {
            value: reader.i64()?,
            seen: reader.bool()?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Joined) -> Value {
        if self.null_handling && !state.seen {
            Value::Null
        } else {
            Value::Long(state.value)
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}
