//! Kernels that answer a value about an array.
//!
//! Must not know: names and types of functions, those are rows of [`super::array`].
//! Invariant: one answer a row; a place outside an array answers the element type's placeholder.

use std::cmp::Ordering;
use std::ops::Range;

use common::value::compare_doubles;
use common::{ArrayVec, Block, ColumnType, DataType, TextVec, Values};

use super::EvalContext;
use super::lift::{Int, Rows, Text, arrays};
use crate::FunctionError;

type Answer = Result<Block, FunctionError>;

/// What makes two elements the same: numbers by value or bits (as Java's `Double.equals`), text by its characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Number(i64),
    Bits(u64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Decimal(String),
}

/// The key of the element at `index`.
pub(super) fn key(values: &Values, index: usize) -> Key<'_> {
    match values {
        Values::Int(v) => Key::Number(i64::from(v[index])),
        Values::Long(v) => Key::Number(v[index]),
        Values::Float(v) => Key::Bits(f64::from(v[index]).to_bits()),
        Values::Double(v) => Key::Bits(v[index].to_bits()),
        Values::Text(v) => Key::Text(v.get(index)),
        Values::Bytes(v) => Key::Bytes(v.get(index)),
        Values::BigDecimal(v) => Key::Decimal(v[index].normalized().to_string()),
        Values::Array(_) => Key::Number(0),
    }
}

/// Runs a kernel for every row with the range of its items and collects numbers.
fn per_row<T>(
    block: &Block,
    mut kernel: impl FnMut(&Values, Range<usize>, usize) -> T,
) -> Result<Vec<T>, FunctionError> {
    let array = arrays(block)?;
    Ok((0..block.rows())
        .map(|row| kernel(&array.items, array.range(block.at(row)), row))
        .collect())
}

pub(super) fn length(args: &[Block], _: &EvalContext) -> Answer {
    let out = per_row(&args[0], |_, range, _| range.len() as i32)?;
    Ok(Block::new(DataType::Int, Values::Int(out)))
}

fn number(values: &Values, index: usize) -> f64 {
    match values {
        Values::Int(v) => f64::from(v[index]),
        Values::Long(v) => v[index] as f64,
        Values::Float(v) => f64::from(v[index]),
        Values::Double(v) => v[index],
        other => other
            .get(index, DataType::BigDecimal)
            .as_f64()
            .unwrap_or(f64::NAN),
    }
}

pub(super) fn doubles(args: &[Block], finish: fn(f64, usize) -> f64) -> Answer {
    let out = per_row(&args[0], |items, range, _| {
        let count = range.len();
        finish(
            range.map(|i| number(items, i)).fold(0.0, |a, b| a + b),
            count,
        )
    })?;
    Ok(Block::new(DataType::Double, Values::Double(out)))
}

pub(super) fn sum_int(args: &[Block], _: &EvalContext) -> Answer {
    let out = per_row(&args[0], |items, range, _| match items {
        Values::Int(v) => v[range].iter().fold(0_i32, |a, b| a.wrapping_add(*b)),
        _ => 0,
    })?;
    Ok(Block::new(DataType::Int, Values::Int(out)))
}

pub(super) fn sum_long(args: &[Block], _: &EvalContext) -> Answer {
    let out = per_row(&args[0], |items, range, _| match items {
        Values::Long(v) => v[range].iter().fold(0_i64, |a, b| a.wrapping_add(*b)),
        _ => 0,
    })?;
    Ok(Block::new(DataType::Long, Values::Long(out)))
}

/// Orders two elements of one array.
pub(super) fn compare(values: &Values, a: usize, b: usize) -> Ordering {
    match values {
        Values::Int(v) => v[a].cmp(&v[b]),
        Values::Long(v) => v[a].cmp(&v[b]),
        Values::Float(v) => compare_doubles(f64::from(v[a]), f64::from(v[b])),
        Values::Double(v) => compare_doubles(v[a], v[b]),
        Values::BigDecimal(v) => v[a].cmp(&v[b]),
        Values::Text(v) => common::value::compare_text(v.get(a), v.get(b)),
        Values::Bytes(v) => v.get(a).cmp(v.get(b)),
        Values::Array(_) => Ordering::Equal,
    }
}

