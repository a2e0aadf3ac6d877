//! Expressions and filters as text: the names of result columns.
//!
//! Must not know: aliases (a caller with an alias does not ask). Invariant: the text is what Pinot 1.5.1 answers in
//! `columnNames` for the same expression.

use crate::expr::{Call, Expr, FILTERED};
use crate::filter::{Filter, Test};

/// The operators for the two ends of a range.
fn bounds(lower_included: bool, upper_included: bool) -> (&'static str, &'static str) {
    (
        if lower_included { ">=" } else { ">" },
        if upper_included { "<=" } else { "<" },
    )
}

/// The text of an expression: `plus(a,'1')`.
#[must_use]
pub fn expression(expr: &Expr) -> String {
    match expr {
        Expr::Column(name) => name.clone(),
        Expr::Literal(value) => format!("'{}'", value.to_text()),
        Expr::Star => "*".to_owned(),
        Expr::Call(call) => call_text(call),
    }
}

fn call_text(call: &Call) -> String {
    if call.name == FILTERED
        && let [aggregation, condition] = call.args.as_slice()
    {
        let condition =
            Filter::from_expr(condition).map_or_else(|_| expression(condition), |f| filter(&f));
        return format!("{} FILTER(WHERE {condition})", expression(aggregation));
    }
    let args: Vec<String> = call.args.iter().map(expression).collect();
    format!("{}({})", call.name, args.join(","))
}

/// The text of a filter: `(a > '1' AND b IN ('x','y'))`.
#[must_use]
pub fn filter(filter: &Filter) -> String {
    let joined = |children: &[Filter], word: &str| {
        let parts: Vec<String> = children.iter().map(self::filter).collect();
        format!("({})", parts.join(word))
    };
    match filter {
        Filter::And(children) => joined(children, " AND "),
        Filter::Or(children) => joined(children, " OR "),
        Filter::Not(child) => format!("(NOT {})", self::filter(child)),
        Filter::Constant(value) => value.to_string(),
        Filter::Predicate(lhs, test) => predicate(&expression(lhs), test),
    }
}

fn predicate(lhs: &str, test: &Test) -> String {
    let list = |values: &[common::Value]| {
        values
            .iter()
            .map(|v| format!("'{}'", v.to_text()))
            .collect::<Vec<_>>()
            .join(",")
    };
    match test {
        Test::Eq(value) => format!("{lhs} = '{}'", value.to_text()),
        Test::NotEq(value) => format!("{lhs} != '{}'", value.to_text()),
        Test::In(values) => format!("{lhs} IN ({})", list(values)),
        Test::NotIn(values) => format!("{lhs} NOT IN ({})", list(values)),
        Test::Range { lower, upper } => range(lhs, lower.as_ref(), upper.as_ref()),
        Test::Like { pattern, .. } => format!("like({lhs},'{pattern}')"),
        Test::RegexpLike { pattern, .. } => format!("regexp_like({lhs},'{pattern}')"),
        Test::IsNull => format!("{lhs} IS NULL"),
        Test::IsNotNull => format!("{lhs} IS NOT NULL"),
        Test::JsonMatch(condition) => format!("json_match({lhs},'{condition}')"),
        Test::TextMatch(query) => format!("text_match({lhs},'{query}')"),
        Test::VectorSimilarity { top_k, .. } => format!("vector_similarity({lhs},{top_k})"),
    }
}

type End = (common::Value, bool);

fn range(lhs: &str, lower: Option<&End>, upper: Option<&End>) -> String {
    match (lower, upper) {
        (Some((low, true)), Some((high, true))) => {
            format!("{lhs} BETWEEN '{}' AND '{}'", low.to_text(), high.to_text())
        }
        (Some((low, low_in)), Some((high, high_in))) => {
            let (from, to) = bounds(*low_in, *high_in);
            format!(
                "({lhs} {from} '{}' AND {lhs} {to} '{}')",
                low.to_text(),
                high.to_text()
            )
        }
        (Some((low, included)), None) => {
            format!("{lhs} {} '{}'", bounds(*included, true).0, low.to_text())
        }
        (None, Some((high, included))) => {
            format!("{lhs} {} '{}'", bounds(true, *included).1, high.to_text())
        }
        (None, None) => "true".to_owned(),
    }
}
