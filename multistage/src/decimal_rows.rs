//! BIG_DECIMAL where the engine below knows bytes alone: as the order of a window.
//!
//! Must not know: values. Invariant: a frame holds the same rows.

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{ExprSchemable, WindowFrame, WindowFrameBound, WindowFrameUnits};

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
