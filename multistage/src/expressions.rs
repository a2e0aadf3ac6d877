//! What is true of an expression, and changes of a node's expressions that keep the names of what the node answers.
//!
//! Must not know: what changes. Invariant: every output has the name that it had.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// A node with its expressions changed; its schema is that of before.
///
/// # Errors
/// Those of the change.
pub(crate) fn mapped(
    node: LogicalPlan,
    mut change: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let saved = names.save(&expr);
        Ok(change(expr)?.update_data(|expr| saved.restore(expr)))
    })
}

/// The same with the schema that the changed expressions give.
///
/// # Errors
/// Those of the change, and where the node cannot be rebuilt.
pub(crate) fn retyped(
    node: LogicalPlan,
    change: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let changed = mapped(node, change)?;
    if !changed.transformed {
        return Ok(changed);
    }
    Ok(Transformed::yes(changed.data.recompute_schema()?))
}

/// An expression with the columns of a plan by what is `written` for each.
///
/// # Errors
/// Where it cannot be rebuilt.
pub(crate) fn rewritten(expr: Expr, plan: &LogicalPlan, written: &[Expr]) -> Result<Expr> {
    let done = expr.transform(|inner| {
        let Expr::Column(column) = &inner else {
            return Ok(Transformed::no(inner));
        };
        let place = plan.schema().maybe_index_of_column(column);
        Ok(match place.and_then(|place| written.get(place)) {
            Some(below) => Transformed::yes(below.clone()),
            None => Transformed::no(inner),
        })
    })?;
    Ok(done.data)
}

/// True for a literal null.
pub(crate) fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if value.is_null())
}
