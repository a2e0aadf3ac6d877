//! Filters in paths: `[?(@.x > 1 && @.y == 'z')]`.
//!
//! Must not know: columns. Invariant: comparing values of different kinds is false, never an error.

use std::cmp::Ordering;

use super::path::{Compiler, JsonPath, PathError};
use super::{Json, Numbers};

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Exists(JsonPath),
    Compare(Operand, Comparison, Operand),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// `@...`: from the element under test.
    Element(JsonPath),
    /// `$...`: from the document.
    Root(JsonPath),
    /// A JSON value.
    Literal(Json<'static>),
    /// `/re/i`.
    Pattern(String),
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    AnyOf,
    NoneOf,
    SubsetOf,
}

/// Longer spellings before their prefixes.
const OPERATORS: &[(&str, Comparison)] = &[
    ("===", Comparison::Equal),
    ("!==", Comparison::NotEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=~", Comparison::Matches),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("in ", Comparison::In),
    ("in[", Comparison::In),
    ("IN ", Comparison::In),
    ("nin ", Comparison::NotIn),
    ("NIN ", Comparison::NotIn),
    ("contains ", Comparison::Contains),
    ("CONTAINS ", Comparison::Contains),
    ("size ", Comparison::Size),
    ("empty ", Comparison::Empty),
    ("anyof ", Comparison::AnyOf),
    ("noneof ", Comparison::NoneOf),
    ("subsetof ", Comparison::SubsetOf),
];

pub(super) fn parse_condition(
    compiler: &mut Compiler<'_>,
    depth: usize,
) -> Result<Condition, PathError> {
    let mut any = vec![conjunction(compiler, depth)?];
    compiler.skip_blank();
    while compiler.eat("||") {
        any.push(conjunction(compiler, depth)?);
        compiler.skip_blank();
    }
    Ok(single_or(any, Condition::Or))
}

fn single_or(mut items: Vec<Condition>, wrap: fn(Vec<Condition>) -> Condition) -> Condition {
    match items.pop() {
        Some(only) if items.is_empty() => only,
        Some(last) => {
            items.push(last);
            wrap(items)
        }
        None => wrap(items),
    }
}

fn conjunction(compiler: &mut Compiler<'_>, depth: usize) -> Result<Condition, PathError> {
    let mut all = vec![term(compiler, depth)?];
    compiler.skip_blank();
    while compiler.eat("&&") {
        all.push(term(compiler, depth)?);
        compiler.skip_blank();
    }
    Ok(single_or(all, Condition::And))
}

fn term(compiler: &mut Compiler<'_>, depth: usize) -> Result<Condition, PathError> {
    if depth > 20 {
        return compiler.fail("fewer nested conditions");
    }
    compiler.skip_blank();
    if compiler.eat("!") {
        return Ok(Condition::Not(Box::new(term(compiler, depth + 1)?)));
    }
    if compiler.eat("(") {
        let inner = parse_condition(compiler, depth + 1)?;
        compiler.skip_blank();
        if !compiler.eat(")") {
            return compiler.fail("`)`");
        }
        return Ok(inner);
    }
    let left = operand(compiler, depth)?;
    compiler.skip_blank();
    let operator = OPERATORS.iter().find(|(text, _)| {
        let found = compiler.text.as_bytes()[compiler.at..].starts_with(text.as_bytes());
        if found {
            compiler.at += text.trim_end_matches('[').len();
        }
        found
    });
    let Some((_, comparison)) = operator else {
        return match left {
            Operand::Element(path) => Ok(Condition::Exists(path)),
            _ => compiler.fail("an operator"),
        };
    };
    compiler.skip_blank();
    let right = operand(compiler, depth)?;
    Ok(Condition::Compare(left, *comparison, right))
}

fn operand(compiler: &mut Compiler<'_>, depth: usize) -> Result<Operand, PathError> {
    match compiler.peek() {
        Some(b'@') => {
            compiler.at += 1;
            Ok(Operand::Element(compiler.path(depth)?))
        }
        Some(b'$') => {
            compiler.at += 1;
            Ok(Operand::Root(compiler.path(depth)?))
        }
        Some(b'/') => pattern(compiler),
        _ => Ok(Operand::Literal(literal(compiler, depth)?)),
    }
}

fn pattern(compiler: &mut Compiler<'_>) -> Result<Operand, PathError> {
    let rest = &compiler.text[compiler.at + 1..];
    let Some(end) = rest.find('/') else {
        return compiler.fail("the closing `/`");
    };
    let expression = rest[..end].to_owned();
    compiler.at += end + 2;
    let flags = if compiler.eat("i") { "(?i)" } else { "" };
    Ok(Operand::Pattern(format!("{flags}^(?:{expression})$")))
}

fn literal(compiler: &mut Compiler<'_>, depth: usize) -> Result<Json<'static>, PathError> {
    if depth > 20 {
        return compiler.fail("fewer nested lists");
    }
    compiler.skip_blank();
    match compiler.peek() {
        Some(b'\'' | b'"') => Ok(Json::Text(compiler.quoted()?.into())),
        Some(b'[') => {
            compiler.at += 1;
            let mut items = Vec::new();
            loop {
                compiler.skip_blank();
                if compiler.eat("]") {
                    return Ok(Json::Array(items));
                }
                items.push(literal(compiler, depth + 1)?);
                compiler.skip_blank();
                if !compiler.eat(",") && compiler.peek() != Some(b']') {
                    return compiler.fail("`,` or `]`");
                }
            }
        }
        _ if compiler.eat("true") => Ok(Json::Bool(true)),
        _ if compiler.eat("false") => Ok(Json::Bool(false)),
        _ if compiler.eat("null") => Ok(Json::Null),
        _ => {
            let rest = &compiler.text[compiler.at..];
            let length = rest
                .bytes()
                .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                .count();
            if rest[..length].parse::<f64>().is_err() {
                return compiler.fail("a value");
            }
            compiler.at += length;
            Ok(Json::Number(rest[..length].to_owned().into()))
        }
    }
}

impl Condition {
    pub(super) fn holds(&self, element: &Json<'_>, root: &Json<'_>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(element, root)),
            Self::Or(any) => any.iter().any(|one| one.holds(element, root)),
            Self::Not(inner) => !inner.holds(element, root),
            Self::Exists(path) => path.exists(element),
            Self::Compare(left, comparison, right) => {
                let left = left.value(element, root);
                if *comparison == Comparison::Matches {
                    return matches(left.as_ref(), right);
                }
                match (left, right.value(element, root)) {
                    (Some(left), Some(right)) => compare(&left, *comparison, &right),
                    (None, None) => *comparison == Comparison::Equal,
                    _ => matches!(comparison, Comparison::NotEqual | Comparison::NotIn),
                }
            }
        }
    }
}

