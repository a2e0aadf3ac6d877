//! Distinct counts by sketches: HyperLogLog, HyperLogLog++, UltraLogLog, CPC and Tuple.
//!
//! Must not know: how sketches work. Invariant: nulls count as the column's default value, as in Pinot; a BYTES argument
//! holds serialised sketches.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Block, ColumnType, DataType, Value, Values};

use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;
use crate::sketch::Counter;
use crate::sketch::cpc::Cpc;
use crate::sketch::hyperloglog::HyperLogLog;
use crate::sketch::hyperloglog_plus::HyperLogLogPlus;
use crate::sketch::tuple::Tuple;
use crate::sketch::ultraloglog::UltraLogLog;

type Bound = Result<Box<dyn AggregateFunction>, FunctionError>;

/// The logarithm of a HyperLogLog's registers, where a call names none.
pub const HYPERLOGLOG_LOG2M: u8 = 8;

const fn row(
    names: &'static [&'static str],
    doc: &'static str,
    bind: fn(&AggregateCall<'_>) -> Bound,
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
        &["distinctcounthll", "distinctcounthllmv", "fasthll"],
        "Approximate number of distinct values (HyperLogLog), parameter log2m = 8.",
        |call| bind::<HyperLogLog>(call, HYPERLOGLOG_LOG2M, "HyperLogLogs", Answer::count),
    ),
    row(
        &["distinctcountrawhll", "distinctcountrawhllmv"],
        "The serialised HyperLogLog of the values, as hex.",
        |call| bind::<HyperLogLog>(call, HYPERLOGLOG_LOG2M, "HyperLogLogs", Answer::hex),
    ),
    row(
        &["distinctcounthllplus", "distinctcounthllplusmv"],
        "Approximate number of distinct values (HyperLogLog++), parameter p = 14.",
        |call| bind::<HyperLogLogPlus>(call, 14, "HyperLogLogPlus", Answer::count),
    ),
    row(
        &["distinctcountrawhllplus", "distinctcountrawhllplusmv"],
        "The serialised HyperLogLog++ of the values, as hex.",
        |call| bind::<HyperLogLogPlus>(call, 14, "HyperLogLogPlus", Answer::hex),
    ),
    row(
        &["distinctcountull"],
        "Approximate number of distinct values (UltraLogLog), parameter p = 12.",
        |call| bind::<UltraLogLog>(call, 12, "UltraLogLogs", Answer::count),
    ),
    row(
        &["distinctcountrawull"],
        "The serialised UltraLogLog of the values, as base64.",
        |call| bind::<UltraLogLog>(call, 12, "UltraLogLogs", Answer::base64),
    ),
    row(
        &["distinctcountcpcsketch"],
        "Approximate number of distinct values (CPC sketch), parameter lgK = 12.",
        |call| bind::<Cpc>(call, 12, "CPC sketches", Answer::count),
    ),
    row(
        &["distinctcountrawcpcsketch"],
        "The serialised CPC sketch of the values, as base64.",
        |call| bind::<Cpc>(call, 12, "CPC sketches", Answer::base64),
    ),
    row(
        &["distinctcounttuplesketch"],
        "Approximate number of keys of Tuple sketches, parameter lgK = 14.",
        |call| bind::<Tuple>(call, 14, "Tuple sketches", Answer::count),
    ),
    row(
        &["distinctcountrawintegersumtuplesketch"],
        "The union of Tuple sketches, as base64.",
        |call| bind::<Tuple>(call, 14, "Tuple sketches", Answer::base64),
    ),
    row(
        &["sumvaluesintegersumtuplesketch"],
        "Approximate sum of the values of Tuple sketches.",
        |call| {
            bind::<Tuple>(call, 14, "Tuple sketches", |tuple| {
                Value::Long(tuple.sum_and_average().0)
            })
        },
    ),
    row(
        &["avgvalueintegersumtuplesketch"],
        "Mean value a key of Tuple sketches.",
        |call| {
            bind::<Tuple>(call, 14, "Tuple sketches", |tuple| {
                Value::Long(tuple.sum_and_average().1)
            })
        },
    ),
];

/// The answers that every sketch has.
struct Answer;

