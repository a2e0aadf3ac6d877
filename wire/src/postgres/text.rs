//! Values as Postgres writes them.
//!
//! Must not know: messages. Invariant: a value that its column's type cannot say is NULL.

use std::fmt::Write;

use chrono::DateTime;
use common::Value;
use common::java_text::decimal_text;

use super::kind::{Base, Kind};

/// The text of a value in a column of that type; `None` for NULL.
pub(crate) fn text(value: &Value, kind: Kind) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(_, items) => Some(array(items, kind)),
        _ if kind.array => Some(array(std::slice::from_ref(value), kind)),
        _ => single(value, kind.base),
    }
}

fn array(items: &[Value], kind: Kind) -> String {
    let mut out = String::from("{");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match single(item, kind.base) {
            None => out.push_str("NULL"),
            Some(item) if is_plain(&item) => out.push_str(&item),
            Some(item) => {
                out.push('"');
                for c in item.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
        }
    }
    out.push('}');
    out
}

/// Whether an element needs no quotes.
fn is_plain(item: &str) -> bool {
    let special = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\');
    !item.is_empty() && !item.eq_ignore_ascii_case("null") && !item.contains(special)
}

fn single(value: &Value, base: Base) -> Option<String> {
    Some(match base {
        Base::Bool => if truth(value)? { "t" } else { "f" }.to_owned(),
        Base::Int2 | Base::Int4 | Base::Int8 | Base::Oid => value.as_i64()?.to_string(),
        Base::Float4 => number(value.as_f64()? as f32, |v| f64::from(*v)),
        Base::Float8 => number(value.as_f64()?, |v| *v),
        Base::Numeric => match value {
            Value::BigDecimal(v) => decimal_text(v),
            other => other.as_f64()?.to_string(),
        },
        Base::Timestamp => timestamp(millis(value)?)?,
        Base::Bytes => {
            let Value::Bytes(bytes) = value else {
                return None;
            };
            bytes.iter().fold("\\x".to_owned(), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            })
        }
        Base::Text | Base::Json => said(value)?,
    })
}

/// The truth of a value.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(v) => Some(*v),
        other => other.as_i64().map(|v| v != 0),
    }
}

/// The milliseconds of a moment.
pub(crate) fn millis(value: &Value) -> Option<i64> {
    match value {
        Value::Timestamp(v) => Some(*v),
        other => other.as_i64(),
    }
}

/// A value of any type as text.
pub(crate) fn said(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null | Value::Array(..) => return None,
        Value::String(v) | Value::Json(v) | Value::Map(v) => v.replace('\0', ""),
        Value::BigDecimal(v) => decimal_text(v),
        Value::Boolean(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Long(v) | Value::Timestamp(v) => v.to_string(),
        Value::Float(v) => number(*v, |v| f64::from(*v)),
        Value::Double(v) => number(*v, |v| *v),
        Value::Bytes(_) => return single(value, Base::Bytes),
    })
}

/// The fewest digits that say the number, with an exponent where Postgres writes one.
fn number<N: std::fmt::Display + std::fmt::LowerExp>(
    number: N,
    wide: impl Fn(&N) -> f64,
) -> String {
    let value = wide(&number);
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-4..1e15).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(small) => ('-', small),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn timestamp(millis: i64) -> Option<String> {
    let moment = DateTime::from_timestamp_millis(millis)?.naive_utc();
    let text = moment.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    Some(match text.strip_suffix(".000") {
        Some(whole) => whole.to_owned(),
        None => text.trim_end_matches('0').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use common::{DataType, Value};

    use super::{Base, Kind, text};

    #[test]
    fn values_are_written_as_postgres_does() {
        let of = |base, value: &Value| text(value, Kind::of(base));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(Base::Bool, &Value::Int(1)), some("t"));
        assert_eq!(of(Base::Int8, &Value::Long(-5)), some("-5"));
        assert_eq!(of(Base::Float8, &Value::Double(1e21)), some("1e+21"));
        assert_eq!(of(Base::Float8, &Value::Double(0.1)), some("0.1"));
        assert_eq!(of(Base::Float4, &Value::Float(1e-7)), some("1e-07"));
        assert_eq!(
            of(Base::Float8, &Value::Double(f64::NEG_INFINITY)),
            some("-Infinity")
        );
        assert_eq!(
            of(Base::Timestamp, &Value::Timestamp(0)),
            some("1970-01-01 00:00:00")
        );
        assert_eq!(
            of(Base::Timestamp, &Value::Timestamp(1_500)),
            some("1970-01-01 00:00:01.5")
        );
        assert_eq!(of(Base::Timestamp, &Value::Timestamp(i64::MAX)), None);
        assert_eq!(
            of(Base::Bytes, &Value::Bytes(vec![0, 255])),
            some("\\x00ff")
        );
        assert_eq!(of(Base::Text, &Value::Null), None);
        let names = ["a", "b c", "", "NULL", "q\""].map(|s| Value::String(s.to_owned()));
        let array = Value::Array(DataType::String, names.to_vec());
        let kind = Kind {
            base: Base::Text,
            array: true,
        };
        assert_eq!(text(&array, kind), some(r#"{a,"b c","","NULL","q\""}"#));
    }
}
