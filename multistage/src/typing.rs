//! Pinot's types for literals and comparisons, put into a plan before the engine's own coercion sees it.
//!
//! Must not know: tables. Invariant: names of outputs stay; an integer literal is INT where it fits; both sides of a
//! comparison have one type.

use common::{ColumnType, DataType};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator, lit};

use crate::error::MultiStageError;
use crate::scalar;
use crate::types::{arrow_type, column_type, scalar_of, value_of};

/// Types a plan.
///
/// # Errors
/// Where two types have nothing in common.
pub(crate) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        if matches!(node, LogicalPlan::Limit(_)) {
            return Ok(Transformed::no(node));
        }
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(&DFSchema::try_from_qualified_schema(
                scan.table_name.clone(),
                &scan.source.schema(),
            )?);
        }
        let names = NamePreserver::new(&node);
        let changed = node.map_expressions(|expr| {
            let saved = names.save(&expr);
            let expr = expr
                .transform_up(|inner| Ok(Transformed::yes(expression(inner, &schema)?)))?
                .data;
            Ok(Transformed::yes(saved.restore(expr)))
        })?;
        Ok(Transformed::yes(changed.data.recompute_schema()?))
    })?;
    Ok(done.data)
}

fn expression(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => lit(value),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), metadata),
        },
        // Larger integers keep the low 64 bits.
        Expr::Literal(ScalarValue::UInt64(Some(value)), _) => lit(value.cast_signed()),
        Expr::Negative(inner) => negated(*inner),
        Expr::BinaryExpr(binary) if compares(binary.op) => comparison(binary, schema)?,
        Expr::InList(list) => in_list(list, schema)?,
        Expr::Between(between) => between_of(between, schema)?,
        other => other,
    })
}

fn negated(inner: Expr) -> Expr {
    match inner {
        Expr::Literal(ScalarValue::Int32(Some(v)), _) => match v.checked_neg() {
            Some(v) => lit(v),
            None => lit(-i64::from(v)),
        },
        Expr::Literal(ScalarValue::Int64(Some(v)), _) => {
            let v = v.wrapping_neg();
            i32::try_from(v).map_or_else(|_| lit(v), lit)
        }
        Expr::Literal(ScalarValue::Float64(Some(v)), _) => lit(-v),
        other => Expr::Negative(Box::new(other)),
    }
}

fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn comparison(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    let target = common(&left.get_type(schema)?, &right.get_type(schema)?)?;
    let left = converted(*left, &target, schema)?;
    let right = converted(*right, &target, schema)?;
    Ok(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        op,
        Box::new(right),
    )))
}

fn in_list(list: InList, schema: &DFSchema) -> Result<Expr> {
    let mut target = list.expr.get_type(schema)?;
    for item in &list.list {
        target = common(&target, &item.get_type(schema)?)?;
    }
    let expr = converted(*list.expr, &target, schema)?;
    let items = list
        .list
        .into_iter()
        .map(|item| converted(item, &target, schema))
        .collect::<Result<_>>()?;
    Ok(Expr::InList(InList::new(
        Box::new(expr),
        items,
        list.negated,
    )))
}

fn between_of(between: Between, schema: &DFSchema) -> Result<Expr> {
    let mut target = between.expr.get_type(schema)?;
    target = common(&target, &between.low.get_type(schema)?)?;
    target = common(&target, &between.high.get_type(schema)?)?;
    Ok(Expr::Between(Between::new(
        Box::new(converted(*between.expr, &target, schema)?),
        between.negated,
        Box::new(converted(*between.low, &target, schema)?),
        Box::new(converted(*between.high, &target, schema)?),
    )))
}

/// The type in which two are compared.
fn common(left: &ArrowType, right: &ArrowType) -> Result<ArrowType> {
    let (a, b) = (column_type(left), column_type(right));
    if a == b {
        return Ok(arrow_type(a));
    }
    if a.data_type == DataType::Unknown || b.data_type == DataType::Unknown {
        let known = if a.data_type == DataType::Unknown {
            b
        } else {
            a
        };
        return Ok(arrow_type(known));
    }
    let refused = || {
        MultiStageError::invalid(format!(
            "Cannot apply a comparison to arguments of type '<{a}>' and '<{b}>'"
        ))
        .into()
    };
    if a.multi || b.multi {
        return Err(refused());
    }
    let (x, y) = (a.data_type, b.data_type);
    let target = match (x, y) {
        (DataType::Bytes, _) | (_, DataType::Bytes) => return Err(refused()),
        (DataType::String, other) | (other, DataType::String) => other,
        (DataType::Timestamp, _) | (_, DataType::Timestamp) => DataType::Timestamp,
        (DataType::Boolean, other) | (other, DataType::Boolean) => other,
        (DataType::BigDecimal, _) | (_, DataType::BigDecimal) => DataType::BigDecimal,
        (DataType::Int, DataType::Long) | (DataType::Long, DataType::Int) => DataType::Long,
        _ => DataType::Double,
    };
    Ok(arrow_type(ColumnType::sv(target)))
}

/// An expression in a type: a literal at once, a number by widening, anything else by CAST.
fn converted(expr: Expr, target: &ArrowType, schema: &DFSchema) -> Result<Expr> {
    let from = expr.get_type(schema)?;
    if from == *target || from == ArrowType::Null {
        return Ok(expr);
    }
    let to = column_type(target);
    if let Expr::Literal(scalar, _) = &expr
        && let Some(value) = value_of(scalar)
    {
        let cast = value
            .cast(to.data_type)
            .map_err(|error| MultiStageError::invalid(error.to_string()))?;
        if let Some(scalar) = scalar_of(&cast, to) {
            return Ok(Expr::Literal(scalar, None));
        }
    }
    let widens = from.is_numeric() && target.is_numeric();
    if widens {
        return Ok(Expr::Cast(Cast::new(Box::new(expr), target.clone())));
    }
    cast(expr, to)
}

/// `CAST(expr AS to)` by Pinot's rules.
fn cast(expr: Expr, to: ColumnType) -> Result<Expr> {
    let function = scalar::find("cast", 0)
        .ok_or_else(|| MultiStageError::invalid("there is no function `cast`"))?;
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(
        function,
        vec![expr, lit(to.data_type.name())],
    )))
}
