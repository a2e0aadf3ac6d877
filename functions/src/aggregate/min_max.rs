//! MIN, MAX and their multi-value forms.
//!
//! Must not know: text, see MINSTRING. Invariant: without null handling nothing is +Infinity or -Infinity, saturated in the
//! answer's type.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::{Reader, put_bool, put_f64};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["min", "minmv"],
        numbered: false,
        doc: "Smallest number.",
        bind: |call| bind::<Least>(call),
    },
    AggregateRow {
        names: &["max", "maxmv"],
        numbered: false,
        doc: "Greatest number.",
        bind: |call| bind::<Greatest>(call),
    },
];

trait Side: Send + Sync + 'static {
    const NOTHING: f64;
    fn pick(a: f64, b: f64) -> f64;
    fn pick_whole<T: Ord + Copy>(values: &[T]) -> Option<T>;
}

struct Least;
struct Greatest;

impl Side for Least {
    const NOTHING: f64 = f64::INFINITY;
    #[inline]
    fn pick(a: f64, b: f64) -> f64 {
        if b < a { b } else { a }
    }
    fn pick_whole<T: Ord + Copy>(values: &[T]) -> Option<T> {
        values.iter().copied().min()
    }
}

impl Side for Greatest {
    const NOTHING: f64 = f64::NEG_INFINITY;
    #[inline]
    fn pick(a: f64, b: f64) -> f64 {
        if b > a { b } else { a }
    }
    fn pick_whole<T: Ord + Copy>(values: &[T]) -> Option<T> {
        values.iter().copied().max()
    }
}

struct MinMax<S> {
    returns: DataType,
    multi: bool,
    null_handling: bool,
    side: std::marker::PhantomData<S>,
}

/// The extreme so far.
struct Extreme {
    value: f64,
    seen: bool,
}

fn bind<S: Side>(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    arguments::expect_number(call, 0)?;
    let typed = arguments::multi_stage(call) && !arguments::named_multi(call);
    Ok(erased(MinMax::<S> {
        returns: match arguments::data_type(call, 0) {
            DataType::Unknown => DataType::Double,
            found if typed => found,
            _ => DataType::Double,
        },
        multi: arguments::is_multi(call, 0),
        null_handling: call.null_handling,
        side: std::marker::PhantomData,
    }))
}

impl<S: Side> MinMax<S> {
    fn whole(block: &Block, rows: usize) -> Option<f64> {
        if block.is_constant() || block.nulls().is_some() {
            return None;
        }
        match block.values() {
            Values::Int(v) => S::pick_whole(v.get(..rows)?).map(f64::from),
            Values::Long(v) => S::pick_whole(v.get(..rows)?).map(|x| x as f64),
            _ => None,
        }
    }
}

impl<S: Side> Aggregate for MinMax<S> {
    type State = Extreme;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Extreme {
        Extreme {
            value: S::NOTHING,
            seen: false,
        }
    }

    fn update(
        &self,
        states: &mut [Extreme],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = &inputs[0];
        if let Groups::One(rows) = groups
            && let Some(value) = Self::whole(block, rows)
        {
            return self.merge(&mut states[0], Extreme { value, seen: true });
        }
        // Over all rows a NaN is the answer; groups take no notice of it.
        let whole = matches!(groups, Groups::One(_));
        rows::each_number(block, groups, |group, x| {
            let state = &mut states[group];
            state.value = if whole && x.is_nan() {
                x
            } else {
                S::pick(state.value, x)
            };
            state.seen = true;
        })
    }

    fn merge(&self, into: &mut Extreme, from: Extreme) -> Result<(), FunctionError> {
        into.value = if from.value.is_nan() {
            from.value
        } else {
            S::pick(into.value, from.value)
        };
        into.seen |= from.seen;
        Ok(())
    }

    fn save(&self, state: &Extreme, out: &mut Vec<u8>) {
        put_f64(out, state.value);
        put_bool(out, state.seen);
    }

    fn load(&self, bytes: &[u8]) -> Result<Extreme, FunctionError> {
        let mut reader = Reader::new(bytes);
        let extreme = Extreme {
            value: reader.f64()?,
            seen: reader.bool()?,
        };
        reader.end(extreme)
    }

    fn finish(&self, state: &Extreme) -> Value {
        if self.null_handling && !state.seen {
            return Value::Null;
        }
        arguments::number_as(state.value, self.returns)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first_multi(name, arguments, self.multi)
    }
}
