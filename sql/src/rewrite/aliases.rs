//! Aliases and ordinals: what GROUP BY, HAVING and ORDER BY mean by a name or a number.
//!
//! Must not know: columns of the table (an alias wins over a column there, never in WHERE).
//! Invariant: afterwards no expression refers to an alias.

use std::collections::HashMap;

use common::Value;

use crate::{Expr, Query, SqlError};

/// Resolves them.
///
/// # Errors
/// For an ordinal beyond the list.
pub(super) fn resolve(query: &mut Query) -> Result<(), SqlError> {
    let aliases: HashMap<String, Expr> = query
        .select
        .iter()
        .filter_map(|item| Some((item.alias.clone()?, item.expr.clone())))
        .collect();
    let selected: Vec<Expr> = query.select.iter().map(|item| item.expr.clone()).collect();
    for key in &mut query.group_by {
        *key = substitute(ordinal(key.clone(), &selected)?, &aliases);
    }
    for order in &mut query.order_by {
        order.expr = substitute(ordinal(order.expr.clone(), &selected)?, &aliases);
    }
    if let Some(having) = query.having.take() {
        query.having = Some(having.try_map(&mut |e| Ok::<_, SqlError>(substitute(e, &aliases)))?);
    }
    query
        .order_by
        .retain(|order| order.expr.as_literal().is_none());
    let mut seen: Vec<Expr> = Vec::new();
    query.order_by.retain(|order| {
        let fresh = !seen.contains(&order.expr);
        seen.push(order.expr.clone());
        fresh
    });
    Ok(())
}

fn substitute(expr: Expr, aliases: &HashMap<String, Expr>) -> Expr {
    expr.rewrite(&mut |e| match &e {
        Expr::Column(name) => aliases.get(name).cloned().unwrap_or(e),
        _ => e,
    })
}

fn ordinal(expr: Expr, selected: &[Expr]) -> Result<Expr, SqlError> {
    let Some(Value::Int(number)) = expr.as_literal() else {
        return Ok(expr);
    };
    usize::try_from(*number)
        .ok()
        .and_then(|n| selected.get(n.checked_sub(1)?))
        .cloned()
        .ok_or_else(|| {
            SqlError::Parse(format!(
                "Expected Ordinal value to be between 1 and {}.",
                selected.len()
            ))
        })
}
