//! Groups without the keys that are literals: these go above them.
//!
//! A key that is a function of another key stays: without null handling `coalesce(c, 'none')` tells apart what `c` does not.
//! Must not know: tables. Invariant: the same rows under the same names; a grouped plan stays one.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

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
        if kept.is_empty() || kept.len() == aggregate.group_expr.len() {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
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

fn is_literal(key: &Expr) -> bool {
    match key {
        Expr::Alias(alias) => is_literal(&alias.expr),
        Expr::Cast(cast) => is_literal(&cast.expr),
        key => matches!(key, Expr::Literal(..)),
    }
}
