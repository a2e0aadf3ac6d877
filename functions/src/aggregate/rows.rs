//! Loops over blocks: the slice type, constants, nulls and arrays are settled outside the loop.
//!
//! Must not know: any aggregate. Invariant: null rows are skipped; every element of an array is a value of its row's group.

use std::borrow::Cow;

use bigdecimal::ToPrimitive;
use common::cast::{decimal_to_i64, parse_double};
use common::{Block, ColumnType, DataType, Value, Values};

use super::Groups;
use crate::FunctionError;
use crate::sketch::Item;

/// Calls `f` with (group, element) for every element.
pub(crate) fn each<T>(
    values: &[T],
    block: &Block,
    groups: Groups<'_>,
    mut f: impl FnMut(usize, &T),
) {
    if block.is_constant() {
        if let (Some(value), false) = (values.first(), block.nulls().is_some_and(|n| n[0])) {
            groups.for_each(|_, group| f(group, value));
        }
        return;
    }
    match (block.nulls(), groups) {
        (None, Groups::One(rows)) => values.iter().take(rows).for_each(|value| f(0, value)),
        (None, Groups::Each(groups)) => {
            for (value, group) in values.iter().zip(groups) {
                f(*group as usize, value);
            }
        }
        (Some(nulls), Groups::One(rows)) => {
            for (value, null) in values.iter().zip(nulls).take(rows) {
                if !null {
                    f(0, value);
                }
            }
        }
        (Some(nulls), Groups::Each(groups)) => {
            for ((value, null), group) in values.iter().zip(nulls).zip(groups) {
                if !null {
                    f(*group as usize, value);
                }
            }
        }
    }
}

/// Calls `f` with (group, position among [`leaves`]) for every value: one a row, or the elements of its array.
pub(crate) fn each_at(block: &Block, groups: Groups<'_>, mut f: impl FnMut(usize, usize)) {
    each_row(block, groups, |group, row| {
        if let Values::Array(array) = block.values() {
            array.range(block.at(row)).for_each(|item| f(group, item));
        } else {
            f(group, block.at(row));
        }
    });
}

/// Calls `f` with (group, row) for every row that is not null.
pub(crate) fn each_row(block: &Block, groups: Groups<'_>, mut f: impl FnMut(usize, usize)) {
    match block.nulls() {
        None => groups.for_each(|row, group| f(group, row)),
        Some(_) => groups.for_each(|row, group| {
            if !block.is_null(row) {
                f(group, row);
            }
        }),
    }
}

/// The single values of a block: the elements where it holds arrays.
pub(crate) fn leaves(block: &Block) -> &Values {
    match block.values() {
        Values::Array(array) => &array.items,
        values => values,
    }
}

/// Calls `f` with (group, element of `values`), where `values` is the slice inside [`leaves`].
pub(crate) fn each_leaf<T>(
    values: &[T],
    block: &Block,
    groups: Groups<'_>,
    mut f: impl FnMut(usize, &T),
) {
    if matches!(block.values(), Values::Array(_)) {
        each_at(block, groups, |group, item| f(group, &values[item]));
    } else {
        each(values, block, groups, f);
    }
}

/// Calls `f` with (group, number) for every value.
///
/// # Errors
/// Where a text is no number, or the values are bytes.
pub(crate) fn each_number(
    block: &Block,
    groups: Groups<'_>,
    mut f: impl FnMut(usize, f64),
) -> Result<(), FunctionError> {
    match leaves(block) {
        Values::Int(v) => each_leaf(v, block, groups, |g, x| f(g, f64::from(*x))),
        Values::Long(v) => each_leaf(v, block, groups, |g, x| f(g, *x as f64)),
        Values::Float(v) => each_leaf(v, block, groups, |g, x| f(g, f64::from(*x))),
        Values::Double(v) => each_leaf(v, block, groups, |g, x| f(g, *x)),
        Values::BigDecimal(v) => {
            each_leaf(v, block, groups, |g, x| {
                f(g, x.to_f64().unwrap_or(f64::NAN))
            });
        }
        Values::Text(v) => {
            let mut wrong = None;
            each_at(block, groups, |g, i| match parse_double(v.get(i).trim()) {
                Some(x) => f(g, x),
                None => wrong = wrong.or(Some(i)),
            });
            if let Some(i) = wrong {
                return Err(FunctionError::Evaluation(format!(
                    "a number was expected, not `{}`",
                    v.get(i)
                )));
            }
        }
        Values::Bytes(_) | Values::Array(_) => {
            return Err(FunctionError::Evaluation(format!(
                "a number was expected, not a value of type {}",
                block.column_type()
            )));
        }
    }
    Ok(())
}

