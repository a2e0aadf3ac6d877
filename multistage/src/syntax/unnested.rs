//! `UNNEST(array, ..) [WITH ORDINALITY]` in the syntax tree: a lateral query whose list marks the arrays.
//!
//! Must not know: plans ([`crate::unnest`] reads the marks). Invariant: the query has the columns that UNNEST gives, with its names.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, Query, SelectItem, SetExpr, Statement, TableFactor,
    Value,
};

use super::call;
use crate::error::MultiStageError;
use crate::unnest::{ELEMENT, ORDINAL};

/// Rewrites every UNNEST of a body.
pub(super) fn rewrite(body: &mut SetExpr) -> Result<(), MultiStageError> {
    match body {
        SetExpr::Select(select) => {
            for from in &mut select.from {
                lateral(&mut from.relation, false)?;
                for join in &mut from.joins {
                    if lateral(&mut join.relation, true)? {
                        with_condition(&mut join.join_operator);
                    }
                }
            }
            // The first of a list has nothing before it.
            for from in select.from.iter_mut().skip(1) {
                if let TableFactor::Derived {
                    lateral, subquery, ..
                } = &mut from.relation
                    && is_marked(subquery)
                {
                    *lateral = true;
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

fn is_marked(query: &Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Select(select) => select.projection.iter().any(|item| {
            matches!(item, SelectItem::ExprWithAlias { expr: Expr::Function(f), .. } if f.name.to_string().contains(ELEMENT))
        }),
        _ => false,
    }
}

/// `JOIN UNNEST(..)` without a condition joins all elements.
fn with_condition(operator: &mut JoinOperator) {
    let all = || JoinConstraint::On(Expr::Value(Value::Boolean(true).with_empty_span()));
    if let JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint) = operator
        && *constraint == JoinConstraint::None
    {
        *constraint = all();
    }
}

/// Rewrites a relation; false where it is no UNNEST.
fn lateral(relation: &mut TableFactor, lateral: bool) -> Result<bool, MultiStageError> {
    let TableFactor::UNNEST {
        alias,
        array_exprs,
        with_offset: false,
        with_ordinality,
        ..
    } = relation
    else {
        return Ok(false);
    };
    let Statement::Query(mut subquery) = sql::parse::syntax("SELECT 1")? else {
        return Ok(false);
    };
    let mut names: Vec<String> = match array_exprs.as_slice() {
        // A single column has the name of the relation.
        [_] => vec![
            alias
                .as_ref()
                .map_or_else(|| "EXPR$0".to_owned(), |alias| alias.name.value.clone()),
        ],
        several => (0..several.len()).map(|at| format!("EXPR${at}")).collect(),
    };
    let mut items: Vec<Expr> = array_exprs
        .iter()
        .map(|array| call(ELEMENT, vec![array.clone()]))
        .collect();
    if *with_ordinality {
        names.push("ORDINALITY".to_owned());
        items.push(call(ORDINAL, array_exprs.clone()));
    }
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        select.projection = items
            .into_iter()
            .zip(names)
            .map(|(expr, name)| SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('"', name),
            })
            .collect();
    }
    *relation = TableFactor::Derived {
        lateral,
        subquery,
        alias: alias.clone(),
        sample: None,
    };
    Ok(true)
}
