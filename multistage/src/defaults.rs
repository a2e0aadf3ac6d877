//! The value that LEAD and LAG answer beyond the partition: in the form of the column, and both in the type that holds them.
//!
//! Must not know: rows. Invariant: the first argument and the default have one type, which the window function has as well.

use common::{ColumnType, DataType, ErrorCode};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, WindowFunctionDefinition, lit};

use crate::error::MultiStageError;
use crate::types::{column_type, scalar_of, value_of};
use crate::typing;

/// A window function with its default typed.
///
/// # Errors
/// Where the default is no literal, or has no form in the column's type.
pub(crate) fn typed(mut window: WindowFunction, schema: &DFSchema) -> Result<WindowFunction> {
    let shifts = match &window.fun {
        WindowFunctionDefinition::WindowUDF(function) => {
            matches!(function.name(), "lag" | "lead")
        }
        WindowFunctionDefinition::AggregateUDF(_) => false,
    };
    let [value, _, default] = window.params.args.as_mut_slice() else {
        return Ok(window);
    };
    if !shifts {
        return Ok(window);
    }
    let own = column_type(&value.get_type(schema)?);
    let given = column_type(&default.get_type(schema)?);
    if apart(own, given) {
        return Err(MultiStageError::invalid(format!(
            "Cannot apply 'LAG' or 'LEAD' to arguments of type '<{own}>, <INTEGER>, <{given}>'"
        ))
        .into());
    }
    let refused = || {
        MultiStageError::new(
            ErrorCode::QueryExecution,
            format!(
                "LEAD and LAG expect a literal of the column's type as default, found `{default}`"
            ),
        )
    };
    let Expr::Literal(written, _) = &*default else {
        return Err(refused().into());
    };
    let Some(written) = value_of(written).filter(|value| !value.is_null()) else {
        return Ok(window);
    };
    let given = written.column_type().data_type;
    if own.multi || own.data_type == DataType::Unknown {
        return Ok(window);
    }
    let stored = written.cast(own.data_type).map_err(|_| refused())?;
    let wanted = ColumnType::sv(meeting(own.data_type, given));
    let stored = stored.cast(wanted.data_type).map_err(|_| refused())?;
    let Some(literal) = scalar_of(&stored, wanted) else {
        return Err(refused().into());
    };
    *default = Expr::Literal(literal, None);
    if wanted != own {
        *value = typing::cast(std::mem::replace(value, lit(0)), wanted)?;
    }
    Ok(window)
}

/// True for types that have none in common: texts meet all but BYTES, numbers meet numbers.
fn apart(own: ColumnType, given: ColumnType) -> bool {
    let unknown = |t: ColumnType| t.multi || t.data_type == DataType::Unknown;
    let (own_type, given_type) = (own.data_type, given.data_type);
    let numbers = own_type.is_numeric() && given_type.is_numeric();
    let either = |wanted: DataType| own_type == wanted || given_type == wanted;
    let known = !unknown(own) && !unknown(given);
    known && own != given && !numbers && (either(DataType::Bytes) || !either(DataType::String))
}

/// The type of both.
fn meeting(own: DataType, given: DataType) -> DataType {
    use DataType::{BigDecimal, Double, Float, Int, Long, String};
    match (own, given) {
        (Int | Long | Float | Double, String) => String,
        (Int, Long) => Long,
        (Int | Long | Float, Float | Double) => Double,
        (Int | Long | Float | Double, BigDecimal) => BigDecimal,
        _ => own,
    }
}
