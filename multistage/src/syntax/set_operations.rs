//! Set operations that count rows: INTERSECT ALL and EXCEPT ALL by numbering equal rows; MINUS is EXCEPT.
//!
//! Must not know: types. Invariant: the rewritten operation has the columns' names of its left side.

use std::collections::HashSet;

use common::ErrorCode;
use datafusion::sql::sqlparser::ast::{
    Expr, SelectItem, SetExpr, SetOperator, SetQuantifier, Statement,
};

use crate::error::MultiStageError;
use crate::syntax::UNNAMED;

/// Rewrites a body and what it is made of.
pub(super) fn rewrite(body: &mut SetExpr) -> Result<(), MultiStageError> {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return Ok(());
    };
    rewrite(left)?;
    rewrite(right)?;
    if *op == SetOperator::Minus {
        *op = SetOperator::Except;
    }
    let counts = matches!(op, SetOperator::Intersect | SetOperator::Except);
    if counts && *set_quantifier == SetQuantifier::All {
        let names = names(left).ok_or_else(|| {
            MultiStageError::invalid(format!(
                "{op} ALL expects the names of its columns, not `*`"
            ))
        })?;
        *body = numbered(&op.to_string(), left, right, &names)?;
    }
    Ok(())
}

/// Names of a body's columns; `None` where `*` hides them.
fn names(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => {
            let mut taken = HashSet::new();
            let named = select.projection.iter().map(|item| {
                let name = match item {
                    SelectItem::UnnamedExpr(Expr::Identifier(ident)) => ident.value.clone(),
                    SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                        parts.last()?.value.clone()
                    }
                    SelectItem::UnnamedExpr(_) => format!("{UNNAMED}{}", taken.len()),
                    SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                    _ => return None,
                };
                taken.insert(name.clone());
                Some(name)
            });
            named.collect()
        }
        SetExpr::SetOperation { left, .. } => names(left),
        SetExpr::Query(query) => names(&query.body),
        _ => None,
    }
}

fn numbered(
    op: &str,
    left: &SetExpr,
    right: &SetExpr,
    names: &[String],
) -> Result<SetExpr, MultiStageError> {
    let columns: Vec<String> = names
        .iter()
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
        .collect();
    let columns = columns.join(", ");
    let side = |body: &SetExpr| {
        format!(
            "SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY {columns}) AS \"$turn\" \
             FROM ({body}) AS \"$side\" ({columns})"
        )
    };
    let sql = format!(
        "SELECT {columns} FROM ({} {op} {}) AS \"$counted\"",
        side(left),
        side(right)
    );
    match sql::parse::syntax(&sql)? {
        Statement::Query(query) => Ok(*query.body),
        _ => Err(MultiStageError::new(ErrorCode::QueryPlanning, sql)),
    }
}
