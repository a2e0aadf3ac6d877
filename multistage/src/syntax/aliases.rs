//! Aliases in GROUP BY: where one has the name of a column, it goes before the column; where one names a number, it is no position.
//!
//! Must not know: types. Invariant: an alias of an aggregate is left alone.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Select, SelectItem, Value, visit_expressions,
};
use functions::canonical_name;

/// Writes out the aliases that hide a column in GROUP BY, and the places of those that name a number.
pub(super) fn grouped(select: &mut Select, columns: &HashMap<String, String>) {
    let Select {
        projection,
        group_by: GroupByExpr::Expressions(groups, _),
        ..
    } = select
    else {
        return;
    };
    for group in groups {
        let Expr::Identifier(ident) = &*group else {
            continue;
        };
        let hides = columns.contains_key(&ident.value.to_lowercase());
        let meant = projection
            .iter()
            .enumerate()
            .find_map(|(at, item)| match item {
                SelectItem::ExprWithAlias { expr, alias }
                    if alias.value.eq_ignore_ascii_case(&ident.value) =>
                {
                    Some((at, expr))
                }
                _ => None,
            });
        let Some((at, expr)) = meant else {
            continue;
        };
        // What a star stands for has places of its own.
        let placed = !projection[..at].iter().any(is_star);
        if is_number(expr) && placed {
            *group = Expr::value(Value::Number((at + 1).to_string(), false));
        } else if hides && !aggregates(expr) {
            *group = expr.clone();
        }
    }
}

fn is_star(item: &SelectItem) -> bool {
    matches!(
        item,
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
    )
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::Nested(inner) => is_number(inner),
        _ => false,
    }
}

/// True where an aggregate or a window is called.
fn aggregates(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |inner| match inner {
        Expr::Function(function)
            if function.over.is_some()
                || functions::aggregate::find(&canonical_name(&function.name.to_string()))
                    .is_some() =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}
