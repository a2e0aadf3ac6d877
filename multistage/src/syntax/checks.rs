//! What Pinot's grammar and validator refuse and the grammar at hand takes.
//!
//! Must not know: types. Invariant: nothing is changed here.

use std::collections::HashMap;
use std::ops::ControlFlow;

use common::ErrorCode;
use datafusion::sql::sqlparser::ast::{
    Distinct, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, JoinConstraint, JoinOperator, LimitClause, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableFactor, Value, Visit, Visitor, WindowType,
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
    if !query.locks.is_empty() {
        return Err(no_syntax("FOR UPDATE"));
    }
    if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
        let numbers = limit.iter().chain(offset.iter().map(|o| &o.value));
        for number in numbers {
            if matches!(number, Expr::UnaryOp { .. }) {
                return Err(no_syntax(&format!(
                    "`{number}`: LIMIT and OFFSET take no sign"
                )));
            }
        }
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

/// Refuses what parses and has no plan.
fn unplanned(select: &Select) -> Result<(), MultiStageError> {
    let internal = |what: String| Err(MultiStageError::new(ErrorCode::Internal, what));
    for from in &select.from {
        if let TableFactor::Table {
            sample: Some(_), ..
        } = &from.relation
        {
            return internal("Error while planning query: TABLESAMPLE is not supported".to_owned());
        }
    }
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(Expr::Interval(interval)) => {
                return internal(format!(
                    "Error while planning query: `{interval}` is no column's type"
                ));
            }
            SelectItem::ExprWithAlias {
                expr: Expr::Value(_),
                alias,
            } if alias.quote_style == Some('\'') => {
                return Err(MultiStageError::invalid(
                    "No match found for function signature $LiteralChain",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn select(select: &Select) -> Result<(), MultiStageError> {
    if select.projection.is_empty() {
        return Err(no_syntax("an empty SELECT list"));
    }
    unplanned(select)?;
    if matches!(select.distinct, Some(Distinct::On(_))) {
        return Err(no_syntax(
            "DISTINCT ON: use GROUP BY, or ROW_NUMBER over a window",
        ));
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

/// Refuses ORDER BY a name that two items of the SELECT list have.
pub(super) fn order(
    query: &Query,
    columns: &HashMap<String, String>,
) -> Result<(), MultiStageError> {
    let (SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), &query.order_by) else {
        return Ok(());
    };
    let OrderByKind::Expressions(orders) = &order_by.kind else {
        return Ok(());
    };
    for order in orders {
        let Expr::Identifier(ident) = &order.expr else {
            continue;
        };
        let same = |other: &Ident| other.value.eq_ignore_ascii_case(&ident.value);
        let named = select.projection.iter().filter(|item| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(other)) => same(other),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().is_some_and(same)
            }
            SelectItem::ExprWithAlias { alias, .. } => same(alias),
            SelectItem::Wildcard(_) => columns.contains_key(&ident.value.to_lowercase()),
            _ => false,
        });
        if named.count() > 1 {
            return Err(MultiStageError::invalid(format!(
                "Column '{}' is ambiguous",
                ident.value
            )));
        }
    }
    Ok(())
}

/// Arguments that the planner wants, of functions whose number it fixes.
fn planned_arguments(name: &str) -> Option<std::ops::RangeInclusive<usize>> {
    Some(match name {
        "greatest" | "least" => 2..=2,
        "mode" => 1..=1,
        _ => return None,
    })
}

/// Functions of the single-stage engine that the planner does not know.
const UNKNOWN: [&str; 9] = [
    "case",
    "casewhen",
    "correlateby",
    "fasthll",
    "inpartitionedsubquery",
    "insubquery",
    "settings",
    "steps",
    "timeseriesbucket",
];

/// Refuses calls whose number of arguments is wrong.
fn arguments(name: &str, count: usize, distinct: bool, over: bool) -> Result<(), MultiStageError> {
    let execution = |message: &str| Err(MultiStageError::new(ErrorCode::QueryExecution, message));
    if planned_arguments(name).is_some_and(|wanted| !wanted.contains(&count)) {
        return Err(MultiStageError::invalid(format!(
            "Invalid number of arguments to function '{}': {count}",
            name.to_uppercase()
        )));
    }
    let percentile = name.strip_prefix("percentile").map(|rest| {
        let rest = rest.strip_suffix("mv").unwrap_or(rest);
        rest.trim_start_matches(|c: char| c.is_ascii_alphabetic())
    });
    // The planner knows no rank within a name, and nothing that only a segment answers by another query.
    let ranked = percentile.is_some_and(|digits| digits.parse::<u32>().is_ok());
    if ranked || UNKNOWN.contains(&name) {
        return Err(MultiStageError::invalid(format!(
            "No match found for function signature {}",
            name.to_uppercase()
        )));
    }
    match (name, count) {
        ("add" | "plus" | "sub" | "minus" | "mult" | "times", 3..) => {
            Err(MultiStageError::invalid(format!(
                "Invalid number of arguments to function '{}': {count}",
                name.to_uppercase()
            )))
        }
        ("count", 2..) if distinct => {
            execution("Invalid aggregation function: DISTINCT_COUNT expects 1 argument")
        }
        ("listagg", 1) if !over => {
            execution("Invalid aggregation function: LISTAGG expects 2 or 3 arguments, got: 1")
        }
        ("listagg", 3) => Err(MultiStageError::invalid(
            "Invalid number of arguments to function 'LISTAGG': 3",
        )),
        _ => Ok(()),
    }
}

/// True for a window in an expression, apart from its subqueries.
fn has_window(expr: &Expr) -> bool {
    #[derive(Default)]
    struct Windows {
        /// Subqueries around what is visited.
        depth: usize,
    }

    impl Visitor for Windows {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call) if call.over.is_some() && self.depth == 0 => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }

    expr.visit(&mut Windows::default()).is_break()
}

/// Refuses literals where the planner wants a word or a column.
fn literals(name: &str, function: &Function, args: &[FunctionArg]) -> Result<(), MultiStageError> {
    let literal = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => {
            Some(value.value.clone())
        }
        _ => None,
    };
    let first = args.first().and_then(literal);
    let text = matches!(first, Some(Value::SingleQuotedString(_)));
    if matches!(name, "timestampadd" | "timestampdiff") && text {
        let what = format!("`{function}`: the unit is a word, not a text");
        // With an underscore it is no word of the grammar, but a function like any other.
        return Err(if function.name.to_string().contains('_') {
            MultiStageError::invalid(what)
        } else {
            no_syntax(&what)
        });
    }
    if name == "arrayvalueconstructor" && args.iter().all(|arg| literal(arg).is_some()) {
        return Err(MultiStageError::new(
            ErrorCode::QueryPlanning,
            format!("Error optimizing query: `{function}` is no literal: write ARRAY[..]"),
        ));
    }
    let signed = matches!(
        args.first(),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(
            Expr::UnaryOp { .. }
        )))
    );
    if name == "timeconvert" && (signed || first.is_some()) {
        return Err(MultiStageError::invalid(
            "The first argument of TIME_CONVERT must be a column or a function of one",
        ));
    }
    Ok(())
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
    if name == "cast" {
        return Err(no_syntax("`)`: expected AS and a type in CAST"));
    }
    literals(name, function, &list.args)?;
    let starred = list
        .args
        .iter()
        .any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Wildcard)));
    if starred && name != "count" {
        return Err(MultiStageError::invalid("Unknown identifier '*'"));
    }
    let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    arguments(name, list.args.len(), distinct, function.over.is_some())?;
    let Some(WindowType::WindowSpec(spec)) = &function.over else {
        return Ok(());
    };
    if function.filter.is_some() {
        return Err(MultiStageError::invalid(
            "OVER must be applied to aggregate function",
        ));
    }
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
