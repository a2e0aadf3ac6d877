//! DISTINCTCOUNTTHETASKETCH: Theta sketches, one a filter, and a set expression over them.
//!
//! Arguments after the settings are the filters, bound as conditions, and then the expression as text:
//! `SET_INTERSECT($1, $2)`, where `$0` is everything.
//! Must not know: SQL; filters arrive as conditions. Invariant: without an expression the answer is about `$0`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Block, ColumnType, DataType, Value, Values};
use datasketches::theta::CompactThetaSketch;

use super::approximate::setting;
use super::bytes::{Reader, broken, put_bytes, put_len};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;
use crate::sketch::theta::Theta;
use crate::sketch::{Counter, java_round};

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["distinctcountthetasketch"],
        numbered: false,
        doc: "Approximate number of distinct values (Theta sketch), with filters and set expressions.",
        bind: |call| bind(call, false),
    },
    AggregateRow {
        names: &["distinctcountrawthetasketch"],
        numbered: false,
        doc: "The serialised Theta sketch of the values, as base64.",
        bind: |call| bind(call, true),
    },
];

enum Expression {
    Sketch(usize),
    Union(Vec<Self>),
    Intersect(Vec<Self>),
    Diff(Vec<Self>),
}

struct ThetaCount {
    lg_k: u8,
    raw: bool,
    filters: Vec<usize>,
    expression: Expression,
}

fn bind(call: &AggregateCall<'_>, raw: bool) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=usize::MAX)?;
    let settings = arguments::text(call, 1)?.unwrap_or_default();
    let entries = setting(settings, &["nominalentries"])
        .unwrap_or(4096.0)
        .clamp(16.0, 67_108_864.0);
    let last = call.arguments.len() - 1;
    let (filters, expression) = if last < 2 {
        (Vec::new(), Expression::Sketch(0))
    } else {
        let text = arguments::text(call, last)?.unwrap_or_default();
        let mut rest = text;
        let expression = parse(&mut rest, last - 2, 8)
            .filter(|_| rest.trim().is_empty())
            .ok_or_else(|| {
                arguments::refused(
                    call,
                    &format!(
                        "expects a set expression over $1 to ${}, not `{text}`",
                        last - 2
                    ),
                )
            })?;
        ((2..last).collect(), expression)
    };
    Ok(erased(ThetaCount {
        lg_k: (entries.log2().ceil()) as u8,
        raw,
        filters,
        expression,
    }))
}

/// Reads `$n` or `SET_UNION(a, b, ..)` off the front of a text.
fn parse(text: &mut &str, filters: usize, depth: usize) -> Option<Expression> {
    *text = text.trim_start();
    if let Some(rest) = text.strip_prefix('$') {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let index = rest[..digits]
            .parse()
            .ok()
            .filter(|index| *index <= filters)?;
        *text = &rest[digits..];
        return Some(Expression::Sketch(index));
    }
    let (name, rest) = text.split_once('(')?;
    let name = crate::canonical_name(name.trim());
    *text = rest;
    let mut items = Vec::new();
    loop {
        items.push(parse(text, filters, depth.checked_sub(1)?)?);
        *text = text.trim_start();
        if let Some(rest) = text.strip_prefix(',') {
            *text = rest;
        } else {
            *text = text.strip_prefix(')')?;
            break;
        }
    }
    match name.as_str() {
        "setunion" => Some(Expression::Union(items)),
        "setintersect" => Some(Expression::Intersect(items)),
        "setdiff" => Some(Expression::Diff(items)),
        _ => None,
    }
}

impl ThetaCount {
    fn evaluate(&self, expression: &Expression, state: &[Theta]) -> Option<CompactThetaSketch> {
        let mut parts = match expression {
            Expression::Sketch(index) => return state.get(*index)?.compact(),
            Expression::Union(items) | Expression::Intersect(items) | Expression::Diff(items) => {
                items.iter().map(|item| self.evaluate(item, state))
            }
        };
        let first = parts.next()??;
        parts.try_fold(first, |left, right| {
            let right = right?;
            match expression {
                Expression::Intersect(_) => Theta::intersection(&left, &right),
                Expression::Diff(_) => Theta::difference(&left, &right),
                _ => {
                    let mut union = Theta::sized(self.lg_k);
                    (union.add_compact(&left) && union.add_compact(&right))
                        .then(|| union.compact())?
                }
            }
        })
    }

    fn add(
        &self,
        states: &mut [Vec<Theta>],
        groups: Groups<'_>,
        block: &Block,
        sketch: usize,
    ) -> Result<(), FunctionError> {
        let Values::Bytes(v) = block.values() else {
            rows::each_item(block, groups, |group, item| {
                states[group][sketch].offer(item)
            });
            return Ok(());
        };
        let mut merged = Ok(());
        rows::each_row(block, groups, |group, row| {
            let other = Theta::read(v.get(block.at(row)), self.lg_k);
            if !other.is_some_and(|other| states[group][sketch].absorb(other)) {
                merged = Err(FunctionError::Evaluation(
                    "Caught exception while merging Theta sketches".to_owned(),
                ));
            }
        });
        merged
    }
}

impl Aggregate for ThetaCount {
    type State = Vec<Theta>;

    fn returns(&self) -> ColumnType {
        if self.raw {
            DataType::String.into()
        } else {
            DataType::Long.into()
        }
    }

    fn inputs(&self) -> Vec<usize> {
        std::iter::once(0)
            .chain(self.filters.iter().copied())
            .collect()
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Vec<Theta> {
        (0..=self.filters.len())
            .map(|_| Theta::sized(self.lg_k))
            .collect()
    }

    fn update(
        &self,
        states: &mut [Vec<Theta>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = rows::filled(&inputs[0]);
        self.add(states, groups, &block, 0)?;
        for (index, filter) in inputs[1..].iter().enumerate() {
            let filter = filter.cast(DataType::Boolean.into())?;
            let mut passing = Vec::new();
            let mut passing_groups = Vec::new();
            groups.for_each(|row, group| {
                if matches!(filter.value(row), Value::Boolean(true)) {
                    passing.push(row as u32);
                    passing_groups.push(group as u32);
                }
            });
            self.add(
                states,
                Groups::Each(&passing_groups),
                &block.take(&passing),
                index + 1,
            )?;
        }
        Ok(())
    }

    fn merge(&self, into: &mut Vec<Theta>, from: Vec<Theta>) -> Result<(), FunctionError> {
        for (into, from) in into.iter_mut().zip(from) {
            if !into.absorb(from) {
                return Err(broken());
            }
        }
        Ok(())
    }

    fn save(&self, state: &Vec<Theta>, out: &mut Vec<u8>) {
        put_len(out, state.len());
        state.iter().for_each(|theta| put_bytes(out, &theta.save()));
    }

    fn load(&self, bytes: &[u8]) -> Result<Vec<Theta>, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(8)?;
        let state = (0..len)
            .map(|_| Theta::read(reader.bytes()?, self.lg_k).ok_or_else(broken))
            .collect::<Result<Vec<_>, _>>()?;
        if state.len() != self.filters.len() + 1 {
            return Err(broken());
        }
        reader.end(state)
    }

    fn finish(&self, state: &Vec<Theta>) -> Value {
        let sketch = self.evaluate(&self.expression, state);
        if self.raw {
            Value::String(
                sketch.map_or_else(String::new, |sketch| STANDARD.encode(sketch.serialize())),
            )
        } else {
            Value::Long(sketch.map_or(0, |sketch| java_round(sketch.estimate())))
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Vec<Theta>) -> usize {
        state.iter().map(Counter::heap_bytes).sum()
    }
}
