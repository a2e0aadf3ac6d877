//! JSON values as text: compact JSON as Java's Jackson writes it, and Java's `toString` of lists and maps.
//!
//! Must not know: paths. Invariant: what [`Json::write`] appends is valid JSON, unless a double is not finite.

use std::fmt::Write as _;

use bigdecimal::BigDecimal;
use common::java_text::write_double;

use super::{Json, is_whole};

/// How numbers with a fraction or exponent are read and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// As double: `1.50` prints as `1.5`, `1e3` as `1000.0`.
    Double,
    /// As exact decimal: `1.50` stays, `1e3` prints as `1E+3`.
    Exact,
}

impl Json<'_> {
    /// Appends the value as compact JSON.
    pub fn write(&self, out: &mut String, numbers: Numbers) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => write_number(out, text, numbers),
            Self::Text(text) => write_quoted(out, text),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out, numbers);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_quoted(out, key);
                    out.push(':');
                    value.write(out, numbers);
                }
                out.push('}');
            }
        }
    }

    /// The value as a cell shows it: text without quotes, everything else as JSON.
    #[must_use]
    pub fn to_cell(&self, numbers: Numbers) -> String {
        let mut out = String::new();
        match self {
            Self::Text(text) => out.push_str(text),
            other => other.write(&mut out, numbers),
        }
        out
    }

    /// Appends what Java's `toString` gives: `[1, a]`, `{a=2}`.
    pub fn write_java(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    item.write_java(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(key);
                    out.push('=');
                    value.write_java(out);
                }
                out.push('}');
            }
            scalar => scalar.write(out, Numbers::Double),
        }
    }
}

/// A JSON text as Java shows the list or map it stands for; text that is no JSON comes back as it is.
#[must_use]
pub fn java_object_text(json: &str) -> String {
    let mut out = String::new();
    match Json::parse(json) {
        Ok(value) => value.write_java(&mut out),
        Err(_) => out.push_str(json),
    }
    out
}

/// True where Java's reader accepts the text; a text without any token is accepted too.
#[must_use]
pub fn is_valid_document(text: &str) -> bool {
    let text = text.trim_start();
    // What follows a word is not looked at, unless it goes on.
    let is_word = |word: &str| {
        let rest = text.strip_prefix(word).and_then(|rest| rest.chars().next());
        rest.is_some_and(|next| !next.is_alphanumeric() && !matches!(next, '_' | '$'))
    };
    if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        let number = text.split_ascii_whitespace().next().unwrap_or_default();
        let of_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        return number.chars().all(of_number) && Json::parse(number).is_ok();
    }
    let word = ["null", "true", "false"].into_iter().any(is_word);
    text.is_empty() || word || Json::parse(text).is_ok()
}

/// Text as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_quoted(&mut out, text);
    out
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0C => out.push_str("\\f"),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{byte:04X}");
            }
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

fn write_number(out: &mut String, text: &str, numbers: Numbers) {
    if is_whole(text) {
        return out.push_str(if text == "-0" { "0" } else { text });
    }
    match numbers {
        Numbers::Double => match text.parse() {
            Ok(number) => write_double(out, number),
            Err(_) => out.push_str(text),
        },
        Numbers::Exact => match text.parse::<BigDecimal>() {
            Ok(number) => write_decimal(out, &number),
            Err(_) => out.push_str(text),
        },
    }
}

/// `BigDecimal.toString`: plain where the scale is not negative and the value not tiny, else with an exponent.
fn write_decimal(out: &mut String, number: &BigDecimal) {
    let (unscaled, scale) = number.as_bigint_and_exponent();
    let digits = unscaled.magnitude().to_string();
    if unscaled.sign() == num_bigint::Sign::Minus {
        out.push('-');
    }
    let exponent = digits.len() as i64 - 1 - scale;
    if scale >= 0 && exponent >= -6 {
        let scale = scale as usize;
        if scale == 0 {
            out.push_str(&digits);
        } else if digits.len() > scale {
            out.push_str(&digits[..digits.len() - scale]);
            out.push('.');
            out.push_str(&digits[digits.len() - scale..]);
        } else {
            out.push_str("0.");
            (digits.len()..scale).for_each(|_| out.push('0'));
            out.push_str(&digits);
        }
        return;
    }
    out.push_str(&digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        out.push_str(&digits[1..]);
    }
    if exponent != 0 {
        let _ = write!(out, "E{exponent:+}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(json: &str, numbers: Numbers) -> String {
        let mut out = String::new();
        if let Ok(value) = Json::parse(json) {
            value.write(&mut out, numbers);
        }
        out
    }

    #[test]
    fn numbers_print_as_their_java_reading() {
        for (json, double, exact) in [
            ("1", "1", "1"),
            ("1.50", "1.5", "1.50"),
            ("1e3", "1000.0", "1E+3"),
            ("0.0000001", "1.0E-7", "1E-7"),
            ("-12.5e-3", "-0.0125", "-0.0125"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
        ] {
            assert_eq!(rewritten(json, Numbers::Double), double);
            assert_eq!(rewritten(json, Numbers::Exact), exact);
        }
    }

    #[test]
    fn text_is_escaped_as_jackson_does() {
        assert_eq!(quoted("a\"b\\\n\u{1}é/"), "\"a\\\"b\\\\\\n\\u0001é/\"");
        assert_eq!(
            rewritten("{\"a\" : [ 1, \"x\" ]}", Numbers::Double),
            "{\"a\":[1,\"x\"]}"
        );
        assert_eq!(java_object_text("[1,{\"a\":2}]"), "[1, {a=2}]");
    }
}
