//! What Pinot's grammar and validator refuse and the grammar at hand takes.
//!
//! Must not know: types. Invariant: nothing is changed here.

use std::ops::ControlFlow;

use common::ErrorCode;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator,
    LimitClause, Query, Select, SetExpr, Value, WindowType, visit_expressions,
};

use crate::error::MultiStageError;

pub(super) fn no_syntax(what: &str) -> MultiStageError {
    MultiStageError::new(
        ErrorCode::SqlParsing,
        format!("Caught exception while parsing query: Encountered {what}"),
    )
}

/// Checks a query apart from its expressions.
pub(super) fn query(query: &Query) -> Result<(), MultiStageError> {
    if let Some(LimitClause::LimitOffset {
        limit: Some(Expr::Value(value)),
        ..
    }) = &query.limit_clause
        && !matches!(value.value, Value::Number(..) | Value::Null)
    {
        return Err(no_syntax(&format!("`{value}` as LIMIT")));
    }
    body(&query.body)
}

fn body(found: &SetExpr) -> Result<(), MultiStageError> {
    match found {
        SetExpr::Select(found) => select(found),
        SetExpr::SetOperation { left, right, .. } => {
            body(left)?;
            body(right)
        }
        _ => Ok(()),
    }
}

fn select(select: &Select) -> Result<(), MultiStageError> {
    if select.projection.is_empty() {
        return Err(no_syntax("an empty SELECT list"));
    }
    if select.top.is_some() {
        return Err(no_syntax("TOP: use LIMIT"));
    }
    if select.from.is_empty() && select.selection.is_some() {
        return Err(no_syntax("WHERE without FROM"));
    }
    if select.selection.as_ref().is_some_and(has_window) {
        return Err(MultiStageError::invalid(
            "Windowed aggregate expression is illegal in WHERE clause",
        ));
    }
    let joins = select.from.iter().flat_map(|from| &from.joins);
    for join in joins {
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            _ => continue,
        };
        let unnested = join
            .relation
            .to_string()
            .to_uppercase()
            .starts_with("UNNEST");
        if *constraint == JoinConstraint::None && !unnested {
            return Err(MultiStageError::invalid(
                "INNER, LEFT, RIGHT, FULL, or ASOF join requires a condition (NATURAL keyword or ON or USING clause)",
            ));
        }
    }
    Ok(())
}

fn has_window(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |inner| match inner {
        Expr::Function(function) if function.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Checks a call of a function by its canonical name.
pub(super) fn call(name: &str, function: &Function) -> Result<(), MultiStageError> {
    let aggregate = functions::aggregate::find(name).is_some();
    if function.filter.is_some() && !aggregate {
        return Err(MultiStageError::invalid(
            "FILTER must be applied to aggregate function",
        ));
    }
    let FunctionArguments::List(list) = &function.args else {
        return Ok(());
    };
    let starred = list
        .args
        .iter()
        .any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard)));
    if starred && name != "count" {
        return Err(MultiStageError::invalid("Unknown identifier '*'"));
    }
    let Some(WindowType::WindowSpec(spec)) = &function.over else {
        return Ok(());
    };
    let ranks = matches!(name, "rank" | "denserank" | "rownumber" | "ntile");
    if ranks && spec.window_frame.is_some() {
        return Err(MultiStageError::invalid(
            "ROW/RANGE not allowed with RANK, DENSE_RANK, ROW_NUMBER, PERCENTILE_CONT/DISC or LAG/LEAD functions",
        ));
    }
    if matches!(name, "rank" | "denserank") && spec.order_by.is_empty() {
        return Err(MultiStageError::invalid(
            "RANK or DENSE_RANK functions require ORDER BY clause in window specification",
        ));
    }
    let literal = matches!(
        list.args.first(),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_))))
    );
    if name == "ntile" && !literal {
        return Err(MultiStageError::invalid(
            "Argument to function 'NTILE' must be a literal",
        ));
    }
    Ok(())
}
