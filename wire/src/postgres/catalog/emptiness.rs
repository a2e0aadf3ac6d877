//! What needs no plan because it is empty: a query of tables of the catalog that never have a row.
//!
//! Must not know: types. Invariant: only what joins such a table inwardly is called empty.

use sqlparser::ast::{
    Expr, JoinOperator, Query, Select, SelectItem, SetExpr, Statement, TableFactor,
};

use super::empty::is_always_empty;

fn is_empty_table(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table { name, .. } => {
            let name = name.to_string().replace('"', "").to_lowercase();
            is_always_empty(name.rsplit('.').next().unwrap_or_default())
        }
        TableFactor::Derived { subquery, .. } => is_empty(subquery),
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => {
            is_empty_table(&table_with_joins.relation)
                || table_with_joins
                    .joins
                    .iter()
                    .any(|join| is_inner(&join.join_operator) && is_empty_table(&join.relation))
        }
        _ => false,
    }
}

fn is_inner(operator: &JoinOperator) -> bool {
    matches!(
        operator,
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
    )
}

fn select_is_empty(select: &Select) -> bool {
    select.from.iter().any(|from| {
        let kept = from.joins.iter().all(|j| {
            is_inner(&j.join_operator)
                || matches!(
                    j.join_operator,
                    JoinOperator::Left(_) | JoinOperator::LeftOuter(_)
                )
        });
        (kept && is_empty_table(&from.relation))
            || from
                .joins
                .iter()
                .any(|join| is_inner(&join.join_operator) && is_empty_table(&join.relation))
    })
}

fn body_is_empty(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select_is_empty(select),
        SetExpr::Query(query) => is_empty(query),
        SetExpr::SetOperation { left, right, .. } => body_is_empty(left) && body_is_empty(right),
        _ => false,
    }
}

/// Whether a query without aggregates has no row.
pub(super) fn is_empty(query: &Query) -> bool {
    body_is_empty(&query.body)
}

fn first_select(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

/// The first SELECT of a statement.
pub(super) fn select_of(statement: &Statement) -> Option<&Select> {
    match statement {
        Statement::Query(query) => first_select(&query.body),
        _ => None,
    }
}

/// The names of the columns of an empty answer; `None` where the answer is not known to be empty.
pub(super) fn names_of_nothing(statement: &Statement) -> Option<Vec<String>> {
    let Statement::Query(query) = statement else {
        return None;
    };
    if !is_empty(query) {
        return None;
    }
    select_of(statement)?
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            SelectItem::UnnamedExpr(expr) => Some(name(expr)),
            _ => None,
        })
        .collect()
}

/// The name that Postgres gives to a column without one.
pub(super) fn name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(parts) => {
            parts.last().map(|p| p.value.clone()).unwrap_or_default()
        }
        Expr::Function(function) => {
            let name = function.name.to_string().replace('"', "").to_lowercase();
            name.rsplit('.').next().unwrap_or_default().to_owned()
        }
        Expr::Cast {
            expr, data_type, ..
        } => match name(expr).as_str() {
            "?column?" => data_type.to_string().to_lowercase(),
            inner => inner.to_owned(),
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name(inner),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        _ => "?column?".to_owned(),
    }
}
