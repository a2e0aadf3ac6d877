//! Joins whose one side has its keys noted for the leaves of the other.
//!
//! Must not know: what a leaf makes of them. Invariant: a join that also matches nulls, or whose answer hangs on there being any,
//! tells nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::HashJoinExec;

use super::LeafExec;
use crate::held_keys::{HeldKeys, HeldKeysExec};

/// Lets joins note the keys that leaves want to hear of.
pub(crate) fn told(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut awaited = HashSet::new();
    plan.apply(|node| {
        if let Some(leaf) = node.downcast_ref::<LeafExec>() {
            awaited.extend(leaf.joins());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if awaited.is_empty() {
        return Ok(plan);
    }
    let mut noted = HashMap::new();
    let noting = plan.transform_up(|node| match noting(&node, &awaited, &mut noted)? {
        Some(join) => Ok(Transformed::yes(join)),
        None => Ok(Transformed::no(node)),
    });
    noting
        .data()?
        .transform_up(|node| {
            Ok(match node.downcast_ref::<LeafExec>() {
                Some(leaf) => Transformed::yes(Arc::new(leaf.hearing(&noted)) as _),
                None => Transformed::no(node),
            })
        })
        .data()
}

/// The join with its first side noted, where a leaf awaits it.
fn noting(
    node: &Arc<dyn ExecutionPlan>,
    awaited: &HashSet<u64>,
    noted: &mut HashMap<u64, Arc<HeldKeys>>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else {
        return Ok(None);
    };
    let produced = join.dynamic_expressions_produced();
    let id = produced.first().and_then(|filter| filter.expression_id());
    let Some(id) = id.filter(|id| awaited.contains(id)) else {
        return Ok(None);
    };
    if join.null_aware || join.null_equality() == NullEquality::NullEqualsNull {
        return Ok(None);
    }
    let keys = join.on().iter().map(|(left, _)| Arc::clone(left)).collect();
    let left = HeldKeysExec::new(Arc::clone(join.left()), keys);
    noted.insert(id, left.held());
    let children = vec![Arc::new(left) as _, Arc::clone(join.right())];
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node)
        .replace_children(children, options)
        .map(Some)
}
