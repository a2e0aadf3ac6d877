//! Keys of joins in one type.
//!
//! A subquery is typed before the union that it asks of has the type of all its parts, and its keys would be compared as they are.
//! Must not know: leaves. Invariant: the same columns; keys of equal types stay.

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{ExprSchemable, Join, LogicalPlan, cast};

/// The plan with both sides of every key in one type.
///
/// # Errors
/// Where a key is of no column.
pub(crate) fn alike(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(mut join) => {
            let changed = typed(&mut join)?;
            let join = LogicalPlan::Join(join);
            Ok(match changed {
                true => Transformed::yes(join),
                false => Transformed::no(join),
            })
        }
        node => Ok(Transformed::no(node)),
    })
    .data()
}

/// True where a key has another type now.
fn typed(join: &mut Join) -> Result<bool> {
    let mut changed = false;
    for (left, right) in &mut join.on {
        let own = left.get_type(join.left.schema())?;
        let other = right.get_type(join.right.schema())?;
        let Some(common) = comparison_coercion(&own, &other).filter(|_| own != other) else {
            continue;
        };
        changed = true;
        for (key, found) in [(left, own), (right, other)] {
            if found != common {
                *key = cast(std::mem::take(key), common.clone());
            }
        }
    }
    Ok(changed)
}
