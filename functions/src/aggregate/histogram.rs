//! HISTOGRAM: counts of numbers in bins.
//!
//! Must not know: nulls; their default is mostly outside of every bin. Invariant: bins hold their lower edge, the last one
//! also its upper edge.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_f64, put_len};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["histogram"],
    numbered: false,
    doc: "Counts per bin: HISTOGRAM(x, ARRAY[edges..]) or HISTOGRAM(x, lower, upper, bins).",
    bind,
}];

struct Histogram {
    edges: Vec<f64>,
    /// Width of equal bins.
    width: Option<f64>,
    /// A group without rows has no bins, which is null.
    null_of_nothing: bool,
}

const MOST_BINS: i64 = 1_000_000;

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 2..=4)?;
    arguments::expect_number(call, 0)?;
    let null_of_nothing = call.null_handling || arguments::multi_stage(call);
    if call.arguments.len() == 2 {
        let edges = edges(call)?;
        let ascending = edges.windows(2).all(|pair| pair[0] < pair[1]);
        if edges.len() < 2 || !ascending {
            return Err(arguments::refused(
                call,
                "expects at least two ascending edges",
            ));
        }
        return Ok(erased(Histogram {
            edges,
            width: None,
            null_of_nothing,
        }));
    }
    arguments::expect_count(call, 4..=4)?;
    let lower = arguments::number(call, 1)?.unwrap_or(0.0);
    let upper = arguments::number(call, 2)?.unwrap_or(0.0);
    let bins = arguments::whole(call, 3, 1, 1..=MOST_BINS)?;
    if lower.partial_cmp(&upper) != Some(std::cmp::Ordering::Less) {
        return Err(arguments::refused(
            call,
            "expects a lower edge below the upper edge",
        ));
    }
    let width = (upper - lower) / bins as f64;
    let mut edges: Vec<f64> = (0..bins).map(|bin| lower + bin as f64 * width).collect();
    edges.push(upper);
    Ok(erased(Histogram {
        edges,
        width: Some(width),
        null_of_nothing,
    }))
}

fn edges(call: &AggregateCall<'_>) -> Result<Vec<f64>, FunctionError> {
    let value = arguments::literal(call, 1)?;
    let wrong = || {
        arguments::refused(
            call,
            &format!(
                "expects an array of numbers as argument 2, not `{}`",
                value.to_text()
            ),
        )
    };
    match value {
        Value::Array(_, items) => items
            .iter()
            .map(|item| item.as_f64().ok_or_else(wrong))
            .collect(),
        _ => Err(wrong()),
    }
}

impl Histogram {
    fn empty_bins(&self) -> Vec<f64> {
        vec![0.0; self.edges.len() - 1]
    }

    fn bin(&self, x: f64) -> Option<usize> {
        let (first, last) = (*self.edges.first()?, *self.edges.last()?);
        if x.is_nan() && self.width.is_some() {
            // It is neither below nor above, and cut to a whole number it is 0.
            return Some(0);
        }
        if !(first..=last).contains(&x) {
            return None;
        }
        let bins = self.edges.len() - 1;
        let bin = match self.width {
            Some(width) => ((x - first) / width) as usize,
            None => self.edges.partition_point(|edge| *edge <= x) - 1,
        };
        Some(bin.min(bins - 1))
    }
}

fn counts(bins: &[f64]) -> Value {
    Value::Array(
        DataType::Double,
        bins.iter().map(|x| Value::Double(*x)).collect(),
    )
}

impl Aggregate for Histogram {
    type State = Vec<f64>;

    fn returns(&self) -> ColumnType {
        ColumnType::mv(DataType::Double)
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    /// Without bins until a row comes.
    fn start(&self) -> Vec<f64> {
        Vec::new()
    }

    fn update(
        &self,
        states: &mut [Vec<f64>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        rows::each_number(&rows::filled(&inputs[0]), groups, |group, x| {
            if states[group].is_empty() {
                states[group] = self.empty_bins();
            }
            if let Some(bin) = self.bin(x) {
                states[group][bin] += 1.0;
            }
        })
    }

    fn merge(&self, into: &mut Vec<f64>, from: Vec<f64>) -> Result<(), FunctionError> {
        if into.is_empty() {
            *into = from;
            return Ok(());
        }
        into.iter_mut()
            .zip(from)
            .for_each(|(into, from)| *into += from);
        Ok(())
    }

    fn save(&self, state: &Vec<f64>, out: &mut Vec<u8>) {
        put_len(out, state.len());
        state.iter().for_each(|x| put_f64(out, *x));
    }

    fn load(&self, bytes: &[u8]) -> Result<Vec<f64>, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(8)?;
        let counts = (0..len).map(|_| reader.f64()).collect::<Result<_, _>>()?;
        reader.end(counts)
    }

    fn finish(&self, state: &Vec<f64>) -> Value {
        if state.is_empty() {
            return counts(&self.empty_bins());
        }
        counts(state)
    }

    fn finish_group(&self, state: &Vec<f64>) -> Value {
        if state.is_empty() && self.null_of_nothing {
            return Value::Null;
        }
        counts(state)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Vec<f64>) -> usize {
        state.capacity() * 8
    }
}
