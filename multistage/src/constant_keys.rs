//! Groups without the keys that are literals: these go above them. Where all are, the one group is there where a row is.
//!
//! A key that is a function of another key stays: without null handling `coalesce(c, 'none')` tells apart what `c` does not.
//! Must not know: tables. Invariant: the same rows under the same names; a grouped plan stays one.

use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::aggregate;

/// The rule of the engine below that this one stands for.
pub(crate) const STANDS_FOR: &str = "eliminate_group_by_constant";

#[derive(Debug)]
pub(crate) struct ConstantKeys;

impl OptimizerRule for ConstantKeys {
    fn name(&self) -> &'static str {
        "constant_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = plan else {
            return Ok(Transformed::no(plan));
        };
        let keys = aggregate.group_expr.iter();
        let kept: Vec<Expr> = keys.filter(|key| !is_literal(key)).cloned().collect();
        if kept.len() == aggregate.group_expr.len() {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        if kept.is_empty() {
            return of_any_row(aggregate);
        }
        let Aggregate {
            input,
            group_expr,
            aggr_expr,
            ..
        } = aggregate;
        let grouped = Aggregate::try_new(input, kept, aggr_expr.clone())?;
        let outputs = group_expr.into_iter().chain(aggr_expr);
        let made = LogicalPlanBuilder::from(LogicalPlan::Aggregate(grouped));
        Ok(Transformed::yes(made.project(outputs)?.build()?))
    }
}

/// The count of rows beside the aggregations of a group without keys.
const ROWS: &str = "$rows";

/// The group of all rows, where there is one: a leaf has no name for a group by nothing but literals.
fn of_any_row(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let counted = aggregate::find("count", false)
        .and_then(|generic| aggregate::of_call(&generic, vec![lit(1)]))
        .filter(|_| !aggregate.aggr_expr.is_empty());
    let Some((count, arguments)) = counted else {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    };
    let rows = AggregateFunction::new_udf(count, arguments, false, None, Vec::new(), None);
    let mut calls = aggregate.aggr_expr;
    calls.push(Expr::AggregateFunction(rows).alias(ROWS));
    let whole = Aggregate::try_new(aggregate.input, Vec::new(), calls)?;
    let answers = whole.schema.columns().into_iter().map(Expr::Column);
    let keys = aggregate.group_expr.into_iter().map(Expr::unalias);
    let outputs = keys.chain(answers).zip(aggregate.schema.iter());
    let outputs: Vec<Expr> = outputs
        .map(|(output, (qualifier, field))| {
            output.alias_qualified(qualifier.cloned(), field.name().as_str())
        })
        .collect();
    let made = LogicalPlanBuilder::from(LogicalPlan::Aggregate(whole))
        .filter(Expr::Column(Column::new_unqualified(ROWS)).gt(lit(0_i64)))?
        .project(outputs)?
        .build()?;
    Ok(Transformed::yes(made))
}

fn is_literal(key: &Expr) -> bool {
    match key {
        Expr::Alias(alias) => is_literal(&alias.expr),
        Expr::Cast(cast) => is_literal(&cast.expr),
        key => matches!(key, Expr::Literal(..)),
    }
}
