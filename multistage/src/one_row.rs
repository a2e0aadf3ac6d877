//! Aggregations without keys among the sides of joins and unions: nothing is moved below them.
//!
//! They have a row of no rows too, but the optimiser moves a condition that reads no column of theirs below: of
//! `SELECT 'a' AS t, COUNT(*) ..` the condition `t = 'b'` would leave a row that counts nothing. Must not know: leaves.
//! Invariant: the same rows; what looks at the rows around it stays.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Limit, LogicalPlan, lit};

/// The plan with a limit of one row, which nothing is moved through, above each of them.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn kept(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(_) | LogicalPlan::Union(_) => node.map_children(limited),
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn limited(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => plan.map_children(limited)?,
        LogicalPlan::Aggregate(aggregate) if is_apart(&aggregate) => {
            Transformed::yes(LogicalPlan::Limit(Limit {
                skip: None,
                fetch: Some(Box::new(lit(1_i64))),
                input: Arc::new(LogicalPlan::Aggregate(aggregate)),
            }))
        }
        other => Transformed::no(other),
    })
}

/// True for an aggregation without keys that reads no row around it.
fn is_apart(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.is_empty() && aggregate.input.all_out_ref_exprs().is_empty()
}
