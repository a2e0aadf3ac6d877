//! Arrays as keys of groups and among distinct rows, which Pinot's planner refuses after it has typed all expressions.
//!
//! Must not know: what is aggregated. Invariant: a plan passes with the same rows.

use std::sync::Arc;

use common::ErrorCode;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan};

use crate::error::MultiStageError;

/// Refuses arrays as keys of groups and among distinct rows, after whatever has no type.
///
/// # Errors
/// Where there is one.
pub(crate) fn checked(plan: LogicalPlan) -> Result<LogicalPlan> {
    // One row is distinct, whatever it has.
    let plan = plan.transform_up_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Distinct(Distinct::All(input)) if input.max_rows() == Some(1) => {
                Transformed::yes(Arc::unwrap_or_clone(input))
            }
            other => Transformed::no(other),
        })
    });
    let plan = plan.data()?;
    let refused = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Aggregate(aggregate) => single_valued(aggregate)?,
            LogicalPlan::Distinct(distinct) => single_valued_rows(distinct.input())?,
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let Err(refused) = refused else {
        return Ok(plan);
    };
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|inner| match inner {
                Expr::ScalarFunction(_) => {
                    inner.get_type(&schema)?;
                    Ok(TreeNodeRecursion::Continue)
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Err(refused)
}

/// Refuses distinct rows with arrays.
fn single_valued_rows(input: &LogicalPlan) -> Result<()> {
    let fields = input.schema().fields();
    match fields
        .iter()
        .find(|f| matches!(f.data_type(), ArrowType::List(_)))
    {
        Some(field) => Err(multi_valued(field.name())),
        None => Ok(()),
    }
}

fn multi_valued(key: &str) -> DataFusionError {
    MultiStageError::new(
        ErrorCode::QueryPlanning,
        format!(
            "Multi-valued columns are not supported as a grouping key: use ARRAY_TO_MV() to group by `{key}`"
        ),
    )
    .into()
}

/// Refuses groups by arrays.
fn single_valued(aggregate: &Aggregate) -> Result<()> {
    let schema = aggregate.input.schema();
    for key in &aggregate.group_expr {
        if matches!(key.get_type(schema.as_ref()), Ok(ArrowType::List(_))) {
            return Err(multi_valued(&key.to_string()));
        }
    }
    Ok(())
}
