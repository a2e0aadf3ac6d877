//! Texts that are added up: Pinot's planner reads them as exact decimals.
//!
//! Must not know: kernels. Invariant: other arguments, and aggregations that take texts as they are, stay.

use common::{ColumnType, DataType};
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable};

use crate::aggregate::PinotAggregate;
use crate::types::column_type;
use crate::typing::cast;

/// The arguments of an aggregation, texts of a sum or an average as BIG_DECIMAL.
///
/// # Errors
/// Where an argument has no type.
pub(crate) fn typed(
    called: &AggregateUDF,
    mut args: Vec<Expr>,
    schema: &DFSchema,
) -> Result<Vec<Expr>> {
    let inner: &dyn std::any::Any = called.inner().as_ref();
    let adds = inner
        .downcast_ref::<PinotAggregate>()
        .is_some_and(|call| matches!(call.function.as_str(), "sum" | "$sum0" | "avg"));
    let [arg] = args.as_mut_slice() else {
        return Ok(args);
    };
    let found = column_type(&arg.get_type(schema)?);
    let text = !found.multi && matches!(found.data_type, DataType::String | DataType::Json);
    if adds && text {
        *arg = cast(std::mem::take(arg), ColumnType::sv(DataType::BigDecimal))?;
    }
    Ok(args)
}
