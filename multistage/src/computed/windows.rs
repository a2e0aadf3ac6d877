//! What is selected beside a window, computed below it.
//!
//! Pinot's planner makes one list below a window of all that its SELECT computes of rows, so that a condition above the window
//! finds it computed. Must not know: leaves, how a list goes on down. Invariant: the same columns under the same names.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window};

use super::{further, moves};

/// The plan with what tells or makes nulls and what keeps fractions below the windows that it is selected beside.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn below(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut names = 0;
    plan.transform_up_with_subqueries(|node| {
        let made = match &node {
            LogicalPlan::Projection(projection) => beside_window(projection, &mut names)?,
            _ => None,
        };
        Ok(made.map_or_else(|| Transformed::no(node), Transformed::yes))
    })
    .data()
}

fn beside_window(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    if !matches!(projection.input.as_ref(), LogicalPlan::Window(_)) {
        return Ok(None);
    }
    let rows = rows_of(&projection.input);
    let mut computed = Vec::new();
    let mut exprs = Vec::with_capacity(projection.expr.len());
    let saved = NamePreserver::new_for_projection();
    for expr in &projection.expr {
        let name = saved.save(expr);
        let kept = expr.clone().transform_down(|inner| {
            if !moves(&inner, rows.schema()) || !further::has_columns(rows, &inner) {
                return Ok(Transformed::no(inner));
            }
            let column = format!("$beside{names}");
            *names += 1;
            computed.push(inner.alias(column.as_str()));
            let column = Expr::Column(Column::new_unqualified(column));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        })?;
        exprs.push(name.restore(kept.data));
    }
    if computed.is_empty() {
        return Ok(None);
    }
    let input = over_list(&projection.input, computed)?;
    let made = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Some(LogicalPlan::Projection(made)))
}

/// What the windows of one SELECT are over.
fn rows_of(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Window(window) => rows_of(&window.input),
        rows => rows,
    }
}

/// The windows, over their rows and what is computed of these.
fn over_list(plan: &LogicalPlan, computed: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Window(window) => {
            let input = over_list(&window.input, computed)?;
            LogicalPlan::Window(Window::try_new(
                window.window_expr.clone(),
                Arc::new(input),
            )?)
        }
        rows => {
            let columns = rows.schema().columns().into_iter().map(Expr::Column);
            let exprs = columns.chain(computed).collect();
            LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows.clone()))?)
        }
    })
}
