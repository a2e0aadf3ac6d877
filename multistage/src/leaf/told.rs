//! Joins whose one side has its keys noted for the leaves of the other.
//!
//! Must not know: what a leaf makes of them. Invariant: a join that also matches nulls, or whose answer hangs on there being any,
//! tells nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::repartition::RepartitionExec;

use super::LeafExec;
use super::traced::{self, Traced};
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
    let mut noted = Noted::default();
    let noting = plan.transform_up(|node| match noting(&node, &awaited, &mut noted)? {
        Some(join) => Ok(Transformed::yes(join)),
        None => Ok(Transformed::no(node)),
    });
    noting
        .data()?
        .transform_up(|node| {
            Ok(match node.downcast_ref::<LeafExec>() {
                Some(leaf) => {
                    let traced = noted.traced.get(&leaf.id()).cloned();
                    let leaf = leaf.hearing(&noted.of_joins, traced.unwrap_or_default());
                    Transformed::yes(Arc::new(leaf) as _)
                }
                None => Transformed::no(node),
            })
        })
        .data()
}

/// The keys that are noted.
#[derive(Default)]
struct Noted {
    /// By the filter of their join, for leaves that took it.
    of_joins: HashMap<u64, Arc<HeldKeys>>,
    /// By the leaf that a key is read from, where the filter did not come down to it: the filter of several keys stops where one
    /// of them is worked out.
    traced: HashMap<usize, Vec<Traced>>,
}

/// The join with its first side noted, where a leaf awaits it.
fn noting(
    node: &Arc<dyn ExecutionPlan>,
    awaited: &HashSet<u64>,
    noted: &mut Noted,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else {
        return Ok(None);
    };
    if join.null_aware || join.null_equality() == NullEquality::NullEqualsNull {
        return Ok(None);
    }
    let produced = join.dynamic_expressions_produced();
    let id = produced.first().and_then(|filter| filter.expression_id());
    let id = id.filter(|id| awaited.contains(id));
    let places = places(join, id);
    if id.is_none() && places.is_empty() {
        return Ok(None);
    }
    let keys = join.on().iter().map(|(left, _)| Arc::clone(left)).collect();
    let (left, held) = noted_side(join.left(), keys)?;
    if let Some(id) = id {
        noted.of_joins.insert(id, Arc::clone(&held));
    }
    for (leaf, position, column) in places {
        let keys = Arc::clone(&held);
        noted.traced.entry(leaf).or_default().push(Traced {
            keys,
            position,
            column,
        });
    }
    let children = vec![left, Arc::clone(join.right())];
    replaced(node, children).map(Some)
}

/// The first side of a join with its keys noted: before it is dealt out to partitions, so that all keys are known once any of these
/// has ended.
fn noted_side(
    side: &Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<HeldKeys>)> {
    let dealt = side.downcast_ref::<RepartitionExec>();
    let input = dealt.map_or(side, RepartitionExec::input);
    let noting = HeldKeysExec::new(Arc::clone(input), keys);
    let held = noting.held();
    let noting: Arc<dyn ExecutionPlan> = Arc::new(noting);
    Ok(match dealt {
        Some(_) => (replaced(side, vec![noting])?, held),
        None => (noting, held),
    })
}

fn replaced(
    node: &Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(children, options)
}

/// Leaves that keys of the second side are read from and that do not await the join: leaf, key, column.
fn places(join: &HashJoinExec, id: Option<u64>) -> Vec<(usize, usize, usize)> {
    if !traced::leaves_out_unmatched(join) {
        return Vec::new();
    }
    let of_key = |(position, (_, key)): (usize, &(_, Arc<dyn PhysicalExpr>))| {
        let column = key.downcast_ref::<Column>()?.index();
        let (leaf, column) = traced::source(join.right(), column)?;
        let hears = leaf.joins().any(|of| Some(of) == id);
        (!hears).then(|| (leaf.id(), position, column))
    };
    join.on().iter().enumerate().filter_map(of_key).collect()
}
