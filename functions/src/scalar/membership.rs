//! IN and NOT IN: one value against a list.
//!
//! Must not know: predicates on indexes. Invariant: three-valued, as SQL has it.

use std::cmp::Ordering;
use std::collections::HashSet;

use common::{Block, ColumnType, DataType, Value, Values};

use super::comparison::{booleans, compare_two, meeting_type, operand};
use super::lift::{any_null, arrays};
use super::text::Answer;
use crate::FunctionError;

/// IN and NOT IN: null where the value is null, or where it is not found and a listed value is null.
pub(super) fn among(args: &[Block], found: bool) -> Answer {
    if args[0].column_type().multi {
        return any_among(args, found);
    }
    if args[0].column_type() == ColumnType::sv(DataType::Float) {
        return among_single(&beside_floats(args)?, found);
    }
    among_single(args, found)
}

/// The same over columns: texts, and lists with more than literals, are read in the type that the value is stored in.
pub(super) fn among_rows(args: &[Block], found: bool) -> Answer {
    let stored = args[0].column_type().stored();
    let listed = &args[1..];
    let literals = listed.iter().all(Block::is_constant);
    if literals && stored.data_type != DataType::String {
        return among(args, found);
    }
    let element = ColumnType::sv(stored.data_type);
    let mut read = vec![args[0].clone().retyped(stored)];
    for item in listed {
        let unknown = item.column_type().data_type == DataType::Unknown;
        read.push(if unknown {
            item.clone()
        } else {
            item.cast(element)?
        });
    }
    among(&read, found)
}

/// Literals are read as FLOATs beside one.
fn beside_floats(args: &[Block]) -> Result<Vec<Block>, FunctionError> {
    let read = |item: &Block| {
        let number = !item.column_type().multi && item.column_type().data_type.is_numeric();
        match item.is_constant() && number {
            true => item.cast(DataType::Float.into()),
            false => Ok(item.clone()),
        }
    };
    Ok(args.iter().map(read).collect::<Result<Vec<_>, _>>()?)
}

fn among_single(args: &[Block], found: bool) -> Answer {
    let rows = args[0].rows();
    if let Some(answer) = among_constants(args, found)? {
        return Ok(answer);
    }
    let mut flags = vec![0; rows];
    let mut nulls: Vec<bool> = (0..rows).map(|row| args[0].is_null(row)).collect();
    let mut unsure = vec![false; rows];
    for item in &args[1..] {
        let equal = compare_two(&args[0], item, Ordering::is_eq)?;
        let Values::Int(equal) = equal.into_values() else {
            return Err(super::numbers::not_numeric());
        };
        for row in 0..rows {
            if item.is_null(row) {
                unsure[row] = true;
            } else {
                flags[row] |= equal[row];
            }
        }
    }
    for row in 0..rows {
        nulls[row] |= unsure[row] && flags[row] == 0;
        flags[row] = i32::from((flags[row] != 0) == found);
    }
    Ok(booleans(flags).with_nulls(Some(nulls)))
}

/// A list is among the values where one of its elements is.
fn any_among(args: &[Block], found: bool) -> Answer {
    let block = &args[0];
    let array = arrays(block)?;
    let (mut places, mut owners) = (Vec::new(), Vec::new());
    for row in 0..block.rows() {
        for place in array.range(block.at(row)) {
            places.push(place as u32);
            owners.push(row as u32);
        }
    }
    let element = ColumnType::sv(block.column_type().data_type);
    let mut flat = vec![Block::new(element, array.items.take(&places))];
    flat.extend(args[1..].iter().map(|item| item.take(&owners)));
    let mut flags = vec![0; block.rows()];
    if !owners.is_empty() {
        let of_items = among(&flat, true)?;
        for (item, owner) in owners.iter().enumerate() {
            flags[*owner as usize] |= i32::from(of_items.value(item) == Value::Boolean(true));
        }
    }
    flags
        .iter_mut()
        .for_each(|flag| *flag = i32::from((*flag != 0) == found));
    let nulls = (0..block.rows()).map(|row| block.is_null(row)).collect();
    Ok(booleans(flags).with_nulls(Some(nulls)))
}

/// The usual case: a column without nulls against literals; integers and text through a hash set.
fn among_constants(args: &[Block], found: bool) -> Result<Option<Block>, FunctionError> {
    if any_null(args).is_some() || args[1..].iter().any(|item| !item.is_constant()) {
        return Ok(None);
    }
    let column = &args[0];
    let mut items = Vec::with_capacity(args.len());
    for item in &args[1..] {
        if meeting_type(column.column_type(), item.column_type()) != Some(column.column_type()) {
            return Ok(None);
        }
        items.push(operand(item, column.column_type())?);
    }
    let flags = match column.values() {
        Values::Int(v) => {
            let set: HashSet<i64> = items.iter().filter_map(|i| i.value(0).as_i64()).collect();
            v.iter()
                .map(|x| i32::from(set.contains(&i64::from(*x)) == found))
                .collect()
        }
        Values::Long(v) => {
            let set: HashSet<i64> = items.iter().filter_map(|i| i.value(0).as_i64()).collect();
            v.iter()
                .map(|x| i32::from(set.contains(x) == found))
                .collect()
        }
        Values::Text(v) => {
            let values: Vec<Value> = items.iter().map(|item| item.value(0)).collect();
            let set: HashSet<&str> = values.iter().filter_map(Value::as_str).collect();
            v.iter()
                .map(|x| i32::from(set.contains(x) == found))
                .collect()
        }
        _ => return Ok(None),
    };
    let answer = booleans(flags);
    Ok(Some(if column.is_constant() {
        Block::constant(DataType::Boolean, &answer.value(0), column.rows())
    } else {
        answer
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::ArrayVec;

    #[test]
    fn rows_are_among_values_of_their_own_type() -> Result<(), FunctionError> {
        let texts = [
            Value::String("1".to_owned()),
            Value::String("2.5".to_owned()),
        ];
        let text = Block::from_values(DataType::String, &texts);
        let one = Block::constant(DataType::Int, &Value::Int(1), 2);
        let answer = among_rows(&[text, one], true)?;
        assert_eq!(answer.value(0), Value::Boolean(true));
        assert_eq!(answer.value(1), Value::Boolean(false));
        let ints = Block::from_values(DataType::Int, &[Value::Int(1), Value::Int(2)]);
        let half = Block::constant(DataType::Double, &Value::Double(1.5), 2);
        let other = Block::from_values(DataType::Int, &[Value::Int(7), Value::Int(2)]);
        let answer = among_rows(&[ints, half, other], true)?;
        assert_eq!(answer.value(0), Value::Boolean(true), "1.5 is read as 1");
        assert_eq!(answer.value(1), Value::Boolean(true));
        Ok(())
    }

    #[test]
    fn a_list_is_among_values_by_one_element() -> Result<(), FunctionError> {
        let array = ArrayVec {
            offsets: vec![0, 2, 3, 3],
            items: Box::new(Values::Double(vec![1.5, 2.5, 3.5])),
        };
        let list = Block::new(ColumnType::mv(DataType::Double), Values::Array(array));
        let value = Block::constant(DataType::Double, &Value::Double(2.5), 3);
        let flags = |found| -> Result<Vec<Value>, FunctionError> {
            let answer = among(&[list.clone(), value.clone()], found)?;
            Ok((0..3).map(|row| answer.value(row)).collect())
        };
        let is = Value::Boolean;
        assert_eq!(flags(true)?, [is(true), is(false), is(false)]);
        assert_eq!(flags(false)?, [is(false), is(true), is(true)]);
        Ok(())
    }
}
