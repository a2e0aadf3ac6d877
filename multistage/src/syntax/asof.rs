//! ASOF joins in the syntax tree: an ordinary join whose condition holds a mark with both sides of the match.
//!
//! Must not know: plans ([`crate::asof`] reads the mark). Invariant: every mark names its operator.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, SetExpr, Value,
};

use super::left_asof::LEFT;
use super::{call, checks, text};
use crate::asof::MARK;
use crate::error::MultiStageError;

/// Rewrites every ASOF join of a body.
///
/// # Errors
/// Where a condition is none that such a join has.
pub(super) fn rewrite(body: &mut SetExpr) -> Result<(), MultiStageError> {
    match body {
        SetExpr::Select(select) => {
            for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
                check(&join.join_operator)?;
                if let Some(made) = marked(&join.join_operator) {
                    join.join_operator = made;
                }
            }
            Ok(())
        }
        SetExpr::SetOperation { left, right, .. } => {
            rewrite(left)?;
            rewrite(right)
        }
        _ => Ok(()),
    }
}

/// Checks both conditions of an ASOF join.
fn check(operator: &JoinOperator) -> Result<(), MultiStageError> {
    let JoinOperator::AsOf {
        match_condition,
        constraint,
    } = operator
    else {
        return Ok(());
    };
    let JoinConstraint::On(condition) = constraint else {
        return Err(checks::no_syntax("an ASOF join without ON"));
    };
    if !is_conjunction(condition) {
        return Err(MultiStageError::invalid(
            "ASOF JOIN condition must be a conjunction of equality comparisons",
        ));
    }
    let matched = match match_condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } if is_mark(left) => right,
        other => other,
    };
    if let Expr::BinaryOp { left, right, .. } = matched
        && (table(left).is_some_and(|table| Some(table) == self::table(right))
            || is_literal(left)
            || is_literal(right))
    {
        return Err(MultiStageError::invalid(
            "ASOF JOIN MATCH_CONDITION must be a comparison between columns from the two inputs",
        ));
    }
    Ok(())
}

/// True for equalities between names, and TRUE.
fn is_conjunction(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) => is_conjunction(inner),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::And => is_conjunction(left) && is_conjunction(right),
            BinaryOperator::Eq => !is_literal(left) && !is_literal(right),
            _ => false,
        },
        Expr::Value(value) => value.value == Value::Boolean(true),
        _ => false,
    }
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(_))
}

/// The table in front of a column's name.
fn table(expr: &Expr) -> Option<String> {
    match expr {
        Expr::CompoundIdentifier(parts) => parts.first().map(|table| table.value.to_lowercase()),
        _ => None,
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