impl Answer {
    fn count<C: Counter>(counter: &C) -> Value {
        Value::Long(counter.estimate())
    }

    fn hex<C: Counter>(counter: &C) -> Value {
        Value::String(hex::encode(counter.save()))
    }

    fn base64<C: Counter>(counter: &C) -> Value {
        Value::String(STANDARD.encode(counter.save()))
    }
}

struct Approximate<C> {
    size: u8,
    sketches: &'static str,
    answer: fn(&C) -> Value,
    returns: DataType,
    multi: bool,
    null_of_nothing: bool,
}

fn bind<C: Counter>(
    call: &AggregateCall<'_>,
    size: u8,
    sketches: &'static str,
    answer: fn(&C) -> Value,
) -> Bound {
    arguments::expect_count(call, 1..=3)?;
    // The parameter is a number, or `key=value` settings.
    let size = match call
        .arguments
        .get(1)
        .and_then(|a| a.literal.as_ref())
        .and_then(Value::as_str)
    {
        Some(text) if text.trim().parse::<f64>().is_err() => setting(text, &["nominalentries"])
            .map_or(size, |entries| {
                (entries.max(16.0).log2().ceil() as u8).min(26)
            }),
        _ => arguments::whole(call, 1, i64::from(size), 1..=30)? as u8,
    };
    let returns = answer(&C::sized(size)).column_type().data_type;
    let multi = arguments::is_multi(call, 0) && call.name != "distinctcountull";
    Ok(erased(Approximate {
        size,
        sketches,
        answer,
        returns,
        multi,
        null_of_nothing: arguments::multi_stage(call)
            && call.name == "distinctcountrawintegersumtuplesketch",
    }))
}

/// The number of a `key=value;key=value` text under any of the keys (lower case).
pub(crate) fn setting(text: &str, keys: &[&str]) -> Option<f64> {
    text.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        keys.contains(&key.as_str())
            .then(|| value.trim().parse().ok())?
    })
}

impl<C: Counter> Approximate<C> {
    fn counter<'a>(&self, state: &'a mut Option<C>) -> &'a mut C {
        state.get_or_insert_with(|| C::sized(self.size))
    }

    fn unmerged(&self) -> FunctionError {
        FunctionError::Evaluation(format!("Caught exception while merging {}", self.sketches))
    }
}

impl<C: Counter> Aggregate for Approximate<C> {
    type State = Option<C>;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Option<C> {
        None
    }

    fn update(
        &self,
        states: &mut [Option<C>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        if let Values::Bytes(v) = inputs[0].values() {
            let mut merged = Ok(());
            rows::each_row(&inputs[0], groups, |group, row| {
                let counter = C::read(v.get(inputs[0].at(row)), self.size);
                let fits = counter
                    .is_some_and(|counter| self.merge(&mut states[group], Some(counter)).is_ok());
                if !fits {
                    merged = Err(self.unmerged());
                }
            });
            return merged;
        }
        rows::each_item(&rows::filled(&inputs[0]), groups, |group, item| {
            self.counter(&mut states[group]).offer(item);
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<C>, from: Option<C>) -> Result<(), FunctionError> {
        match (into.as_mut(), from) {
            (_, None) => {}
            (None, from) => *into = from,
            (Some(held), Some(from)) => {
                return held
                    .absorb(from)
                    .then_some(())
                    .ok_or_else(|| self.unmerged());
            }
        }
        Ok(())
    }

    fn save(&self, state: &Option<C>, out: &mut Vec<u8>) {
        if let Some(counter) = state {
            out.extend(counter.save());
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Option<C>, FunctionError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        C::read(bytes, self.size)
            .map(Some)
            .ok_or_else(|| self.unmerged())
    }

    fn finish(&self, state: &Option<C>) -> Value {
        match state {
            Some(counter) => (self.answer)(counter),
            None if self.null_of_nothing => Value::Null,
            None => (self.answer)(&C::sized(self.size)),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first_multi(name, arguments, self.multi)
    }

    fn heap_bytes(&self, state: &Option<C>) -> usize {
        state.as_ref().map_or(0, Counter::heap_bytes)
    }
}
