//! EXPRMIN and EXPRMAX: known by name, refused as Pinot refuses them without its opt-in rewriter.
//!
//! Must not know: anything to compute. Invariant: binding never succeeds.

use super::{AggregateCall, AggregateFunction, AggregateRow};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["exprmin", "exprmax", "argmin", "argmax"],
    numbered: false,
    doc: "Value of one expression where others are extreme; needs the opt-in query rewriter.",
    bind,
}];

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    let name = if call.name.ends_with("min") {
        "EXPRMIN"
    } else {
        "EXPRMAX"
    };
    Err(FunctionError::Evaluation(format!(
        "Aggregation function: {name} is only supported in selection without alias."
    )))
}
