//! BIG_DECIMAL where the engine below knows bytes alone: beside other numbers in UNION, and as the order of a window.
//!
//! Must not know: values. Invariant: names of columns stay; a frame holds the same rows.

use std::sync::Arc;

use common::{ColumnType, DataType};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Union, WindowFrame, WindowFrameBound,
    WindowFrameUnits, lit,
};

use crate::error::MultiStageError;
use crate::scalar;
use crate::types::column_type;

/// A union whose whole numbers are BIG_DECIMAL where they stand beside it, and whose BIG_DECIMAL are DOUBLE beside that.
///
/// # Errors
/// Where a part cannot be planned anew.
pub(crate) fn union(mut union: Union) -> Result<Union> {
    let Some(first) = union.inputs.first() else {
        return Ok(union);
    };
    let width = first.schema().fields().len();
    let mut wanted: Vec<Option<DataType>> = Vec::with_capacity(width);
    for at in 0..width {
        let types: Vec<ColumnType> = union
            .inputs
            .iter()
            .filter_map(|input| input.schema().fields().get(at))
            .map(|field| column_type(field.data_type()))
            .collect();
        let any = |test: fn(DataType) -> bool| types.iter().any(|t| test(t.data_type));
        let numbers = types.iter().all(|t| !t.multi && t.data_type.is_numeric());
        let decimal = any(|t| t == DataType::BigDecimal);
        let mixed = numbers && decimal && !types.windows(2).all(|pair| pair[0] == pair[1]);
        let floating = types.iter().zip(&union.inputs).any(|(found, input)| {
            let floats = matches!(found.data_type, DataType::Double | DataType::Float);
            floats && !is_decimal_literal(input, at)
        });
        wanted.push(mixed.then_some(if floating {
            DataType::Double
        } else {
            DataType::BigDecimal
        }));
    }
    if wanted.iter().any(Option::is_some) {
        for input in &mut union.inputs {
            *input = Arc::new(cast_to(input, &wanted)?);
        }
    }
    Ok(union)
}

/// True for a column that is a literal with a fraction: an exact decimal to the planner.
fn is_decimal_literal(input: &LogicalPlan, at: usize) -> bool {
    let LogicalPlan::Projection(projection) = input else {
        return false;
    };
    // A whole number is what a function folded to.
    projection.expr.get(at).is_some_and(|expr| {
        matches!(expr.clone().unalias(), Expr::Literal(ScalarValue::Float64(Some(value)), _)
            if value.fract() != 0.0)
    })
}

/// A plan with columns in other types, under their names.
fn cast_to(input: &Arc<LogicalPlan>, wanted: &[Option<DataType>]) -> Result<LogicalPlan> {
    let function = scalar::find("cast", 0)
        .ok_or_else(|| MultiStageError::invalid("there is no function `cast`"))?;
    let columns = input.schema().columns().into_iter().zip(wanted);
    let fields = input.schema().fields();
    let selected = columns.zip(fields).map(|((column, wanted), field)| {
        let own = column_type(field.data_type()).data_type;
        match wanted {
            Some(target) if own != *target => {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                let arguments = vec![Expr::Column(column), lit(target.name())];
                let cast = ScalarFunction::new_udf(Arc::clone(&function), arguments);
                Expr::ScalarFunction(cast).alias_qualified(relation, name)
            }
            _ => Expr::Column(column),
        }
    });
    let selected: Vec<Expr> = selected.collect();
    LogicalPlanBuilder::from(input.as_ref().clone())
        .project(selected)?
        .build()
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