impl Operand {
    fn value<'d>(&self, element: &Json<'d>, root: &Json<'d>) -> Option<Json<'d>> {
        match self {
            Self::Element(path) => path.evaluate(element),
            Self::Root(path) => path.evaluate(root),
            Self::Literal(value) => Some(value.clone()),
            Self::Pattern(_) => None,
        }
    }
}

fn matches(left: Option<&Json<'_>>, right: &Operand) -> bool {
    let (Some(left), Operand::Pattern(pattern)) = (left, right) else {
        return false;
    };
    fancy_regex::Regex::new(pattern).is_ok_and(|regex| {
        regex
            .is_match(&left.to_cell(Numbers::Double))
            .unwrap_or(false)
    })
}

/// Numbers by value, also against text that is a number; text by code points; everything else by equality only.
fn order(left: &Json<'_>, right: &Json<'_>) -> Option<Ordering> {
    let number = |json: &Json<'_>| match json {
        Json::Text(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    match (left, right) {
        (Json::Text(a), Json::Text(b)) => Some(common::value::compare_text(a, b)),
        (Json::Number(_), _) | (_, Json::Number(_)) => number(left)?.partial_cmp(&number(right)?),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

fn equal(left: &Json<'_>, right: &Json<'_>) -> bool {
    order(left, right) == Some(Ordering::Equal)
}

fn compare(left: &Json<'_>, comparison: Comparison, right: &Json<'_>) -> bool {
    let ordered = |wanted: &[Ordering]| order(left, right).is_some_and(|o| wanted.contains(&o));
    let contains = |list: &Json<'_>, item: &Json<'_>| match list {
        Json::Array(items) => items.iter().any(|one| equal(one, item)),
        _ => false,
    };
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::Less => ordered(&[Ordering::Less]),
        Comparison::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
        Comparison::Greater => ordered(&[Ordering::Greater]),
        Comparison::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
        Comparison::In => contains(right, left),
        Comparison::NotIn => !contains(right, left),
        Comparison::Contains => match (left, right) {
            (Json::Text(text), Json::Text(part)) => text.contains(part.as_ref()),
            _ => contains(left, right),
        },
        Comparison::Size => right.as_i64() == Some(size(left) as i64),
        Comparison::Empty => *right == Json::Bool(size(left) == 0),
        Comparison::AnyOf => every_or_any(left, right, |items| items.contains(&true)),
        Comparison::NoneOf => !every_or_any(left, right, |items| items.contains(&true)),
        Comparison::SubsetOf => every_or_any(left, right, |items| !items.contains(&false)),
        Comparison::Matches => false,
    }
}

fn size(value: &Json<'_>) -> usize {
    match value {
        Json::Array(items) => items.len(),
        Json::Object(fields) => fields.len(),
        Json::Text(text) => text.chars().count(),
        _ => usize::MAX,
    }
}

fn every_or_any(left: &Json<'_>, right: &Json<'_>, decide: impl Fn(&[bool]) -> bool) -> bool {
    let (Json::Array(left), Json::Array(right)) = (left, right) else {
        return false;
    };
    let found: Vec<bool> = left
        .iter()
        .map(|a| right.iter().any(|b| equal(a, b)))
        .collect();
    decide(&found)
}
