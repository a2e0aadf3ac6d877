//! Folding: calls whose arguments are all literals become literals, by the same kernels that run over rows.
//!
//! Must not know: columns. Invariant: volatile functions are left alone; a failing call is an error of the query.

use common::{Block, ColumnType, DataType, Value};
use functions::scalar::{self, Argument, BoundScalar, EvalContext, Role};

use crate::expr::{Call, FILTERED};
use crate::{Expr, SqlError};

/// Folds an expression.
///
/// # Errors
/// Where a literal call fails.
pub fn fold(expr: Expr, now_ms: i64) -> Result<Expr, SqlError> {
    expr.try_rewrite(&mut |e| match e {
        Expr::Call(call) => fold_call(call, now_ms),
        other => Ok(other),
    })
}

fn fold_call(call: Call, now_ms: i64) -> Result<Expr, SqlError> {
    // MIN and MAX of two literals are functions of numbers.
    let chosen = matches!(call.name.as_str(), "min" | "max") && call.args.len() == 2;
    let aggregates = !chosen && functions::aggregate::find(&call.name).is_some();
    if call.name == FILTERED || aggregates {
        return Ok(Expr::Call(call));
    }
    if ROWS_ONLY.contains(&call.name.as_str()) {
        return Ok(Expr::Call(call));
    }
    let Some(literals) = call
        .args
        .iter()
        .map(Expr::as_literal)
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(Expr::Call(call));
    };
    if let Some(value) = of_objects(&call.name, &literals) {
        return Ok(Expr::Literal(value));
    }
    let Some((bound, literals)) = bind(&call.name, &literals) else {
        return Ok(Expr::Call(call));
    };
    let function = bound.function();
    if !function.deterministic {
        return Ok(Expr::Call(call));
    }
    if literals.iter().any(|value| value.is_null()) {
        // Comparisons are chosen by the types of both sides, and there is none for untyped NULLs alone.
        let compares = COMPARISONS.contains(&call.name.as_str());
        if compares && literals.iter().all(Value::is_null) {
            return Ok(Expr::Call(call));
        }
        if compares || !function.nulls.sees_nulls() {
            return Ok(Expr::Literal(Value::Null));
        }
    }
    let blocks: Vec<Block> = literals.iter().map(constant).collect();
    match bound.call(&blocks, 1, &EvalContext::at(now_ms)) {
        Ok(block) if block.rows() == 1 => {
            let value = plain(block.value(0));
            let is_list = JAVA_LISTS.contains(&call.name.as_str());
            Ok(Expr::Literal(match value {
                Value::String(json) if is_list => {
                    Value::String(functions::json::java_object_text(&json))
                }
                Value::Array(_, items) if is_list => {
                    let items: Vec<String> = items.iter().map(|item| item.to_text()).collect();
                    Value::String(format!("[{}]", items.join(", ")))
                }
                other => other,
            }))
        }
        Ok(_) => Ok(Expr::Call(call)),
        Err(source) => Err(SqlError::Fold {
            name: call.name.clone(),
            arguments: literals
                .iter()
                .map(|v| v.to_text())
                .collect::<Vec<_>>()
                .join(", "),
            source,
        }),
    }
}

/// What Pinot answers of Java's objects, whatever their types; `None` for other functions.
fn of_objects(name: &str, literals: &[&Value]) -> Option<Value> {
    match (name, literals) {
        ("coalesce", _) => {
            let first = literals.iter().find(|value| !value.is_null());
            Some(first.map(|value| (*value).clone()).unwrap_or_default())
        }
        ("case" | "casewhen", _) => Some(chosen_branch(literals)),
        ("nullif", [value, other]) => Some(match is_same_object(value, other) {
            true => Value::Null,
            false => (*value).clone(),
        }),
        ("isdistinctfrom", [one, other]) => Some(Value::Boolean(!is_same_object(one, other))),
        ("isnotdistinctfrom", [one, other]) => Some(Value::Boolean(is_same_object(one, other))),
        _ => None,
    }
}

/// The value after the first true literal, in its own type, else the last one where it stands alone.
fn chosen_branch(literals: &[&Value]) -> Value {
    for pair in literals.chunks(2) {
        match pair {
            [Value::Boolean(true), value] => return (*value).clone(),
            [otherwise] => return (*otherwise).clone(),
            _ => {}
        }
    }
    Value::Null
}

/// Equality of literals as Java's objects: those of two types differ, arrays are themselves alone, decimals have a scale.
fn is_same_object(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Bytes(_) | Value::Array(..), _) => false,
        (Value::BigDecimal(_), Value::BigDecimal(_)) => one.to_text() == other.to_text(),
        _ => one.column_type() == other.column_type() && one == other,
    }
}

/// The function for these literals, and the literals it is called with: of an array where it takes one value, the first.
fn bind(name: &str, literals: &[&Value]) -> Option<(BoundScalar, Vec<Value>)> {
    let mut values: Vec<Value> = literals.iter().map(|value| (*value).clone()).collect();
    if let Ok(bound) = scalar::bind(name, &arguments(&values), Role::Scalar) {
        return Some((bound, values));
    }
    let wants = scalar::single_params(name, values.len())?;
    for (value, single) in values.iter_mut().zip(wants) {
        if let (Value::Array(_, items), true) = (&mut *value, single) {
            let first = items.first().cloned()?;
            *value = first;
        }
    }
    let bound = scalar::bind(name, &arguments(&values), Role::Scalar).ok()?;
    Some((bound, values))
}

fn arguments(values: &[Value]) -> Vec<Argument> {
    let argument = |value: &Value| Argument {
        column_type: value.column_type(),
        literal: Some(value.clone()),
    };
    values.iter().map(argument).collect()
}

/// Functions that Pinot has for rows only, so that calls over literals stay calls.
const ROWS_ONLY: &[&str] = &[
    "arrayaverage",
    "arraymax",
    "arraymin",
    "arraysum",
    "in",
    "inidset",
    "isfalse",
    "isnotfalse",
    "isnottrue",
    "istrue",
    "not_in",
    "starea",
    "stpolygon",
    "timeconvert",
    "timeseriesbucket",
];

/// Functions that answer Java's lists, which become literals as Java prints them.
const JAVA_LISTS: &[&str] = &[
    "jsonextractkey",
    "jsonstringtoarray",
    "jsonstringtolistormap",
];

const COMPARISONS: &[&str] = &[
    "equals",
    "not_equals",
    "greater_than",
    "greater_than_or_equal",
    "less_than",
    "less_than_or_equal",
    "between",
];

/// Literals have neither TIMESTAMP nor JSON: milliseconds and text stand for them.
fn plain(value: Value) -> Value {
    match value {
        Value::Timestamp(millis) => Value::Long(millis),
        Value::Json(text) | Value::Map(text) => Value::String(text),
        Value::Array(DataType::Timestamp, items) => {
            Value::Array(DataType::Long, items.into_iter().map(plain).collect())
        }
        other => other,
    }
}

fn constant(value: &Value) -> Block {
    let column_type: ColumnType = value.column_type();
    Block::constant(column_type, value, 1)
}
