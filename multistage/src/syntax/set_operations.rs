//! Set operations that count rows: INTERSECT ALL and EXCEPT ALL by numbering equal rows; MINUS is EXCEPT.
//!
//! Must not know: types. Invariant: the rewritten operation has the columns' names of its left side.

use datafusion::sql::sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

use super::bodies;
use super::stars::Stars;
use crate::error::MultiStageError;

/// Rewrites a body and what it is made of.
pub(super) fn rewrite(body: &mut SetExpr, stars: &Stars<'_>) -> Result<(), MultiStageError> {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return Ok(());
    };
    rewrite(left, stars)?;
    rewrite(right, stars)?;
    if *op == SetOperator::Minus {
        *op = SetOperator::Except;
    }
    let counts = matches!(op, SetOperator::Intersect | SetOperator::Except);
    if counts && *set_quantifier == SetQuantifier::All {
        let names = stars.of_body(left).ok_or_else(|| {
            MultiStageError::invalid(format!(
                "{op} ALL expects the names of its columns, not `*`"
            ))
        })?;
        *body = numbered(&op.to_string(), left, right, &names)?;
    }
    Ok(())
}

fn numbered(
    op: &str,
    left: &SetExpr,
    right: &SetExpr,
    names: &[String],
) -> Result<SetExpr, MultiStageError> {
    let columns = bodies::columns(names);
    let side = |body: &SetExpr| {
        format!(
            "SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY {columns}) AS \"$turn\" \
             FROM ({body}) AS \"$side\" ({columns})"
        )
    };
    let (left, right) = (side(left), side(right));
    bodies::body_of(&format!(
        "SELECT {columns} FROM ({left} {op} {right}) AS \"$counted\""
    ))
}
