//! Subtrees of a plan whose rows can stay where the partitions of a column put them.
//!
//! Must not know: places. Invariant: in such a subtree no exchange is left, and every operator that wants equal keys in one
//! partition has the column among its keys.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use super::layout::Partitioned;
use super::share::SpreadExec;

/// A column of a leaf by which its rows are partitioned.
#[derive(Debug, Clone)]
pub(crate) struct LeafKey {
    /// Position among the leaf's columns.
    pub(crate) at: usize,
    /// The table's name for it.
    pub(crate) name: String,
    pub(crate) rows: Partitioned,
}

/// A leaf of such a subtree.
#[derive(Clone)]
pub(super) struct LaidLeaf {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) key: LeafKey,
}

/// A column whose value says in which partition its row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) at: usize,
    /// Some rows have null, and may be anywhere.
    pub(super) nullable: bool,
}

/// Such a subtree.
#[derive(Clone)]
pub(super) struct Laid {
    /// Without exchanges.
    pub(super) plan: Arc<dyn ExecutionPlan>,
    /// Of all tables, partitioned alike.
    pub(super) leaves: Vec<LaidLeaf>,
    /// Among the subtree's columns.
    pub(super) keys: Vec<Key>,
    /// Joins that need no exchange.
    pub(super) joins: usize,
}

impl Laid {
    fn key(&self, at: usize) -> Option<Key> {
        self.keys.iter().find(|key| key.at == at).copied()
    }

    /// True where rows that are equal by these expressions are in one partition.
    pub(super) fn holds(&self, exprs: &[Arc<dyn PhysicalExpr>]) -> bool {
        let mut keys = exprs.iter().filter_map(|expr| self.key(column_of(expr)?));
        keys.any(|key| !key.nullable)
    }

    /// The same rows, whose keys are at those of `columns` that were at theirs.
    fn renamed(self, plan: Arc<dyn ExecutionPlan>, columns: &[Option<usize>]) -> Self {
        let keys = columns.iter().enumerate().filter_map(|(at, from)| {
            let nullable = self.key((*from)?)?.nullable;
            Some(Key { at, nullable })
        });
        let keys = keys.collect();
        Self { plan, keys, ..self }
    }
}

/// The position of an expression that is a column.
pub(super) fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}

/// The same operator over other inputs.
pub(super) fn over_inputs(
    node: &Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(inputs, options)
}

/// The ways in which the rows of a subtree can lie.
pub(super) fn laid(node: &Arc<dyn ExecutionPlan>) -> Result<Vec<Laid>> {
    if let Some(leaf) = node.downcast_ref::<SpreadExec>() {
        let ways = leaf.keys().iter().map(|key| Laid {
            plan: Arc::clone(node),
            leaves: vec![LaidLeaf {
                plan: Arc::clone(node),
                key: key.clone(),
            }],
            keys: vec![Key {
                at: key.at,
                nullable: key.rows.nullable,
            }],
            joins: 0,
        });
        return Ok(ways.collect());
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        return joined(node, join);
    }
    let [input] = node.children()[..] else {
        return Ok(Vec::new());
    };
    let mut ways = Vec::new();
    for below in laid(input)? {
        ways.extend(over(node, below)?);
    }
    Ok(ways)
}

/// An operator of one input over it; none where it may not be.
fn over(node: &Arc<dyn ExecutionPlan>, below: Laid) -> Result<Option<Laid>> {
    if let Some(exchange) = node.downcast_ref::<RepartitionExec>() {
        return Ok((!exchange.preserve_order()).then_some(below));
    }
    let Some(columns) = columns_of(node, &below) else {
        return Ok(None);
    };
    let plan = over_inputs(node, vec![Arc::clone(&below.plan)])?;
    Ok(Some(below.renamed(plan, &columns)))
}

/// The columns of the input that those of an operator are; none where the operator may not be.
fn columns_of(node: &Arc<dyn ExecutionPlan>, below: &Laid) -> Option<Vec<Option<usize>>> {
    let all = |schema: SchemaRef| (0..schema.fields().len()).map(Some).collect();
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let exprs = projection.expr().iter();
        return Some(exprs.map(|found| column_of(&found.expr)).collect());
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        return Some(match filter.projection() {
            Some(kept) => kept.iter().copied().map(Some).collect(),
            None => all(node.schema()),
        });
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return grouped(aggregate, below);
    }
    if node.is::<CooperativeExec>() {
        return Some(all(node.schema()));
    }
    if let Some(sort) = node.downcast_ref::<SortExec>() {
        let each = sort.preserve_partitioning() && sort.fetch().is_none();
        return each.then(|| all(node.schema()));
    }
    let windows = if let Some(window) = node.downcast_ref::<WindowAggExec>() {
        window.window_expr()
    } else {
        node.downcast_ref::<BoundedWindowAggExec>()?.window_expr()
    };
    let whole = windows.iter().all(|w| below.holds(w.partition_by()));
    whole.then(|| all(below.plan.schema()))
}

