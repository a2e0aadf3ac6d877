//! ORDER BY expressions over the columns of SELECT DISTINCT: the distinct rows are ordered from outside.
//!
//! Must not know: types. Invariant: the same rows and names; what is no column of the list stays, to be refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderByKind, Query, SelectItem, SetExpr, TableFactor, visit_expressions,
    visit_expressions_mut,
};

use super::{bodies, item_name};
use crate::error::MultiStageError;

/// Puts distinct rows into a query of their own where ORDER BY computes something of them.
///
/// # Errors
/// None that is expected: those of the query that stands around them.
pub(super) fn nested(query: &mut Query) -> Result<(), MultiStageError> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Ok(());
    };
    let names: Option<Vec<String>> = select.projection.iter().map(item_name).collect();
    let (Some(names), true) = (names, select.distinct.is_some()) else {
        return Ok(());
    };
    let Some(order_by) = &mut query.order_by else {
        return Ok(());
    };
    let OrderByKind::Expressions(orders) = &mut order_by.kind else {
        return Ok(());
    };
    let computed = |expr: &Expr| !matches!(expr, Expr::Identifier(_) | Expr::Value(_));
    let is_item = |expr: &Expr| {
        select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(own) | SelectItem::ExprWithAlias { expr: own, .. } => {
                own == expr
            }
            _ => false,
        })
    };
    let outside = orders
        .iter()
        .any(|order| computed(&order.expr) && !is_item(&order.expr));
    if !outside || !orders.iter().all(|order| reads(&order.expr, &names)) {
        return Ok(());
    }
    for order in orders {
        let _ = visit_expressions_mut(&mut order.expr, |expr| {
            if let Expr::CompoundIdentifier(parts) = &*expr
                && let Some(last) = parts.last()
            {
                *expr = Expr::Identifier(last.clone());
            }
            ControlFlow::<()>::Continue(())
        });
    }
    around(&mut query.body, &names)
}

/// True for an expression over the columns alone.
fn reads(expr: &Expr, names: &[String]) -> bool {
    let known = |ident: &Ident| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&ident.value))
    };
    let visited = visit_expressions(expr, |inner| match inner {
        Expr::Identifier(ident) if !known(ident) => ControlFlow::Break(()),
        Expr::CompoundIdentifier(parts) if !parts.last().is_some_and(known) => {
            ControlFlow::Break(())
        }
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    visited.is_continue()
}

fn around(body: &mut Box<SetExpr>, names: &[String]) -> Result<(), MultiStageError> {
    let columns = bodies::columns(names);
    let mut outer = bodies::body_of(&format!(
        "SELECT {columns} FROM (SELECT 1) AS \"$distinct\""
    ))?;
    if let SetExpr::Select(select) = &mut outer
        && let Some(from) = select.from.first_mut()
        && let TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        std::mem::swap(&mut subquery.body, body);
        **body = outer;
    }
    Ok(())
}
