//! SUMPRECISION: the exact decimal sum.
//!
//! Must not know: DOUBLE sums. Invariant: rounding happens once, at the end, half to even.

use std::num::NonZeroU64;

use bigdecimal::{BigDecimal, RoundingMode};
use common::{Block, ColumnType, DataType, Value, Values};
use num_traits::Zero;

use super::bytes::{Reader, broken, put_bool, put_bytes};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["sumprecision"],
    numbered: false,
    doc: "Exact decimal sum: SUMPRECISION(x [, precision [, scale]]).",
    bind,
}];

struct SumPrecision {
    precision: Option<NonZeroU64>,
    scale: Option<i64>,
    returns: DataType,
    null_handling: bool,
}

#[derive(Default)]
struct Exact {
    /// Whole numbers apart, they are many times faster.
    whole: i128,
    decimal: BigDecimal,
    seen: bool,
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=3)?;
    let precision = arguments::whole(call, 1, 0, 0..=i64::from(i32::MAX))?;
    let scale = arguments::whole(call, 2, 0, -100_000..=100_000)?;
    Ok(erased(SumPrecision {
        precision: NonZeroU64::new(precision as u64),
        scale: (call.arguments.len() > 2).then_some(scale),
        returns: if arguments::multi_stage(call) {
            DataType::BigDecimal
        } else {
            DataType::String
        },
        null_handling: call.null_handling,
    }))
}

/// Java's `BigDecimal.toString`: scientific where the scale is negative or the number very small.
fn java_text(value: &BigDecimal) -> String {
    let (unscaled, scale) = value.as_bigint_and_exponent();
    let digits = unscaled.magnitude().to_string();
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale >= 0 && adjusted >= -6 {
        return value.to_plain_string();
    }
    let (first, rest) = digits.split_at(1);
    let sign = if unscaled.sign() == num_bigint::Sign::Minus {
        "-"
    } else {
        ""
    };
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{dot}{rest}E{adjusted:+}")
}

impl Aggregate for SumPrecision {
    type State = Exact;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Exact {
        Exact::default()
    }

    fn update(
        &self,
        states: &mut [Exact],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = &inputs[0];
        let mut whole = |group: usize, x: i64| {
            states[group].whole += i128::from(x);
            states[group].seen = true;
        };
        match rows::leaves(block) {
            Values::Int(v) => {
                rows::each_leaf(v, block, groups, |g, x| whole(g, i64::from(*x)));
                return Ok(());
            }
            Values::Long(v) => {
                rows::each_leaf(v, block, groups, |g, x| whole(g, *x));
                return Ok(());
            }
            _ => {}
        }
        let multi = block.column_type().multi;
        let block = block.cast(ColumnType {
            data_type: DataType::BigDecimal,
            multi,
        })?;
        if let Values::BigDecimal(v) = rows::leaves(&block) {
            rows::each_leaf(v, &block, groups, |group, x| {
                states[group].decimal += x;
                states[group].seen = true;
            });
        }
        Ok(())
    }

    fn merge(&self, into: &mut Exact, from: Exact) -> Result<(), FunctionError> {
        into.whole += from.whole;
        into.decimal += from.decimal;
        into.seen |= from.seen;
        Ok(())
    }

    fn save(&self, state: &Exact, out: &mut Vec<u8>) {
        out.extend(state.whole.to_le_bytes());
        put_bool(out, state.seen);
        put_bytes(out, &common::cast::decimal_to_bytes(&state.decimal));
    }

    fn load(&self, bytes: &[u8]) -> Result<Exact, FunctionError> {
        let mut reader = Reader::new(bytes);
        let whole = reader.take(16)?.try_into().map_err(|_| broken())?;
        let state = Exact {
            whole: i128::from_le_bytes(whole),
            seen: reader.bool()?,
            decimal: common::cast::decimal_from_bytes(reader.bytes()?).ok_or_else(broken)?,
        };
        reader.end(state)
    }

    fn finish(&self, state: &Exact) -> Value {
        if self.null_handling && !state.seen {
            return Value::Null;
        }
        let mut sum = if state.decimal.is_zero() && state.whole != 0 {
            BigDecimal::from(state.whole)
        } else if state.whole == 0 {
            state.decimal.clone()
        } else {
            &state.decimal + BigDecimal::from(state.whole)
        };
        if let Some(precision) = self.precision.filter(|p| p.get() < sum.digits()) {
            sum = sum.with_precision_round(precision, RoundingMode::HalfEven);
        }
        if let Some(scale) = self.scale {
            sum = sum.with_scale_round(scale, RoundingMode::HalfEven);
        }
        match self.returns {
            DataType::BigDecimal => Value::BigDecimal(sum),
            _ => Value::String(java_text(&sum)),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, _state: &Exact) -> usize {
        16
    }
}
