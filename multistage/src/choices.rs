//! The answers of a CASE in one type, by the rules of Pinot's planner.
//!
//! Must not know: rows. Invariant: answers of one type stay as they are; what has no common type is left to be refused.

use common::{ColumnType, DataType};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::error::MultiStageError;
use crate::types::{arrow_type, column_type};
use crate::typing::{cast, converted, expression, is_exact};

/// A CASE with its answers typed.
///
/// # Errors
/// Where a condition is none, or an answer is an array.
pub(crate) fn typed(case: Case, schema: &DFSchema) -> Result<Expr> {
    let case = searched(case, schema)?;
    let case = texts_alike(case, schema)?;
    let case = times_alike(case, schema)?;
    checked(decimals_alike(case, schema)?, schema)
}

/// `CASE x WHEN v` is `CASE WHEN x = v`: the sides meet as those of any comparison.
fn searched(mut case: Case, schema: &DFSchema) -> Result<Case> {
    let Some(value) = case.expr.take() else {
        return Ok(case);
    };
    for (when, _) in &mut case.when_then_expr {
        let equal = value.as_ref().clone().eq((**when).clone());
        **when = expression(equal, schema)?;
    }
    Ok(case)
}

fn answers_of(case: &mut Case) -> impl Iterator<Item = &mut Box<Expr>> {
    let answers = case.when_then_expr.iter_mut().map(|(_, then)| then);
    answers.chain(case.else_expr.as_mut())
}

fn types_of(case: &Case, schema: &DFSchema) -> Result<Vec<ColumnType>> {
    let answers = case.when_then_expr.iter().map(|(_, then)| then);
    let answers = answers.chain(&case.else_expr);
    answers
        .map(|answer| Ok(column_type(&answer.get_type(schema)?)))
        .collect()
}

/// Beside a text, a BOOLEAN, a TIMESTAMP and BYTES are texts, and so is all that stands with them: BYTES are their hexadecimal
/// digits. A TIMESTAMP and a number meet before they meet a text.
fn texts_alike(mut case: Case, schema: &DFSchema) -> Result<Case> {
    let types = types_of(&case, schema)?;
    let any = |test: fn(DataType) -> bool| types.iter().any(|t| test(t.data_type));
    let written =
        |t: DataType| matches!(t, DataType::Boolean | DataType::Timestamp | DataType::Bytes);
    let timed = any(|t| t == DataType::Timestamp) && any(DataType::is_numeric);
    let meets = any(|t| t == DataType::String) && any(written) && !timed;
    if !meets || types.iter().any(|t| t.multi) {
        return Ok(case);
    }
    let text = ColumnType::sv(DataType::String);
    for (answer, found) in answers_of(&mut case).zip(&types) {
        if !matches!(found.data_type, DataType::String | DataType::Unknown) {
            **answer = expression(cast((**answer).clone(), text)?, schema)?;
        }
    }
    Ok(case)
}

/// Beside a TIMESTAMP, whole numbers are times; a literal is none.
fn times_alike(mut case: Case, schema: &DFSchema) -> Result<Case> {
    let types = types_of(&case, schema)?;
    let time = ColumnType::sv(DataType::Timestamp);
    let whole = |t: &ColumnType| !t.multi && t.data_type.is_integer();
    let known = |t: &ColumnType| *t == time || whole(t) || t.data_type == DataType::Unknown;
    if !types.contains(&time) || !types.iter().any(whole) || !types.iter().all(known) {
        return Ok(case);
    }
    for (answer, found) in answers_of(&mut case).zip(&types) {
        if whole(found) && !matches!(**answer, Expr::Literal(..)) {
            **answer = cast((**answer).clone(), time)?;
        }
    }
    Ok(case)
}

/// Answers of a CASE beside BIG_DECIMAL are BIG_DECIMAL too, and all of them DOUBLE beside a column of that type.
fn decimals_alike(mut case: Case, schema: &DFSchema) -> Result<Case> {
    let types = types_of(&case, schema)?;
    let answers: Vec<_> = answers_of(&mut case).collect();
    let numbers = types
        .iter()
        .all(|t| !t.multi && (t.data_type.is_numeric() || t.data_type == DataType::Unknown));
    if !numbers || !types.contains(&ColumnType::sv(DataType::BigDecimal)) {
        return Ok(case);
    }
    let floating = answers.iter().zip(&types).any(|(answer, found)| {
        // Arithmetic of whole numbers with a written fraction is an exact decimal itself.
        matches!(found.data_type, DataType::Double | DataType::Float) && !is_exact(answer, schema)
    });
    let target = arrow_type(ColumnType::sv(if floating {
        DataType::Double
    } else {
        DataType::BigDecimal
    }));
    for answer in answers {
        **answer = converted((**answer).clone(), &target, schema)?;
    }
    Ok(case)
}

fn checked(case: Case, schema: &DFSchema) -> Result<Expr> {
    let answers = case.when_then_expr.iter().map(|(_, then)| then);
    for answer in answers.chain(&case.else_expr) {
        if matches!(answer.get_type(schema)?, ArrowType::List(_)) {
            return Err(MultiStageError::invalid(
                "Unsupported multi-value expression in THEN/ELSE clause",
            )
            .into());
        }
    }
    if let Some(operand) = &case.expr
        && operand.get_type(schema)? == ArrowType::Binary
    {
        for (when, _) in &case.when_then_expr {
            if matches!(**when, Expr::Literal(ScalarValue::Utf8(Some(_)), _)) {
                let message = format!("Cannot cast {when} as VARBINARY: use a literal like X'1e'");
                return Err(MultiStageError::invalid(message).into());
            }
        }
    }
    if case.expr.is_none() {
        for (when, _) in &case.when_then_expr {
            let found = when.get_type(schema)?;
            if !matches!(found, ArrowType::Boolean | ArrowType::Null) {
                return Err(
                    MultiStageError::invalid("Expected a boolean type in CASE WHEN").into(),
                );
            }
        }
    }
    Ok(Expr::Case(case))
}