/// Calls `f` with (group, whole number) for every value; fractions are cut as Java does.
///
/// # Errors
/// As [`each_number`].
pub(crate) fn each_long(
    block: &Block,
    groups: Groups<'_>,
    mut f: impl FnMut(usize, i64),
) -> Result<(), FunctionError> {
    match leaves(block) {
        Values::Int(v) => each_leaf(v, block, groups, |g, x| f(g, i64::from(*x))),
        Values::Long(v) => each_leaf(v, block, groups, |g, x| f(g, *x)),
        Values::BigDecimal(v) => each_leaf(v, block, groups, |g, x| f(g, decimal_to_i64(x))),
        _ => return each_number(block, groups, |g, x| f(g, x as i64)),
    }
    Ok(())
}

/// The value that a null column value is stored as, for functions that do not look at nulls.
pub(crate) fn null_default(data_type: DataType) -> Value {
    match data_type {
        DataType::Int => Value::Int(i32::MIN),
        DataType::Long => Value::Long(i64::MIN),
        DataType::Float => Value::Float(f32::NEG_INFINITY),
        DataType::Double => Value::Double(f64::NEG_INFINITY),
        DataType::BigDecimal => Value::BigDecimal(0.into()),
        DataType::Boolean => Value::Boolean(false),
        DataType::Timestamp => Value::Timestamp(0),
        DataType::Bytes => Value::Bytes(Vec::new()),
        DataType::Json => Value::Json("null".to_owned()),
        DataType::Map => Value::Map("{}".to_owned()),
        _ => Value::String("null".to_owned()),
    }
}

/// What operators above the tables' leaves read in place of a null, for functions that do not look at nulls: zero, false, an
/// empty text and an empty array.
fn placeholder(column_type: ColumnType) -> Value {
    let data_type = column_type.data_type;
    if column_type.multi {
        return Value::Array(data_type, Vec::new());
    }
    match data_type {
        DataType::Int => Value::Int(0),
        DataType::Long => Value::Long(0),
        DataType::Float => Value::Float(0.0),
        DataType::Double => Value::Double(0.0),
        DataType::String => Value::String(String::new()),
        DataType::Json => Value::Json(String::new()),
        other => null_default(other),
    }
}

/// The block with placeholders of operators above the tables' leaves in place of nulls.
#[must_use]
pub fn placed(block: Block) -> Block {
    if block.nulls().is_none() {
        return block;
    }
    let placeholder = placeholder(block.column_type());
    filled_with(&block, &placeholder)
}

/// The block with [`null_default`] in place of nulls.
pub(crate) fn filled(block: &Block) -> Cow<'_, Block> {
    if block.nulls().is_none() {
        return Cow::Borrowed(block);
    }
    let column_type = block.column_type();
    let mut default = null_default(column_type.data_type);
    if column_type.multi {
        default = Value::Array(column_type.data_type, vec![default]);
    }
    Cow::Owned(filled_with(block, &default))
}

fn filled_with(block: &Block, default: &Value) -> Block {
    let column_type = block.column_type();
    if block.is_constant() {
        return Block::constant(column_type, default, block.rows());
    }
    let mut values = block.values().empty_like();
    for row in 0..block.rows() {
        if block.is_null(row) {
            values.push(default);
        } else {
            values.push_from(block.values(), row);
        }
    }
    Block::new(column_type, values)
}

/// Calls `f` with (group, item) for every value, as sketches take them; decimals by their text.
pub(crate) fn each_item(block: &Block, groups: Groups<'_>, mut f: impl FnMut(usize, Item<'_>)) {
    match leaves(block) {
        Values::Int(v) => each_leaf(v, block, groups, |g, x| f(g, Item::Int(*x))),
        Values::Long(v) => each_leaf(v, block, groups, |g, x| f(g, Item::Long(*x))),
        Values::Float(v) => each_leaf(v, block, groups, |g, x| f(g, Item::Float(*x))),
        Values::Double(v) => each_leaf(v, block, groups, |g, x| f(g, Item::Double(*x))),
        Values::BigDecimal(v) => each_leaf(v, block, groups, |g, x| {
            f(g, Item::Text(&common::java_text::decimal_text(x)));
        }),
        Values::Text(v) => each_at(block, groups, |g, i| f(g, Item::Text(v.get(i)))),
        Values::Bytes(v) => each_at(block, groups, |g, i| f(g, Item::Bytes(v.get(i)))),
        Values::Array(_) => {}
    }
}
