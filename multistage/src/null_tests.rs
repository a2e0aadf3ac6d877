//! IS NULL beside comparisons of the same expression with literals: the planner makes one search of them, which leaves it out.
//!
//! Must not know: tables. Invariant: without such a comparison nothing changes; only where nulls are told apart does it.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, utils};

use crate::expressions;

/// A typed plan with every such condition as one search.
pub(crate) fn searched(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        expressions::mapped(node, |expr| {
            expr.transform_up(|inner| {
                Ok(match inner {
                    Expr::Not(operand) => Transformed::yes(Expr::Not(Box::new(negated(*operand)))),
                    other => Transformed::yes(merged(other)),
                })
            })
        })
    })?;
    Ok(done.data)
}

/// A condition of ORs without the IS NULL that a search beside it takes in; any other as it is.
fn merged(expr: Expr) -> Expr {
    if !matches!(
        &expr,
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::Or,
            ..
        })
    ) {
        return expr;
    }
    let parts: Vec<Expr> = utils::split_binary_owned(expr.clone(), Operator::Or);
    let kept: Vec<Expr> = parts
        .iter()
        .filter(|part| match part {
            Expr::IsNull(tested) => !parts.iter().any(|other| searches(other, tested)),
            _ => true,
        })
        .cloned()
        .collect();
    if kept.len() == parts.len() {
        return expr;
    }
    utils::disjunction(kept).unwrap_or(expr)
}

/// The operand of a NOT without the IS NOT NULL that, turned, a search beside it takes in.
fn negated(expr: Expr) -> Expr {
    let parts: Vec<Expr> = utils::split_conjunction(&expr)
        .into_iter()
        .cloned()
        .collect();
    let kept: Vec<Expr> = parts
        .iter()
        .filter(|part| match part {
            Expr::IsNotNull(tested) => !parts.iter().any(|other| searches(other, tested)),
            _ => true,
        })
        .cloned()
        .collect();
    if kept.len() == parts.len() {
        return expr;
    }
    utils::conjunction(kept).unwrap_or(expr)
}

/// True where a condition only compares an expression with literals.
fn searches(condition: &Expr, tested: &Expr) -> bool {
    let literal = |expr: &Expr| matches!(expr, Expr::Literal(..));
    if !matches!(tested, Expr::Column(_)) {
        return false;
    }
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => searches(left, tested) && searches(right, tested),
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => {
                (**left == *tested && literal(right)) || (literal(left) && **right == *tested)
            }
            _ => false,
        },
        Expr::InList(list) => *list.expr == *tested && list.list.iter().all(literal),
        Expr::Between(between) => {
            *between.expr == *tested && literal(&between.low) && literal(&between.high)
        }
        Expr::Not(inner) => searches(inner, tested),
        _ => false,
    }
}
