//! `dateTrunc('DAY', ts)` read from the column `$ts$DAY` that a timestamp index keeps.
//!
//! Must not know: segments. Invariant: names of the result stay as the query has them.

use common::{Schema, timestamp_index};
use sql::{Expr, Query, text};

/// Puts the columns of timestamp indexes in the place of the calls that they answer.
pub(super) fn rewrite(mut query: Query, schema: &Schema) -> Query {
    let mut names = schema.fields.iter().map(|(_, field)| &field.name);
    if !names.any(|name| timestamp_index::parts(name).is_some()) {
        return query;
    }
    let mut replace = |expr: Expr| expr.rewrite(&mut |e| replaced(e, schema));
    query.filter = query.filter.map(|filter| filter.map(&mut replace));
    if query.options.is_true("multistageleaf") {
        // Its types were fixed over the calls.
        return query;
    }
    for item in &mut query.select {
        let before = std::mem::replace(&mut item.expr, Expr::Star);
        item.expr = replace(before.clone());
        if item.expr != before && item.alias.is_none() {
            item.alias = Some(name_of(&before));
        }
    }
    query.having = query.having.map(|having| having.map(&mut replace));
    query.group_by = query.group_by.into_iter().map(&mut replace).collect();
    for order in &mut query.order_by {
        order.expr = replace(std::mem::replace(&mut order.expr, Expr::Star));
    }
    query
}

fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Call(call) if call.name == "count" => "count(*)".to_owned(),
        other => text::expression(other),
    }
}

fn replaced(expr: Expr, schema: &Schema) -> Expr {
    match column_of(&expr, schema) {
        Some(name) => Expr::Column(name),
        None => expr,
    }
}

fn column_of(expr: &Expr, schema: &Schema) -> Option<String> {
    let Expr::Call(call) = expr else {
        return None;
    };
    let (unit, column) = match call.args.as_slice() {
        [unit, Expr::Column(column)] => (unit, column),
        [unit, Expr::Column(column), from] => {
            let from = from.as_literal()?.to_text();
            if !from.eq_ignore_ascii_case("MILLISECONDS") {
                return None;
            }
            (unit, column)
        }
        _ => return None,
    };
    let unit = unit.as_literal()?.as_str()?.to_ascii_uppercase();
    let name = timestamp_index::column_name(column, &unit);
    (call.name == "datetrunc" && schema.field(&name).is_some()).then_some(name)
}
