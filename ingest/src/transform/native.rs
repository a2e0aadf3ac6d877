//! Operators that ingestion evaluates by Pinot's scalar rules: numbers as DOUBLE, conditions with three values, and choices
//! that look at only one of their branches.
//!
//! Must not know: records. Invariant: a null operand makes arithmetic and comparison null; text that is no number is an error.

use common::{DataType, Value};

type Fallible<T> = Result<T, String>;

/// Two numbers to one.
pub(super) type Arithmetic = fn(f64, f64) -> f64;
/// Two numbers to a condition.
pub(super) type Comparison = fn(f64, f64) -> bool;

/// The arithmetic of a canonical name.
pub(super) fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        "plus" | "add" => |a, b| a + b,
        "minus" | "sub" => |a, b| a - b,
        "times" | "mult" => |a, b| a * b,
        "divide" | "div" => |a, b| a / b,
        "mod" => |a, b| a % b,
        _ => return None,
    })
}

/// The comparison of an operator's name.
pub(super) fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        "equals" => |a, b| a == b,
        "not_equals" | "notequals" => |a, b| a != b,
        "greater_than" | "greaterthan" => |a, b| a > b,
        "greater_than_or_equal" | "greaterthanorequal" => |a, b| a >= b,
        "less_than" | "lessthan" => |a, b| a < b,
        "less_than_or_equal" | "lessthanorequal" => |a, b| a <= b,
        _ => return None,
    })
}

/// A number, `None` for null.
pub(super) fn number(value: &Value) -> Fallible<Option<f64>> {
    if value.is_null() {
        return Ok(None);
    }
    match value.cast(DataType::Double) {
        Ok(Value::Double(number)) => Ok(Some(number)),
        Ok(other) => Err(format!("`{}` is no number", other.to_text())),
        Err(error) => Err(error.to_string()),
    }
}

/// A condition, `None` for null.
pub(super) fn condition(value: &Value) -> Fallible<Option<bool>> {
    if value.is_null() {
        return Ok(None);
    }
    match value.cast(DataType::Boolean) {
        Ok(Value::Boolean(condition)) => Ok(Some(condition)),
        Ok(other) => Err(format!("`{}` is no condition", other.to_text())),
        Err(error) => Err(error.to_string()),
    }
}

/// A condition as a value.
pub(super) fn truth(condition: Option<bool>) -> Value {
    condition.map_or(Value::Null, Value::Boolean)
}

/// SQL LIKE, whatever the case, with an escape character.
pub(super) fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let mut parts: Vec<Part> = Vec::new();
    let mut chars = pattern.chars().flat_map(char::to_lowercase);
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape.or(Some('\\')) => chars.next().map_or(Part::Is(c), Part::Is),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Is(c),
        });
    }
    matches(&text, &parts)
}

#[derive(Clone, Copy)]
enum Part {
    Is(char),
    One,
    Any,
}

/// Greedy with one point of return, so the time is bounded by the product of the lengths.
fn matches(text: &[char], parts: &[Part]) -> bool {
    let (mut at, mut part) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                back = Some((at, part));
                part += 1;
            }
            Some(Part::One) => (at, part) = (at + 1, part + 1),
            Some(Part::Is(c)) if *c == text[at] => (at, part) = (at + 1, part + 1),
            _ => match back {
                Some((from, any)) => {
                    (at, part) = (from + 1, any + 1);
                    back = Some((from + 1, any));
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|p| matches!(p, Part::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_ignores_case() {
        assert!(like("Recife", "re%e", None));
        assert!(like("abcbd", "%b_", None));
        assert!(!like("abc", "a_", None));
        assert!(like("50%", "50\\%", None));
        assert!(!like("501", "50\\%", None));
    }
}
