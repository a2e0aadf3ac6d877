//! Values for aggregations that never look at nulls: of every row one, be it what stands for a null.
//!
//! Must not know: aggregations. Invariant: a column's null is what the table stores for it, and a null that an expression makes is
//! zero, false or empty; conditions of a CASE hold where they hold anywhere else.

use functions::aggregate::placed;
use functions::scalar::{BoundScalar, EvalContext, NullRule};

use common::Block;

use crate::QueryError;
use crate::expr::{BoundExpr, Rows, is_choice, taken};
use crate::project::Projection;

/// Evaluates over rows, each null replaced by what stands for it.
///
/// # Errors
/// Where a function refuses a value.
pub(crate) fn evaluate(
    expr: &BoundExpr,
    rows: &mut Projection<'_>,
    context: &EvalContext,
) -> Result<Block, QueryError> {
    if expr.is_blind_to_nulls() {
        return expr.evaluate(&mut rows.plain(), context);
    }
    match expr {
        BoundExpr::Column(..) => expr.evaluate(&mut rows.plain(), context),
        // A null literal takes the type of the choice that it is in.
        BoundExpr::Literal(..) => expr.evaluate(rows, context),
        BoundExpr::Call { function, args } if is_choice(function) => {
            let blocks = args.iter().enumerate().map(|(at, arg)| {
                let condition = at % 2 == 0 && at + 1 < args.len();
                match condition {
                    true => arg.evaluate(rows, context),
                    false => evaluate(arg, rows, context),
                }
            });
            let blocks = taken(blocks.collect(), args, rows.rows())?;
            Ok(placed(function.call(&blocks, rows.rows(), context)?))
        }
        BoundExpr::Call { function, args } if decides(function) => match args.as_slice() {
            [first, _] if function.function().names.contains(&"nullif") => {
                let chosen = expr.evaluate(rows, context)?;
                let own = evaluate(first, rows, context)?;
                let nulls = first.evaluate(rows, context)?;
                let made = (0..chosen.rows())
                    .map(|row| chosen.is_null(row) && !nulls.is_null(row))
                    .collect();
                Ok(placed(own.flattened().with_nulls(Some(made))))
            }
            _ => expr.evaluate(rows, context),
        },
        BoundExpr::Call { function, args } => {
            let blocks = args.iter().map(|arg| evaluate(arg, rows, context));
            let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
            Ok(function.call(&blocks, rows.rows(), context)?)
        }
    }
}

/// True for a function of nulls.
fn decides(function: &BoundScalar) -> bool {
    function.function().nulls == NullRule::Sees
}