pub(super) fn extreme(args: &[Block], wanted: Ordering) -> Answer {
    let array = arrays(&args[0])?;
    let mut out = array.items.empty_like();
    for row in 0..args[0].rows() {
        let best = array.range(args[0].at(row)).reduce(|best, i| {
            if compare(&array.items, i, best) == wanted {
                i
            } else {
                best
            }
        });
        match best {
            Some(index) => out.push_from(&array.items, index),
            None => out.push_placeholder(),
        }
    }
    Ok(Block::new(args[0].column_type().data_type, out))
}

/// For every row the places (in the items) equal to the row's value of the second argument.
fn find(
    args: &[Block],
    mut found: impl FnMut(&mut dyn Iterator<Item = usize>),
) -> Result<(), FunctionError> {
    let array = arrays(&args[0])?;
    for row in 0..args[0].rows() {
        let range = array.range(args[0].at(row));
        let start = range.start;
        let wanted = key(args[1].values(), args[1].at(row));
        let mut places = range
            .filter(|i| key(&array.items, *i) == wanted)
            .map(|i| i - start);
        found(&mut places);
    }
    Ok(())
}

pub(super) fn index_of(args: &[Block], _: &EvalContext) -> Answer {
    let mut out = Vec::with_capacity(args[0].rows());
    find(args, |places| {
        out.push(places.next().map_or(-1, |i| i as i32))
    })?;
    Ok(Block::new(DataType::Int, Values::Int(out)))
}

pub(super) fn contains(args: &[Block], _: &EvalContext) -> Answer {
    let mut out = Vec::with_capacity(args[0].rows());
    find(args, |places| out.push(i32::from(places.next().is_some())))?;
    Ok(Block::new(DataType::Boolean, Values::Int(out)))
}

pub(super) fn indexes_of(args: &[Block], _: &EvalContext) -> Answer {
    let (mut offsets, mut items) = (vec![0], Vec::new());
    find(args, |places| {
        items.extend(places.map(|i| i as i32));
        offsets.push(items.len() as u32);
    })?;
    let items = Box::new(Values::Int(items));
    Ok(Block::new(
        ColumnType::mv(DataType::Int),
        Values::Array(ArrayVec { offsets, items }),
    ))
}

pub(super) fn element_at(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    let index = Rows::<Int>::of(&args[1])?;
    let mut out = array.items.empty_like();
    for row in 0..args[0].rows() {
        let range = array.range(args[0].at(row));
        match usize::try_from(index.get(row)) {
            Ok(place) if place > 0 && place <= range.len() => {
                out.push_from(&array.items, range.start + place - 1);
            }
            _ => out.push_placeholder(),
        }
    }
    Ok(Block::new(args[0].column_type().data_type, out))
}

pub(super) fn to_text(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    let delimiter = Rows::<Text>::of(&args[1])?;
    let absent = args.get(2).map(Rows::<Text>::of).transpose()?;
    let mut out = TextVec::with_capacity(args[0].rows(), args[0].rows() * 8);
    let Values::Text(items) = &*array.items else {
        return Err(FunctionError::Evaluation(
            "an array of texts was expected".to_owned(),
        ));
    };
    for row in 0..args[0].rows() {
        let delimiter = delimiter.get(row);
        for (place, i) in array.range(args[0].at(row)).enumerate() {
            if place > 0 {
                out.buffer().push_str(delimiter);
            }
            let item = items.get(i);
            match &absent {
                Some(absent) if item.is_empty() => out.buffer().push_str(absent.get(row)),
                _ => out.buffer().push_str(item),
            }
        }
        out.end_value();
    }
    Ok(Block::new(DataType::String, Values::Text(out)))
}

pub(super) fn map_value(args: &[Block], _: &EvalContext) -> Answer {
    let (keys, values) = (arrays(&args[0])?, arrays(&args[2])?);
    let wanted = args[1].cast(ColumnType::sv(args[0].column_type().data_type))?;
    let mut out = values.items.empty_like();
    for row in 0..args[0].rows() {
        let range = keys.range(args[0].at(row));
        let start = range.start;
        let target = key(wanted.values(), wanted.at(row));
        let place = range
            .clone()
            .find(|i| key(&keys.items, *i) == target)
            .map(|i| i - start);
        let held = values.range(args[2].at(row));
        match place {
            Some(place) if place < held.len() => out.push_from(&values.items, held.start + place),
            _ => {
                let name = wanted.value(row).to_text();
                return Err(FunctionError::Evaluation(format!(
                    "no key `{name}` in the array of keys"
                )));
            }
        }
    }
    Ok(Block::new(args[2].column_type().data_type, out))
}
