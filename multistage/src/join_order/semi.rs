//! Semi joins over trees of inner joins: done before them, where their keys come from, if that leaves fewer rows to join.
//!
//! Must not know: servers. Invariant: the same rows and columns.

use std::collections::BTreeSet;

use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};

use super::{Figures, is_plain, rows};

/// A relation has to be smaller than what is joined of it by so much that a semi join is better done before.
const LOWERED: f64 = 2.0;

/// A semi join over a tree of inner joins, done where its keys come from.
pub(super) fn lowered(
    node: &LogicalPlan,
    semi: &Join,
    figures: &Figures,
) -> Result<Option<LogicalPlan>> {
    if semi.null_aware || is_relation(&semi.left) {
        return Ok(None);
    }
    let mut columns: BTreeSet<&Column> = BTreeSet::new();
    columns.extend(semi.on.iter().flat_map(|(left, _)| left.column_refs()));
    let filtered = semi.filter.iter().flat_map(Expr::column_refs);
    columns.extend(filtered.filter(|column| semi.left.schema().has_column(column)));
    let Some(relation) = relation_of(&semi.left, &columns) else {
        return Ok(None);
    };
    if columns.is_empty() || rows(relation, figures) * LOWERED > rows(&semi.left, figures) {
        return Ok(None);
    }
    inside(&semi.left, &columns, &|relation| {
        let inputs = vec![relation.clone(), semi.right.as_ref().clone()];
        node.with_new_exprs(node.expressions(), inputs)
    })
    .map(Some)
}

/// The parts of a tree of inner joins; none of a relation.
fn branches(plan: &LogicalPlan) -> Vec<&LogicalPlan> {
    match plan {
        LogicalPlan::Join(join) if is_plain(join) => vec![join.left.as_ref(), join.right.as_ref()],
        LogicalPlan::Projection(Projection { expr, input, .. })
            if expr.iter().all(|e| matches!(e, Expr::Column(_))) && !is_relation(input) =>
        {
            vec![input.as_ref()]
        }
        _ => Vec::new(),
    }
}

fn is_relation(plan: &LogicalPlan) -> bool {
    branches(plan).is_empty()
}

fn has_all(plan: &LogicalPlan, columns: &BTreeSet<&Column>) -> bool {
    columns
        .iter()
        .all(|column| plan.schema().has_column(column))
}

/// The relation of a tree that has all columns.
fn relation_of<'a>(plan: &'a LogicalPlan, columns: &BTreeSet<&Column>) -> Option<&'a LogicalPlan> {
    if is_relation(plan) {
        return has_all(plan, columns).then_some(plan);
    }
    let branch = branches(plan).into_iter().find(|b| has_all(b, columns))?;
    relation_of(branch, columns)
}

/// A tree with the relation that has all columns changed.
fn inside(
    plan: &LogicalPlan,
    columns: &BTreeSet<&Column>,
    change: &dyn Fn(&LogicalPlan) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    if is_relation(plan) {
        return change(plan);
    }
    let mut found = false;
    let mut inputs = Vec::new();
    for branch in branches(plan) {
        let here = !found && has_all(branch, columns);
        found |= here;
        inputs.push(if here {
            inside(branch, columns, change)?
        } else {
            branch.clone()
        });
    }
    plan.with_new_exprs(plan.expressions(), inputs)
}