/// The columns of groups, where a group is of one partition.
fn grouped(aggregate: &AggregateExec, below: &Laid) -> Option<Vec<Option<usize>>> {
    let groups = aggregate.group_expr();
    if !groups.is_single() || aggregate.limit_options().is_some() {
        return None;
    }
    let exprs: Vec<_> = groups.expr().iter().map(|(e, _)| Arc::clone(e)).collect();
    let columns = exprs.iter().map(column_of).collect();
    below.holds(&exprs).then_some(columns)
}

/// A join both of whose sides lie alike, or whose probe side stays as it lies.
fn joined(node: &Arc<dyn ExecutionPlan>, join: &HashJoinExec) -> Result<Vec<Laid>> {
    if join.null_aware {
        return Ok(Vec::new());
    }
    let left = match join.partition_mode() {
        PartitionMode::Partitioned => join.left(),
        PartitionMode::CollectLeft => match join.left().downcast_ref::<CoalescePartitionsExec>() {
            Some(gathered) if gathered.fetch().is_none() => gathered.input(),
            _ => return Ok(Vec::new()),
        },
        PartitionMode::Auto => return Ok(Vec::new()),
    };
    let (lefts, rights) = (laid(left)?, laid(join.right())?);
    let mut ways = Vec::new();
    for left in &lefts {
        for right in &rights {
            ways.extend(beside(join, left, right)?);
        }
    }
    if *join.partition_mode() == PartitionMode::CollectLeft {
        for right in rights {
            ways.extend(probed(node, join, right)?);
        }
    }
    Ok(ways)
}

/// A join of two sides whose rows lie alike by one of its keys.
fn beside(join: &HashJoinExec, left: &Laid, right: &Laid) -> Result<Option<Laid>> {
    let (Some(one), Some(other)) = (left.leaves.first(), right.leaves.first()) else {
        return Ok(None);
    };
    let nulls_meet = join.null_equality() == NullEquality::NullEqualsNull;
    let pair = join.on().iter().find_map(|(l, r)| {
        let (l, r) = (left.key(column_of(l)?)?, right.key(column_of(r)?)?);
        // Nulls are where the values lie that stand for them, which may be others on the other side.
        (!nulls_meet || !l.nullable && !r.nullable).then_some((l.at, r.at))
    });
    let Some(pair) = pair.filter(|_| one.key.rows.agrees(&other.key.rows)) else {
        return Ok(None);
    };
    let plan = join
        .builder()
        .with_new_children(vec![Arc::clone(&left.plan), Arc::clone(&right.plan)])?
        .with_partition_mode(PartitionMode::Partitioned)
        .recompute_properties()
        .reset_state()
        .build_exec()?;
    let (of_left, of_right) = sides(join.join_type());
    let inner = *join.join_type() == JoinType::Inner;
    let before = left_columns(join);
    let kept = |side: &Laid, paired: usize, from: usize| {
        let keys = side.keys.iter().map(move |key| Key {
            at: from + key.at,
            nullable: key.nullable && !(inner && key.at == paired),
        });
        keys.collect::<Vec<_>>()
    };
    let mut keys = Vec::new();
    if of_left {
        keys.extend(kept(left, pair.0, 0));
    }
    if of_right {
        keys.extend(kept(right, pair.1, before));
    }
    let all = Laid {
        plan: Arc::clone(&plan),
        leaves: left.leaves.iter().chain(&right.leaves).cloned().collect(),
        keys,
        joins: left.joins + right.joins + 1,
    };
    Ok(Some(projected(join, all, plan)))
}

/// A join that gathers its left side: rows of the right stay where they are.
fn probed(node: &Arc<dyn ExecutionPlan>, join: &HashJoinExec, right: Laid) -> Result<Option<Laid>> {
    if !matches!(sides(join.join_type()), (_, true)) {
        return Ok(None);
    }
    let children = vec![Arc::clone(join.left()), Arc::clone(&right.plan)];
    let plan = over_inputs(node, children)?;
    let before = left_columns(join);
    let keys = right.keys.iter().map(|key| Key {
        at: before + key.at,
        ..*key
    });
    let keys = keys.collect();
    let all = Laid { keys, ..right };
    Ok(Some(projected(join, all, plan)))
}

/// Columns of the left side among those of a join.
fn left_columns(join: &HashJoinExec) -> usize {
    match join.join_type() {
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => 0,
        _ => join.left().schema().fields().len(),
    }
}

/// Whose keys every row of a join has: the left side's, the right side's.
fn sides(join_type: &JoinType) -> (bool, bool) {
    match join_type {
        JoinType::Inner => (true, true),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            (true, false)
        }
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            (false, true)
        }
        JoinType::Full => (false, false),
    }
}

fn projected(join: &HashJoinExec, laid: Laid, plan: Arc<dyn ExecutionPlan>) -> Laid {
    match &join.projection {
        Some(kept) => {
            let columns: Vec<_> = kept.iter().copied().map(Some).collect();
            laid.renamed(plan, &columns)
        }
        None => Laid { plan, ..laid },
    }
}
