//! DISTINCTCOUNTHLL and its relatives over stream-lib's HyperLogLog.
//!
//! Must not know: registers. Invariant: nulls count as the column's default value, as in Pinot; a BYTES argument holds
//! serialised counters.

use common::{Block, ColumnType, DataType, Value, Values};

use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;
use crate::sketch::hyperloglog::HyperLogLog;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["distinctcounthll", "distinctcounthllmv"],
        numbered: false,
        doc: "Approximate number of distinct values (HyperLogLog), parameter log2m = 8.",
        bind: |call| bind(call, false),
    },
    AggregateRow {
        names: &["distinctcountrawhll", "distinctcountrawhllmv"],
        numbered: false,
        doc: "The serialised HyperLogLog of the values, as hex.",
        bind: |call| bind(call, true),
    },
    AggregateRow {
        names: &["fasthll"],
        numbered: false,
        doc: "Approximate number of distinct values of columns that hold HyperLogLogs.",
        bind: |call| bind(call, false),
    },
];

struct Hll {
    log2m: u8,
    raw: bool,
    multi: bool,
}

fn bind(call: &AggregateCall<'_>, raw: bool) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=2)?;
    Ok(erased(Hll {
        log2m: arguments::whole(call, 1, 8, 1..=30)? as u8,
        raw,
        multi: arguments::is_multi(call, 0),
    }))
}

impl Hll {
    fn counter<'a>(&self, state: &'a mut Option<HyperLogLog>) -> &'a mut HyperLogLog {
        state.get_or_insert_with(|| HyperLogLog::new(self.log2m))
    }
}

fn unmerged() -> FunctionError {
    FunctionError::Evaluation("Caught exception while merging HyperLogLogs".to_owned())
}

impl Aggregate for Hll {
    type State = Option<HyperLogLog>;

    fn returns(&self) -> ColumnType {
        if self.raw {
            DataType::String.into()
        } else {
            DataType::Long.into()
        }
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
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
        let block = &*rows::filled(&inputs[0]);
        match rows::leaves(block) {
            Values::Int(v) => rows::each_leaf(v, block, groups, |g, x| {
                self.counter(&mut states[g]).offer_long(i64::from(*x));
            }),
            Values::Long(v) => rows::each_leaf(v, block, groups, |g, x| {
                self.counter(&mut states[g]).offer_long(*x);
            }),
            Values::Float(v) => rows::each_leaf(v, block, groups, |g, x| {
                self.counter(&mut states[g]).offer_float(*x);
            }),
            Values::Double(v) => rows::each_leaf(v, block, groups, |g, x| {
                self.counter(&mut states[g]).offer_double(*x);
            }),
            Values::Text(v) => rows::each_at(block, groups, |g, i| {
                self.counter(&mut states[g])
                    .offer_bytes(v.get(i).as_bytes());
            }),
            Values::Bytes(v) => {
                let mut merged = Ok(());
                rows::each_at(block, groups, |g, i| {
                    let added = HyperLogLog::from_bytes(v.get(i))
                        .ok_or_else(unmerged)
                        .and_then(|counter| self.merge(&mut states[g], Some(counter)));
                    if merged.is_ok() {
                        merged = added;
                    }
                });
                return merged;
            }
            Values::BigDecimal(_) | Values::Array(_) => {
                return Err(FunctionError::Evaluation(format!(
                    "Illegal data type for DISTINCT_COUNT_HLL aggregation function: {}",
                    block.column_type()
                )));
            }
        }
        Ok(())
    }

    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), FunctionError> {
        let Some(from) = from else {
            return Ok(());
        };
        match into {
            Some(into) => into.merge(&from).then_some(()).ok_or_else(unmerged),
            None => {
                *into = Some(from);
                Ok(())
            }
        }
    }

    fn save(&self, state: &Self::State, out: &mut Vec<u8>) {
        if let Some(counter) = state {
            out.extend(counter.to_bytes());
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Self::State, FunctionError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        HyperLogLog::from_bytes(bytes)
            .map(Some)
            .ok_or_else(unmerged)
    }

    fn finish(&self, state: &Self::State) -> Value {
        match state {
            _ if !self.raw => Value::Long(state.as_ref().map_or(0, HyperLogLog::cardinality)),
            Some(counter) => Value::String(hex::encode(counter.to_bytes())),
            None => Value::String(hex::encode(HyperLogLog::new(self.log2m).to_bytes())),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first_multi(name, arguments, self.multi)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state.as_ref().map_or(0, HyperLogLog::heap_bytes)
    }
}
