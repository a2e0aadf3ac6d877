//! Where a column of a plan is read: the leaf behind it, through operators that pass rows on.
//!
//! Must not know: what is done with it. Invariant: rows of the leaf without one of some values of its column can be left out, and
//! exactly the plan's rows without one of those values are missing.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use super::LeafExec;
use crate::held_keys::{HeldKeys, HeldKeysExec};
use crate::small_batches::SmallBatchesExec;

/// Keys of a join that a leaf's column is compared with.
#[derive(Clone)]
pub(super) struct Traced {
    pub(super) keys: Arc<HeldKeys>,
    /// Which key of the join.
    pub(super) position: usize,
    /// Which column of the leaf.
    pub(super) column: usize,
}

/// The leaf that a column comes from, and which of its columns it is.
pub(super) fn source(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<(&LeafExec, usize)> {
    if let Some(leaf) = plan.downcast_ref::<LeafExec>() {
        return Some((leaf, column));
    }
    // The first rows of many are others where some are missing.
    if plan.fetch().is_some() {
        return None;
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return of_join(join, column);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let groups = aggregate.group_expr();
        let plain = groups.is_single() && aggregate.limit_options().is_none();
        let (key, _) = groups.expr().get(column).filter(|_| plain)?;
        let column = key.downcast_ref::<Column>()?.index();
        return source(aggregate.input(), column);
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let of = &projection.expr().get(column)?.expr;
        return source(projection.input(), of.downcast_ref::<Column>()?.index());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let column = match filter.projection() {
            Some(kept) => *kept.get(column)?,
            None => column,
        };
        return source(filter.input(), column);
    }
    let passes = plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<SortExec>()
        || plan.is::<HeldKeysExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<SmallBatchesExec>();
    match plan.children().as_slice() {
        [only] if passes => source(only, column),
        _ => None,
    }
}

/// Only sides whose rows all come out at most as they are: none that is filled with nulls.
fn of_join(join: &HashJoinExec, column: usize) -> Option<(&LeafExec, usize)> {
    use JoinType::{Inner, Left, LeftAnti, LeftSemi, Right, RightAnti, RightSemi};
    let column = match &join.projection {
        Some(kept) => *kept.get(column)?,
        None => column,
    };
    let of_left = join.left().schema().fields().len();
    match join.join_type() {
        Inner | Left | LeftSemi | LeftAnti if column < of_left => source(join.left(), column),
        Inner | Right => source(join.right(), column.checked_sub(of_left)?),
        RightSemi | RightAnti => source(join.right(), column),
        _ => None,
    }
}

/// True where rows of the second side that match nothing change nothing.
pub(super) fn leaves_out_unmatched(join: &HashJoinExec) -> bool {
    use JoinType::{Inner, Left, LeftAnti, LeftSemi, RightSemi};
    matches!(
        join.join_type(),
        Inner | Left | LeftSemi | LeftAnti | RightSemi
    )
}
