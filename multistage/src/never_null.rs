//! What the planner takes for never null, whatever its rows are, and sums of CASE that are sums behind a filter.
//!
//! Must not know: tables. Invariant: applies only where nulls are told apart; everything else keeps its answer. Source: return
//! types without null in Pinot's operator table, and the rule that makes `SUM(CASE WHEN c THEN x ELSE 0 END)` a `SUM(x)
//! FILTER (WHERE c)`.

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, lit};

use crate::aggregate::{self, PinotAggregate};
use crate::{expressions, ranges, scalar};

/// Functions whose type says nothing of null.
const NEVER: [&str; 28] = [
    "arrayaverage",
    "arraylength",
    "arraymax",
    "arraymin",
    "arraysum",
    "arraysumint",
    "arraysumlong",
    "cardinality",
    "cosinedistance",
    "datetimeconvert",
    "datetrunc",
    "geotoh3",
    "griddistance",
    "inidset",
    "innerproduct",
    "jsonextractindex",
    "jsonextractscalar",
    "l1distance",
    "l2distance",
    "starea",
    "stastext",
    "stcontains",
    "stdistance",
    "stequals",
    "stwithin",
    "timeconvert",
    "vectordims",
    "vectornorm",
];

/// A plan in which such tests and counts are settled.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let table =
            matches!(&node, LogicalPlan::Aggregate(aggregate) if of_table(&aggregate.input));
        let long = |expr: &Expr| {
            matches!(
                expr.get_type(&schema),
                Ok(ArrowType::Int32 | ArrowType::Int64)
            )
        };
        expressions::retyped(node, |expr| {
            expr.transform_up(|inner| Ok(settled_expression(inner, table, &long)))
        })
    })?;
    Ok(done.data)
}

/// An expression whose operands are settled; `long` tells whole numbers.
fn settled_expression(expr: Expr, table: bool, long: &dyn Fn(&Expr) -> bool) -> Transformed<Expr> {
    match expr {
        Expr::IsNull(tested) if is_never(&tested) => Transformed::yes(lit(false)),
        Expr::IsNotNull(tested) if is_never(&tested) => Transformed::yes(lit(true)),
        // A test that is never unknown.
        Expr::IsTrue(tested) | Expr::IsNotFalse(tested) if is_settled(&tested) => {
            Transformed::yes(*tested)
        }
        Expr::IsFalse(tested) | Expr::IsNotTrue(tested) if is_settled(&tested) => {
            Transformed::yes(Expr::Not(tested))
        }
        Expr::ScalarFunction(call) if coalesces(&call) => {
            Transformed::yes(call.args.into_iter().next().unwrap_or_else(|| lit(0)))
        }
        Expr::AggregateFunction(call) => match aggregated(&call, table, long) {
            Some(expr) => Transformed::yes(expr),
            None => Transformed::no(Expr::AggregateFunction(call)),
        },
        other => Transformed::no(other),
    }
}

/// True where rows come straight from one table.
fn of_table(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Filter(filter) => of_table(&filter.input),
        LogicalPlan::Projection(projection) => of_table(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => of_table(&alias.input),
        LogicalPlan::Limit(limit) => of_table(&limit.input),
        LogicalPlan::Sort(sort) => of_table(&sort.input),
        _ => false,
    }
}

/// True for an expression that is never null to the planner.
pub(crate) fn is_never(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_never(&alias.expr),
        Expr::Cast(cast) => is_never(&cast.expr),
        Expr::ScalarFunction(call) if NEVER.contains(&call.func.name()) => true,
        // Every other function is null where an argument is, and nowhere else.
        Expr::ScalarFunction(call) => {
            let literal = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if !value.is_null());
            call.func.name() != "nullif"
                && call.args.iter().any(is_never)
                && call.args.iter().all(|arg| literal(arg) || is_never(arg))
        }
        _ => false,
    }
}

/// True for a comparison of what is never null to the planner.
fn is_settled(expr: &Expr) -> bool {
    let known =
        |side: &Expr| matches!(side, Expr::Literal(value, _) if !value.is_null()) || is_never(side);
    matches!(expr, Expr::BinaryExpr(BinaryExpr { left, op, right })
        if op.supports_propagation() && known(left) && known(right))
}

fn coalesces(call: &ScalarFunction) -> bool {
    call.func.name() == "coalesce" && call.args.first().is_some_and(is_never)
}

/// An aggregate that means something else.
fn aggregated(call: &AggregateFunction, table: bool, long: &dyn Fn(&Expr) -> bool) -> Option<Expr> {
    let inner: &dyn std::any::Any = call.func.inner().as_ref();
    let found = inner.downcast_ref::<PinotAggregate>()?;
    let [argument] = call.params.args.as_slice() else {
        return None;
    };
    match found.function.as_str() {
        "count" if is_never(argument) => made("count", vec![lit(1)], call.params.filter.clone()),
        // The sum of what is there by the number of all rows.
        "avg" if is_never(argument) => {
            let coalesce = scalar::find("coalesce", 0)?;
            let zero = if long(argument) { lit(0_i64) } else { lit(0.0) };
            let filled = ScalarFunction::new_udf(coalesce, vec![argument.clone(), zero]);
            made(
                "avg",
                vec![Expr::ScalarFunction(filled)],
                call.params.filter.clone(),
            )
        }
        "sum" if table => {
            let (condition, value) = filtered(argument, long)?;
            let condition = match &call.params.filter {
                Some(filter) => filter.as_ref().clone().and(condition),
                None => condition,
            };
            made("sum", vec![value], Some(Box::new(condition)))
        }
        _ => None,
    }
}

fn made(name: &str, arguments: Vec<Expr>, filter: Option<Box<Expr>>) -> Option<Expr> {
    let generic = aggregate::find(name, false)?;
    let (function, arguments) = aggregate::of_call(&generic, arguments)?;
    Some(Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        arguments,
        false,
        filter,
        Vec::new(),
        None,
    )))
}

/// Condition and value of `CASE WHEN c THEN x ELSE 0 END` over whole numbers, where x is not 1.
fn filtered(expr: &Expr, long: &dyn Fn(&Expr) -> bool) -> Option<(Expr, Expr)> {
    let Expr::Case(Case {
        expr: None,
        when_then_expr,
        else_expr: Some(otherwise),
    }) = expr
    else {
        return None;
    };
    let [(when, then)] = when_then_expr.as_slice() else {
        return None;
    };
    if ranges::is_never_met(when) {
        return None;
    }
    let zero = matches!(
        otherwise.as_ref(),
        Expr::Literal(ScalarValue::Int32(Some(0)) | ScalarValue::Int64(Some(0)), _)
    );
    let one = matches!(
        then.as_ref(),
        Expr::Literal(ScalarValue::Int32(Some(1)) | ScalarValue::Int64(Some(1)), _)
    );
    (zero && !one && long(then)).then(|| (when.as_ref().clone(), then.as_ref().clone()))
}
