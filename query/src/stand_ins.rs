//! Values for aggregations that never look at nulls: of every row one, be it what stands for a null.
//!
//! Must not know: aggregations. Invariant: a column's null is what the table stores for it, and a null that an expression makes is
//! zero, false or empty; conditions of a CASE hold where they hold anywhere else.

use functions::aggregate::placed;
use functions::scalar::{BoundScalar, EvalContext, NullRule};

use common::Block;

use crate::QueryError;
use crate::expr::{BoundExpr, Rows, is_choice, is_condition, taken};
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
    let mut plain = rows.plain();
    let mut stand_ins = StandIns {
        rows,
        plain: &mut plain,
        context,
    };
    stand_ins.of(expr)
}

/// The same rows with their nulls and without.
struct StandIns<'s, 'r> {
    rows: &'s mut Projection<'r>,
    plain: &'s mut Projection<'r>,
    context: &'s EvalContext,
}

impl StandIns<'_, '_> {
    fn of(&mut self, expr: &BoundExpr) -> Result<Block, QueryError> {
        if expr.is_blind_to_nulls() {
            return expr.evaluate(self.plain, self.context);
        }
        match expr {
            BoundExpr::Column(..) => expr.evaluate(self.plain, self.context),
            // A null literal takes the type of the choice that it is in.
            BoundExpr::Literal(..) => expr.evaluate(self.rows, self.context),
            BoundExpr::Call { function, args } if is_choice(function) => {
                let blocks =
                    args.iter()
                        .enumerate()
                        .map(|(at, arg)| match is_condition(at, args.len()) {
                            true => arg.evaluate(self.rows, self.context),
                            false => self.of(arg),
                        });
                let blocks = taken(blocks.collect(), args, self.rows.rows())?;
                Ok(placed(self.called(function, &blocks)?))
            }
            BoundExpr::Call { function, args } if decides(function) => match args.as_slice() {
                [first, second] if function.function().names.contains(&"nullif") => {
                    self.null_if(function, first, second)
                }
                _ => expr.evaluate(self.rows, self.context),
            },
            BoundExpr::Call { function, args } => {
                let blocks = args.iter().map(|arg| self.of(arg));
                let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
                self.called(function, &blocks)
            }
        }
    }

    /// What stands for a null of the first value stays; a null that the function makes does not.
    fn null_if(
        &mut self,
        function: &BoundScalar,
        first: &BoundExpr,
        second: &BoundExpr,
    ) -> Result<Block, QueryError> {
        let sides = [
            first.evaluate(self.rows, self.context)?,
            second.evaluate(self.rows, self.context)?,
        ];
        let chosen = self.called(function, &sides)?;
        let made = (0..chosen.rows())
            .map(|row| chosen.is_null(row) && !sides[0].is_null(row))
            .collect();
        let own = self.of(first)?;
        Ok(placed(own.flattened().with_nulls(Some(made))))
    }

    fn called(&self, function: &BoundScalar, blocks: &[Block]) -> Result<Block, QueryError> {
        Ok(function.call(blocks, self.rows.rows(), self.context)?)
    }
}

/// True for a function of nulls.
fn decides(function: &BoundScalar) -> bool {
    function.function().nulls == NullRule::Sees
}
