//! BIG_DECIMAL where the engine below knows bytes alone: as the order of a window, in comparisons and in ORDER BY.
//!
//! `1` and `1.0` are two values to groups and to the keys of joins, as they are in Pinot, and one number to all else.
//! Must not know: leaves. Invariant: a frame holds the same rows; what compares and sorts numbers does not see their scales.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, LargeBinaryArray};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{
    Between, BinaryExpr, InList, Sort as SortExpr, WindowFunction,
};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, WindowFrame, WindowFrameBound, WindowFrameUnits,
};

use crate::decimal;
use crate::expressions;
use crate::typing::compares;

/// A plan over leaves that compares and orders numbers.
///
/// # Errors
/// Where an expression has no type.
pub(crate) fn by_number(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let node = match node {
            LogicalPlan::Sort(mut sort) => {
                ordered(&mut sort.expr, &schema)?;
                LogicalPlan::Sort(sort)
            }
            other => other,
        };
        expressions::mapped(node, |expr| {
            expr.transform_up(|inner| compared(inner, &schema))
        })
    });
    changed.data()
}

fn compared(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !of_decimals(&expr, schema)? {
        return Ok(Transformed::no(expr));
    }
    let boxed = |expr: Box<Expr>| number(*expr, schema).map(Box::new);
    Ok(Transformed::yes(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            Expr::BinaryExpr(BinaryExpr::new(boxed(left)?, op, boxed(right)?))
        }
        Expr::InList(list) => {
            let members = list.list.into_iter().map(|member| number(member, schema));
            let members = members.collect::<Result<_>>()?;
            Expr::InList(InList::new(boxed(list.expr)?, members, list.negated))
        }
        Expr::Between(between) => Expr::Between(Between::new(
            boxed(between.expr)?,
            between.negated,
            boxed(between.low)?,
            boxed(between.high)?,
        )),
        Expr::WindowFunction(mut window) => {
            ordered(&mut window.params.order_by, schema)?;
            Expr::WindowFunction(window)
        }
        other => return Ok(Transformed::no(other)),
    }))
}

/// True for what compares or orders a BIG_DECIMAL.
fn of_decimals(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    match expr {
        Expr::BinaryExpr(binary) if compares(binary.op) => {}
        Expr::InList(_) | Expr::Between(_) | Expr::WindowFunction(_) => {}
        _ => return Ok(false),
    }
    let mut found = false;
    expr.apply_children(|child| {
        found |= is_decimal(child, schema)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn is_decimal(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(expr.get_type(schema)? == ArrowType::LargeBinary)
}

/// The keys of an order, each as the number that it sorts by.
fn ordered(keys: &mut [SortExpr], schema: &DFSchema) -> Result<()> {
    for key in keys {
        key.expr = number(std::mem::take(&mut key.expr), schema)?;
    }
    Ok(())
}

/// What sorts a BIG_DECIMAL among numbers; any other expression as it is.
fn number(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    if !is_decimal(&expr, schema)? {
        return Ok(expr);
    }
    Ok(match expr {
        Expr::Literal(ScalarValue::LargeBinary(Some(bytes)), metadata) => {
            let number = decimal::number(&bytes).to_vec();
            Expr::Literal(ScalarValue::LargeBinary(Some(number)), metadata)
        }
        other => as_number().call(vec![other]),
    })
}

/// `$number(decimal)`: its bytes without those of the scale.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Number {
    signature: Signature,
}

/// `$number` as one of the engine's functions.
pub(crate) fn as_number() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![ArrowType::LargeBinary], Volatility::Immutable);
    Arc::new(ScalarUDF::from(Number { signature }))
}

impl ScalarUDFImpl for Number {
    fn name(&self) -> &str {
        "$number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(ArrowType::LargeBinary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let decimals = arrays
            .first()
            .and_then(|array| array.as_binary_opt::<i64>())
            .ok_or_else(|| internal_datafusion_err!("`$number` takes a BIG_DECIMAL"))?;
        let numbers: LargeBinaryArray = decimals
            .iter()
            .map(|bytes| bytes.map(decimal::number))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}

/// A window in the order of bytes: its peers are counted as groups, for bytes have no distance.
///
/// # Errors
/// Where the order has no type.
pub(crate) fn framed(mut window: WindowFunction, schema: &DFSchema) -> Result<WindowFunction> {
    let frame = &window.params.window_frame;
    if frame.units != WindowFrameUnits::Range {
        return Ok(window);
    }
    let mut bytes = false;
    for order in &window.params.order_by {
        let found = order.expr.get_type(schema)?;
        bytes |= matches!(found, ArrowType::LargeBinary | ArrowType::Binary);
    }
    if bytes && let (Some(start), Some(end)) = (whole(&frame.start_bound), whole(&frame.end_bound))
    {
        window.params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end);
    }
    Ok(window)
}

/// A bound that means the same in groups; none for a distance.
fn whole(bound: &WindowFrameBound) -> Option<WindowFrameBound> {
    let unbounded = ScalarValue::UInt64(None);
    match bound {
        WindowFrameBound::CurrentRow => Some(WindowFrameBound::CurrentRow),
        WindowFrameBound::Preceding(value) if value.is_null() => {
            Some(WindowFrameBound::Preceding(unbounded))
        }
        WindowFrameBound::Following(value) if value.is_null() => {
            Some(WindowFrameBound::Following(unbounded))
        }
        _ => None,
    }
}
