//! Aliases in GROUP BY: where one has the name of a column, it goes before the column.
//!
//! Must not know: types. Invariant: an alias of an aggregate is left alone.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, visit_expressions,
};
use functions::canonical_name;

/// Writes out the aliases that hide a column in the GROUP BY of a query.
pub(super) fn grouped(query: &mut Query, columns: &HashMap<String, String>) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        written_out(select, columns);
    }
}

fn written_out(select: &mut Select, columns: &HashMap<String, String>) {
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
        if !columns.contains_key(&ident.value.to_lowercase()) {
            continue;
        }
        let meant = projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias }
                if alias.value.eq_ignore_ascii_case(&ident.value) =>
            {
                Some(expr)
            }
            _ => None,
        });
        if let Some(expr) = meant.filter(|expr| !aggregates(expr)) {
            *group = expr.clone();
        }
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
