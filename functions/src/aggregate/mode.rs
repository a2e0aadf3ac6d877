//! MODE: the most frequent number.
//!
//! Must not know: text. Invariant: ties are settled at the end, so that the order of merging does not matter.

use ahash::RandomState;
use common::value::compare_doubles;
use common::{Block, ColumnType, DataType, Value};
use hashbrown::HashMap;

use super::bytes::{Reader, put_f64, put_i64, put_len};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["mode"],
    numbered: false,
    doc: "Most frequent number; ties by 'MIN' (default), 'MAX' or 'AVG'.",
    bind,
}];

#[derive(Clone, Copy)]
enum Tie {
    Min,
    Max,
    Avg,
}

struct Mode {
    tie: Tie,
    returns: DataType,
    null_of_nothing: bool,
}

type Counts = HashMap<u64, i64, RandomState>;

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=2)?;
    arguments::expect_number(call, 0)?;
    arguments::expect_no_decimal(call, 0)?;
    let tie = match arguments::text(call, 1)?
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        None | Some("MIN") => Tie::Min,
        Some("MAX") => Tie::Max,
        Some("AVG") => Tie::Avg,
        Some(other) => {
            let what = format!("expects MIN, MAX or AVG as argument 2, not `{other}`");
            return Err(arguments::refused(call, &what));
        }
    };
    let multi_stage = arguments::multi_stage(call);
    Ok(erased(Mode {
        tie,
        returns: match arguments::data_type(call, 0) {
            DataType::Unknown => DataType::Double,
            found if multi_stage => found,
            _ => DataType::Double,
        },
        null_of_nothing: call.null_handling || multi_stage,
    }))
}

impl Aggregate for Mode {
    type State = Counts;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Counts {
        Counts::default()
    }

    fn update(
        &self,
        states: &mut [Counts],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        rows::each_number(&inputs[0], groups, |group, x| {
            *states[group].entry(x.to_bits()).or_insert(0) += 1;
        })
    }

    fn merge(&self, into: &mut Counts, mut from: Counts) -> Result<(), FunctionError> {
        if from.len() > into.len() {
            std::mem::swap(into, &mut from);
        }
        for (value, count) in from {
            *into.entry(value).or_insert(0) += count;
        }
        Ok(())
    }

    fn save(&self, state: &Counts, out: &mut Vec<u8>) {
        put_len(out, state.len());
        for (value, count) in state {
            put_f64(out, f64::from_bits(*value));
            put_i64(out, *count);
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Counts, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(16)?;
        let mut counts = Counts::default();
        for _ in 0..len {
            counts.insert(reader.u64()?, reader.i64()?);
        }
        reader.end(counts)
    }

    fn finish(&self, state: &Counts) -> Value {
        let Some(most) = state.values().max() else {
            return if self.null_of_nothing {
                Value::Null
            } else {
                Value::Double(f64::NEG_INFINITY)
            };
        };
        let mut modes: Vec<f64> = state
            .iter()
            .filter(|(_, count)| *count == most)
            .map(|(value, _)| f64::from_bits(*value))
            .collect();
        modes.sort_by(|a, b| compare_doubles(*a, *b));
        let mode = match self.tie {
            Tie::Min => modes.first().copied(),
            Tie::Max => modes.last().copied(),
            Tie::Avg => Some(modes.iter().sum::<f64>() / modes.len() as f64),
        };
        mode.map_or(Value::Null, |mode| arguments::number_as(mode, self.returns))
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Counts) -> usize {
        state.capacity() * 17
    }
}
