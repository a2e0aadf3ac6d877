//! FIRSTWITHTIME and LASTWITHTIME: the value at the smallest or greatest time.
//!
//! Must not know: time units. Invariant: of several values at the same time the greatest wins, so that merging in any order
//! answers the same.

use std::cmp::Ordering;

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_i64};
use super::values::{put_value, read_value};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["firstwithtime"],
        numbered: false,
        doc: "Value at the smallest time: FIRSTWITHTIME(x, time, 'TYPE').",
        bind: |call| bind(call, Ordering::Less),
    },
    AggregateRow {
        names: &["lastwithtime"],
        numbered: false,
        doc: "Value at the greatest time: LASTWITHTIME(x, time, 'TYPE').",
        bind: |call| bind(call, Ordering::Greater),
    },
];

struct WithTime {
    wanted: Ordering,
    returns: DataType,
    /// The type that the call names, through which a value of the multi-stage engine goes.
    named: DataType,
    /// A null is no value.
    skips_nulls: bool,
}

fn bind(
    call: &AggregateCall<'_>,
    wanted: Ordering,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 3..=3)?;
    let name = arguments::text(call, 2)?.unwrap_or_default();
    // The planner of the other engine goes by the argument's own type.
    let own = arguments::data_type(call, 0);
    let single = arguments::multi_stage(call) && !arguments::is_multi(call, 0);
    let stored = own.is_numeric() || matches!(own, DataType::Timestamp | DataType::Boolean);
    let named = match name.parse::<DataType>() {
        Ok(
            found @ (DataType::Boolean
            | DataType::Int
            | DataType::Long
            | DataType::Float
            | DataType::Double
            | DataType::String),
        ) => found,
        _ => {
            let what = format!(
                "expects BOOLEAN, INT, LONG, FLOAT, DOUBLE or STRING as argument 3, not `{name}`"
            );
            return Err(arguments::refused(call, &what));
        }
    };
    let returns = if single && stored && named != DataType::String {
        own
    } else {
        named
    };
    Ok(erased(WithTime {
        wanted,
        returns,
        named,
        skips_nulls: arguments::multi_stage(call) || call.null_handling,
    }))
}

impl WithTime {
    /// Values are read as they are stored: a TIMESTAMP as its milliseconds, a BOOLEAN as 0 or 1, of which only 1 is true.
    fn typed(&self, input: &Block) -> Result<Block, FunctionError> {
        let filled = rows::filled(input);
        let from = filled.column_type();
        let stored = match from.data_type {
            DataType::Timestamp => DataType::Long,
            DataType::Boolean => DataType::Int,
            other => other,
        };
        if self.named == from.data_type || from.multi {
            return Ok(filled.cast(self.returns.into())?);
        }
        if self.named != self.returns {
            // As stored, by way of the named type: of a LONG as INT the low half stays.
            let plain = filled.into_owned().retyped(ColumnType::sv(stored));
            let named = match self.named {
                DataType::Timestamp => DataType::Long,
                DataType::Boolean => DataType::Int,
                other => other,
            };
            let back = plain.cast(named.into())?.cast(stored.into())?;
            return Ok(back.retyped(ColumnType::sv(self.returns)));
        }
        let plain = filled.into_owned().retyped(ColumnType::sv(stored));
        if self.returns != DataType::Boolean || !stored.is_numeric() {
            return Ok(plain.cast(self.returns.into())?);
        }
        let flags = (0..plain.rows())
            .map(|row| i32::from(plain.value(row).as_i64() == Some(1)))
            .collect();
        Ok(Block::new(DataType::Boolean, common::Values::Int(flags)))
    }

    /// What stands for no row in the named type, in the type of the answer.
    fn unseen(&self) -> Value {
        match (self.named, self.returns) {
            (DataType::Float | DataType::Double, returns) => {
                arguments::number_as(f64::NAN, returns)
            }
            (DataType::Long, DataType::Int) => Value::Int(0),
            (DataType::Long, DataType::Timestamp) => Value::Timestamp(i64::MIN),
            (DataType::Long, returns) => arguments::number_as(i64::MIN as f64, returns),
            (DataType::Boolean, DataType::Int) => Value::Int(i32::MIN),
            (_, DataType::Boolean) => Value::Boolean(false),
            (_, returns) => arguments::number_as(f64::from(i32::MIN), returns),
        }
    }

    fn offer(&self, state: &mut Option<(i64, Value)>, time: i64, value: Value) {
        let better = state.as_ref().is_none_or(|(held_time, held)| {
            let order = time.cmp(held_time);
            order == self.wanted || (order == Ordering::Equal && value.total_cmp(held).is_gt())
        });
        if better {
            *state = Some((time, value));
        }
    }
}

impl Aggregate for WithTime {
    type State = Option<(i64, Value)>;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn sees_nulls(&self) -> bool {
        self.skips_nulls
    }

    fn start(&self) -> Self::State {
        None
    }

    fn update(
        &self,
        states: &mut [Self::State],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let values = self.typed(&inputs[0])?;
        let times = rows::filled(&inputs[1]).cast(DataType::Long.into())?;
        let nulls = inputs[0].nulls().is_some() && self.skips_nulls;
        groups.for_each(|row, group| {
            if nulls && inputs[0].is_null(row) {
                return;
            }
            let time = times.value(row).as_i64().unwrap_or(0);
            let state = &mut states[group];
            if state.as_ref().is_none_or(
                |(held, _)| matches!(time.cmp(held), o if o == self.wanted || o.is_eq()),
            ) {
                self.offer(state, time, values.value(row));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), FunctionError> {
        if let Some((time, value)) = from {
            self.offer(into, time, value);
        }
        Ok(())
    }

    fn save(&self, state: &Self::State, out: &mut Vec<u8>) {
        if let Some((time, value)) = state {
            put_i64(out, *time);
            put_value(out, value);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Self::State, FunctionError> {
        let mut reader = Reader::new(bytes);
        if reader.is_empty() {
            return Ok(None);
        }
        let state = (reader.i64()?, read_value(&mut reader, self.returns)?);
        reader.end(Some(state))
    }

    fn finish(&self, state: &Self::State) -> Value {
        match state {
            Some((_, value)) => value.clone(),
            None if self.named != self.returns => self.unseen(),
            None => match self.returns {
                DataType::Int => Value::Int(i32::MIN),
                DataType::Long => Value::Long(i64::MIN),
                DataType::Float => Value::Float(f32::NAN),
                DataType::Double => Value::Double(f64::NAN),
                DataType::Boolean => Value::Boolean(false),
                DataType::Timestamp => Value::Timestamp(i64::MIN),
                // Neither a NaN nor an extreme has a form in it.
                DataType::BigDecimal => Value::Null,
                _ => Value::String(String::new()),
            },
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::tight(name, arguments)
    }
}
