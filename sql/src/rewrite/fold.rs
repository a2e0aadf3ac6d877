//! Folding: calls whose arguments are all literals become literals, by the same kernels that run over rows.
//!
//! Must not know: columns. Invariant: volatile functions are left alone; a failing call is an error of the query.

use common::{Block, ColumnType, Value};
use functions::scalar::{self, Argument, EvalContext, NullRule, Role};

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
    if call.name == FILTERED || functions::aggregate::find(&call.name).is_some() {
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
    if matches!(
        call.name.as_str(),
        "and" | "or" | "not" | "in" | "not_in" | "between"
    ) {
        return Ok(Expr::Call(call));
    }
    let arguments: Vec<Argument> = literals
        .iter()
        .map(|value| Argument {
            column_type: value.column_type(),
            literal: Some((*value).clone()),
        })
        .collect();
    let Ok(bound) = scalar::bind(&call.name, &arguments, Role::Scalar) else {
        return Ok(Expr::Call(call));
    };
    let function = bound.function();
    let null_argument = literals.iter().any(|value| value.is_null());
    if !function.deterministic || (null_argument && function.nulls == NullRule::NullInNullOut) {
        return Ok(Expr::Call(call));
    }
    let blocks: Vec<Block> = literals.iter().map(|value| constant(value)).collect();
    match bound.call(&blocks, 1, &EvalContext { now_ms }) {
        Ok(block) if block.rows() == 1 => Ok(Expr::Literal(block.value(0))),
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

fn constant(value: &Value) -> Block {
    let column_type: ColumnType = value.column_type();
    Block::constant(column_type, value, 1)
}
