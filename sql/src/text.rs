//! Expressions and filters as text: the names of result columns.
//!
//! Must not know: aliases (a caller with an alias does not ask). Invariant: the text is what Pinot 1.5.1 answers in
//! `columnNames` for the same expression.

use common::Value;

use crate::expr::{Call, Expr};
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
        Expr::Literal(value) => format!("'{}'", literal_text(value)),
        Expr::Star => "*".to_owned(),
        Expr::Call(call) => call_text(call),
    }
}

/// The suffix of a filtered aggregation's name: ` FILTER(WHERE a = '1')`. Only where it stands alone; inside another
/// expression it is the call `filter(..)`.
#[must_use]
pub fn filter_suffix(condition: &Expr) -> String {
    let condition =
        Filter::from_expr(condition).map_or_else(|_| expression(condition), |f| filter(&f));
    format!(" FILTER(WHERE {condition})")
}

/// A literal's value inside an expression: lists have a space after each comma.
fn literal_text(value: &Value) -> String {
    match value {
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(Value::to_text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_text(),
    }
}

/// The name of a column in a query over literals only: texts in quotes, bytes as `X'0a'`, numbers bare.
#[must_use]
pub fn literal_name(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        Value::Bytes(_) => format!("X'{}'", value.to_text()),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(literal_name).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_text(),
    }
}

fn call_text(call: &Call) -> String {
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
    let list = |values: &[Value]| {
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
        Test::Like { pattern, escape } => {
            let middle = pattern.trim_matches('%');
            let whole = functions::pattern::like_to_regex(middle, escape.unwrap_or('\\'));
            let shown = match pattern.starts_with('%') {
                true => whole.trim_start_matches('^'),
                false => &whole,
            };
            let shown = match pattern.ends_with('%') {
                true => shown.strip_suffix('$').unwrap_or(shown),
                false => shown,
            };
            format!("regexp_like({lhs},'{shown}','i')")
        }
        Test::RegexpLike {
            pattern,
            ignore_case,
        } => {
            let flags = if *ignore_case { ",'i'" } else { "" };
            format!("regexp_like({lhs},'{pattern}'{flags})")
        }
        Test::IsNull => format!("{lhs} IS NULL"),
        Test::IsNotNull => format!("{lhs} IS NOT NULL"),
        Test::JsonMatch(condition) => format!("json_match({lhs},'{condition}')"),
        Test::TextContains(query) => format!("text_contains({lhs},'{query}')"),
        Test::TextMatch(query) => format!("text_match({lhs},'{query}')"),
        Test::VectorSimilarity { top_k, .. } => format!("vector_similarity({lhs},{top_k})"),
    }
}

type End = (Value, bool);

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
