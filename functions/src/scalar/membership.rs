//! IN and NOT IN: one value against a list.
//!
//! Must not know: predicates on indexes. Invariant: three-valued, as SQL has it.

use std::cmp::Ordering;
use std::collections::HashSet;

use common::{Block, DataType, Value, Values};

use super::comparison::{booleans, compare_two, meeting_type, operand};
use super::lift::any_null;
use super::text::Answer;
use crate::FunctionError;

/// IN and NOT IN: null where the value is null, or where it is not found and a listed value is null.
pub(super) fn among(args: &[Block], found: bool) -> Answer {
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
