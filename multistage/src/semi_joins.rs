//! Semi joins over one leaf: the keys of the other side are read first, and become a condition of the leaf.
//!
//! What stands above such a join then belongs to the leaf as well, aggregations and functions with their nulls, as in Pinot, which
//! calls it a dynamic broadcast. Must not know: how a plan is run. Invariant: the plan has the same rows and schema; a join whose
//! keys are too many for a condition stays, over the keys that were read.

use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::common::{Column, NullEquality, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Aggregate, EmptyRelation, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder,
    TableScan, lit,
};

use crate::catalog::Table;
use crate::join_order::{Figures, rows};
use crate::leaf;
use crate::scalar;

/// Keys that are written out one by one; more integers become a set.
const WRITTEN: usize = 64;
/// Most keys of a condition that are no integers, and bytes of any condition.
const MOST_KEYS: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

/// A semi join whose keys are to be read.
pub(crate) struct Awaited {
    /// Answers its distinct keys in one column.
    pub(crate) keys: LogicalPlan,
    /// The table that the condition is of.
    pub(crate) table: String,
}

/// Of a larger relation than this, and than the one that is joined, the keys are not all read: its leaves read those that the join
/// wants.
const MOST_ROWS: f64 = 1e5;

/// The first semi join that can become a condition, those within it before it.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn first(plan: &LogicalPlan, figures: &Figures) -> Result<Option<Awaited>> {
    let mut found = None;
    let _ = plan.clone().transform_up_with_subqueries(|node| {
        if found.is_none()
            && let Some((join, _, right)) = settles(&node, figures)
        {
            let keys = Aggregate::try_new(Arc::clone(&join.right), vec![right.clone()], vec![])?;
            found = Some(Awaited {
                keys: LogicalPlan::Aggregate(keys),
                table: table_of(&join.left).unwrap_or_default(),
            });
        }
        Ok(Transformed::no(node))
    })?;
    Ok(found)
}

/// The plan with the keys of its first semi join in the join's place.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn settled(
    plan: LogicalPlan,
    keys: &[RecordBatch],
    figures: &Figures,
) -> Result<LogicalPlan> {
    let mut done = false;
    plan.transform_up_with_subqueries(|node| {
        if done {
            return Ok(Transformed::no(node));
        }
        let Some((join, left, _)) = settles(&node, figures) else {
            return Ok(Transformed::no(node));
        };
        done = true;
        let stored = leaf::is_stored(left, &join.left);
        let condition = condition(left, stored, keys)?;
        let filtered =
            condition.map(|condition| Filter::try_new(condition, Arc::clone(&join.left)));
        if let Some(filter) = filtered.transpose()?.map(LogicalPlan::Filter)
            && leaf::reads(&filter)
        {
            return Ok(Transformed::yes(filter));
        }
        Ok(Transformed::yes(given(join, keys)?))
    })
    .data()
}

/// The semi join that a node is, over a leaf and by one key, with its key on both sides.
fn settles<'a>(node: &'a LogicalPlan, figures: &Figures) -> Option<(&'a Join, &'a Expr, &'a Expr)> {
    let LogicalPlan::Join(join) = node else {
        return None;
    };
    let [(left, right)] = join.on.as_slice() else {
        return None;
    };
    let plain = join.join_type == JoinType::LeftSemi
        && join.filter.is_none()
        && !join.null_aware
        && join.null_equality == NullEquality::NullEqualsNothing;
    let fits = || {
        let read = rows(&join.right, figures);
        read <= MOST_ROWS || read <= rows(&join.left, figures)
    };
    let settles = plain && leaf::reads(&join.left) && !is_given(&join.right) && fits();
    settles.then_some((join, left, right))
}

fn table_of(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let source: &dyn std::any::Any = scan.source.as_ref();
            found = source
                .downcast_ref::<Table>()
                .map(|table| table.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Where keys that were read stand in a plan.
const GIVEN: &str = "$keys";

fn is_given(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::TableScan(TableScan { table_name, .. }) if table_name.table() == GIVEN)
}

/// The join over keys that were read.
fn given(join: &Join, keys: &[RecordBatch]) -> Result<LogicalPlan> {
    let mut join = join.clone();
    let Some(schema) = keys.first().map(RecordBatch::schema) else {
        return Ok(LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: join.schema,
        }));
    };
    let name = schema.field(0).name().clone();
    let table = MemTable::try_new(schema, vec![keys.to_vec()])?;
    let scan = LogicalPlanBuilder::scan(GIVEN, provider_as_source(Arc::new(table)), None)?;
    join.right = Arc::new(scan.build()?);
    for (_, right) in &mut join.on {
        *right = Expr::Column(Column::new(Some(GIVEN), name.as_str()));
    }
    Ok(LogicalPlan::Join(join))
}

/// What a row's key has to be; `None` where there are too many keys. Only a stored key has the type that a set is read by.
fn condition(key: &Expr, stored: bool, keys: &[RecordBatch]) -> Result<Option<Expr>> {
    let mut values = Vec::new();
    for batch in keys {
        let column = batch.column(0);
        let set = stored && column.data_type().is_integer();
        if values.len() + column.len() > MOST_KEYS && !set {
            return Ok(None);
        }
        for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
            values.push(ScalarValue::try_from_array(column, row)?);
        }
    }
    if values.is_empty() {
        return Ok(Some(lit(false)));
    }
    if stored
        && values.len() > WRITTEN
        && let Some(integers) = integers(&values)
    {
        let set = leaf::id_set(&integers);
        let Some(function) = scalar::find("inidset", 0).filter(|_| set.len() <= MOST_BYTES) else {
            return Ok(None);
        };
        let member = function.call(vec![key.clone(), lit(set)]);
        return Ok(Some(member.eq(lit(1))));
    }
    let bytes: usize = values.iter().map(ScalarValue::size).sum();
    if values.len() > MOST_KEYS || bytes > MOST_BYTES {
        return Ok(None);
    }
    let values = values.into_iter().map(|value| Expr::Literal(value, None));
    Ok(Some(key.clone().in_list(values.collect(), false)))
}

/// The values in their order, where all are integers.
fn integers(values: &[ScalarValue]) -> Option<Vec<i64>> {
    let integer = |value: &ScalarValue| match value {
        ScalarValue::Int32(Some(v)) => Some(i64::from(*v)),
        ScalarValue::Int64(Some(v)) => Some(*v),
        _ => None,
    };
    let mut integers = values.iter().map(integer).collect::<Option<Vec<_>>>()?;
    integers.sort_unstable();
    Some(integers)
}
