//! Semi joins over one leaf: the keys of the other side are read first, and become a condition of the leaf.
//!
//! What stands above such a join then belongs to the leaf as well, aggregations and functions with their nulls, as in Pinot, which
//! calls it a dynamic broadcast. Must not know: how a plan is run. Invariant: the plan has the same rows and schema; a join whose
//! keys are too many for a condition stays, over the keys that were read.

use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, NullEquality, ScalarValue, internal_err};
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

/// Most keys of a condition that are no integers, and bytes of any condition.
const MOST_KEYS: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

/// Of a larger relation than this, and than the one that is joined, the keys are not all read: its leaves read those that the join
/// wants.
const MOST_ROWS: f64 = 1e5;

/// A semi join whose keys are to be read.
pub(crate) struct Awaited {
    join: Join,
    /// The table that the condition is of.
    pub(crate) table: String,
}

/// A semi join that can become a condition, one that has no other within it.
pub(crate) fn first(plan: &LogicalPlan, figures: &Figures) -> Option<Awaited> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && settles(join, figures)
        {
            found = Some(join.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.map(|join| Awaited {
        table: table_of(&join.left).unwrap_or_default(),
        join,
    })
}

impl Awaited {
    /// Answers the distinct keys in one column.
    ///
    /// # Errors
    /// Where a plan cannot be built.
    pub(crate) fn keys(&self) -> Result<LogicalPlan> {
        let keys = self.join.on.iter().map(|(_, right)| right.clone());
        let right = Arc::clone(&self.join.right);
        let keys = Aggregate::try_new(right, keys.collect(), vec![])?;
        Ok(LogicalPlan::Aggregate(keys))
    }

    /// The plan in which this join was found, with its keys in its place.
    ///
    /// # Errors
    /// Where a plan cannot be rebuilt.
    pub(crate) fn settled(&self, plan: LogicalPlan, keys: &[RecordBatch]) -> Result<LogicalPlan> {
        let settled = plan.transform_down_with_subqueries(|node| match &node {
            LogicalPlan::Join(join) if self.is(join) => Ok(Transformed::new(
                self.over(keys)?,
                true,
                TreeNodeRecursion::Jump,
            )),
            _ => Ok(Transformed::no(node)),
        })?;
        if !settled.transformed {
            return internal_err!("the semi join whose keys were read is not in its plan");
        }
        Ok(settled.data)
    }

    /// True for the join itself: equal ones may read other tables under the same name.
    fn is(&self, join: &Join) -> bool {
        Arc::ptr_eq(&self.join.left, &join.left)
            && Arc::ptr_eq(&self.join.right, &join.right)
            && self.join.on == join.on
    }

    fn over(&self, keys: &[RecordBatch]) -> Result<LogicalPlan> {
        let join = &self.join;
        if let [(left, _)] = join.on.as_slice()
            && let Some(condition) = condition(left, leaf::is_stored(left, &join.left), keys)?
        {
            let filter = LogicalPlan::Filter(Filter::try_new(condition, Arc::clone(&join.left))?);
            if leaf::reads(&filter) {
                return Ok(filter);
            }
        }
        given(join, keys)
    }
}

/// True for a semi join over a leaf and by one key.
fn settles(join: &Join, figures: &Figures) -> bool {
    let plain = join.join_type == JoinType::LeftSemi
        && join.on.len() == 1
        && join.filter.is_none()
        && !join.null_aware
        && join.null_equality == NullEquality::NullEqualsNothing;
    let fits = || {
        let read = rows(&join.right, figures);
        read <= MOST_ROWS || read <= rows(&join.left, figures)
    };
    plain && leaf::reads(&join.left) && !is_given(&join.right) && fits()
}

fn table_of(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found = Table::of(scan).map(|table| table.name.clone());
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
        && values.len() > leaf::WRITTEN
        && let Some(mut integers) = values.iter().map(leaf::integer).collect::<Option<Vec<_>>>()
    {
        integers.sort_unstable();
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
