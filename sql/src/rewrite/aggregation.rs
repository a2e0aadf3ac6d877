//! Constants move out of SUM, AVG, MIN and MAX in SELECT: `SUM(a + 1)` is `SUM(a) + 1 * COUNT(a)`; and aggregations of
//! an array's aggregate become multi-value ones: `SUM(arraySum(a))` is `SUMMV(a)`.
//!
//! Must not know: types. Invariant: the answer stays the same; the column's name becomes the rewritten form, as Pinot's.

use common::Value;

use crate::expr::Call;
use crate::{Expr, Query};

/// Puts the multi-value aggregation in the place of one over an array's aggregate.
pub(super) fn over_arrays(expr: Expr) -> Expr {
    expr.rewrite(&mut |e| match &e {
        Expr::Call(Call { name, args }) => match (name.as_str(), args.as_slice()) {
            ("sum" | "min" | "max", [Expr::Call(inner)])
                if inner.name.strip_prefix("array") == Some(name) =>
            {
                Expr::call(format!("{name}mv"), inner.args.clone())
            }
            // The serialised sketch has its precision among the arguments.
            ("distinctcountrawhll" | "distinctcountrawhllmv", [column]) => Expr::call(
                name.clone(),
                vec![column.clone(), Expr::Literal(Value::Int(8))],
            ),
            _ => e,
        },
        _ => e,
    })
}

/// Rewrites the SELECT list; items with an alias keep it as their name.
pub(super) fn optimise(query: &mut Query) {
    for item in &mut query.select {
        if let Some(better) = rewritten(&item.expr) {
            item.expr = better;
        }
    }
}

fn rewritten(expr: &Expr) -> Option<Expr> {
    let Expr::Call(Call { name, args }) = expr else {
        return None;
    };
    let [Expr::Call(inner)] = args.as_slice() else {
        return None;
    };
    let [left, right] = inner.args.as_slice() else {
        return None;
    };
    let is_number = |e: &Expr| {
        matches!(
            e.as_literal(),
            Some(Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Float(_))
        )
    };
    let (operand, literal, literal_first) = match (is_number(left), is_number(right)) {
        (false, true) => (left, right, false),
        (true, false) => (right, left, true),
        _ => return None,
    };
    if !matches!(operand, Expr::Column(_)) {
        return None;
    }
    let of = |function: &str| Expr::call(function, vec![operand.clone()]);
    let pair = |operator: &str, a: Expr, b: Expr| {
        // Only a difference keeps its order: of sums and products the literal comes last.
        if literal_first && operator == "sub" {
            Expr::call(operator, vec![b, a])
        } else {
            Expr::call(operator, vec![a, b])
        }
    };
    match (name.as_str(), inner.name.as_str()) {
        ("sum", "plus" | "add") => {
            let counted = Expr::call("mult", vec![literal.clone(), of("count")]);
            Some(pair("add", of("sum"), counted))
        }
        ("sum", "minus" | "sub") => {
            let counted = Expr::call("mult", vec![literal.clone(), of("count")]);
            Some(pair("sub", of("sum"), counted))
        }
        ("sum" | "avg", "times" | "mult") => {
            Some(Expr::call("mult", vec![of(name), literal.clone()]))
        }
        ("avg" | "min" | "max", "plus" | "add") => Some(pair("add", of(name), literal.clone())),
        ("avg", "minus" | "sub") => Some(pair("sub", of(name), literal.clone())),
        ("min" | "max", "minus" | "sub") => {
            let function = if literal_first { opposite(name) } else { name };
            Some(pair("sub", of(function), literal.clone()))
        }
        ("min" | "max", "times" | "mult") => {
            let negative = literal
                .as_literal()
                .and_then(Value::as_f64)
                .is_some_and(|v| v < 0.0);
            let function = if negative { opposite(name) } else { name };
            Some(pair("mult", of(function), literal.clone()))
        }
        _ => None,
    }
}

fn opposite(name: &str) -> &'static str {
    if name == "min" { "max" } else { "min" }
}
