//! ASOF joins in a plan: of the right side's rows that match, each left row keeps the nearest.
//!
//! The marked join becomes: number the left rows, join by the condition, rank each left row's matches by nearness, keep the
//! first. Must not know: syntax. Invariant: the output has the columns of the marked join.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder, Operator, lit,
};

use crate::error::MultiStageError;

/// The function that marks a match: left expression, right expression, operator.
pub(crate) const MARK: &str = "$asof";

/// Rewrites every marked join.
///
/// # Errors
/// Where a match has no order.
pub(crate) fn joined(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => match join.filter.as_ref().and_then(mark_of) {
            Some(mark) => Ok(Transformed::yes(nearest(join, &mark)?)),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

/// Both sides of a match and its operator.
struct Mark {
    left: Expr,
    right: Expr,
    op: Operator,
}

fn mark_of(filter: &Expr) -> Option<Mark> {
    let mut found = None;
    let _ = filter.apply(|expr| {
        if let Expr::ScalarFunction(ScalarFunction { func, args }) = expr
            && func.name() == MARK
            && let [left, right, Expr::Literal(op, _)] = args.as_slice()
        {
            let op = match op.to_string().as_str() {
                ">" => Operator::Gt,
                ">=" => Operator::GtEq,
                "<" => Operator::Lt,
                "<=" => Operator::LtEq,
                _ => Operator::Eq,
            };
            found = Some(Mark {
                left: left.clone(),
                right: right.clone(),
                op,
            });
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    });
    found
}

fn nearest(join: Join, mark: &Mark) -> Result<LogicalPlan> {
    if mark.op == Operator::Eq {
        return Err(MultiStageError::invalid(
            "MATCH_CONDITION expects one of `>`, `>=`, `<`, `<=`",
        )
        .into());
    }
    let columns: Vec<Expr> = join
        .schema
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let compared = Expr::BinaryExpr(BinaryExpr::new(
        Box::new(mark.left.clone()),
        mark.op,
        Box::new(mark.right.clone()),
    ));
    let filter = join
        .filter
        .map(|filter| replaced(filter, &compared))
        .transpose()?;
    let number = row_number();
    let row = Column::new_unqualified(number.schema_name().to_string());
    let left = LogicalPlanBuilder::new(join.left.as_ref().clone())
        .window(vec![number])?
        .build()?;
    let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.on.into_iter().unzip();
    let matches = LogicalPlanBuilder::new(left).join_with_expr_keys(
        join.right.as_ref().clone(),
        join.join_type,
        (left_keys, right_keys),
        filter,
    )?;
    let farthest_first = matches!(mark.op, Operator::Lt | Operator::LtEq);
    let rank = row_number()
        .partition_by(vec![Expr::Column(row)])
        .order_by(vec![mark.right.clone().sort(farthest_first, false)])
        .build()?;
    let first =
        Expr::Column(Column::new_unqualified(rank.schema_name().to_string())).eq(lit(1_u64));
    matches
        .window(vec![rank])?
        .filter(first)?
        .project(columns)?
        .build()
}

/// The condition with the comparison in place of the mark.
fn replaced(filter: Expr, compared: &Expr) -> Result<Expr, DataFusionError> {
    let done = filter.transform_up(|expr| match &expr {
        Expr::ScalarFunction(function) if function.func.name() == MARK => {
            Ok(Transformed::yes(compared.clone()))
        }
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(done.data)
}
