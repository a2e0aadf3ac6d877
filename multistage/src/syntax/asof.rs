//! ASOF joins in the syntax tree: an ordinary join whose condition holds a mark with both sides of the match.
//!
//! Must not know: plans ([`crate::asof`] reads the mark). Invariant: every mark names its operator.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, SetExpr, Value,
};

use super::left_asof::LEFT;
use super::{call, text};
use crate::asof::MARK;

/// Rewrites every ASOF join of a body.
pub(super) fn rewrite(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
                if let Some(made) = marked(&join.join_operator) {
                    join.join_operator = made;
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            rewrite(left);
            rewrite(right);
        }
        _ => {}
    }
}

fn marked(operator: &JoinOperator) -> Option<JoinOperator> {
    let JoinOperator::AsOf {
        match_condition,
        constraint: JoinConstraint::On(condition),
    } = operator
    else {
        return None;
    };
    let (left_join, matched) = match match_condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } if is_mark(left) => (true, right.as_ref()),
        other => (false, other),
    };
    let Expr::BinaryOp { left, op, right } = matched else {
        return None;
    };
    let mark = call(
        MARK,
        vec![
            left.as_ref().clone(),
            right.as_ref().clone(),
            text(op.to_string()),
        ],
    );
    let both = Expr::BinaryOp {
        left: Box::new(condition.clone()),
        op: BinaryOperator::And,
        right: Box::new(mark),
    };
    let constraint = JoinConstraint::On(both);
    Some(if left_join {
        JoinOperator::Left(constraint)
    } else {
        JoinOperator::Inner(constraint)
    })
}

fn is_mark(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::SingleQuotedString(text) if text == LEFT))
}
