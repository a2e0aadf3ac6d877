//! JSON documents: a borrowing parser, paths over them, flattening into records, and the filter language of JSON_MATCH.
//!
//! Must not know: columns, blocks, indexes.
//! Invariant: numbers keep their source text, so that both of Java's readings (double and exact decimal) can be printed;
//! no input makes the parser panic or overflow the stack.

mod evaluate;
mod filter;
mod flatten;
mod match_filter;
mod match_parse;
mod parse;
mod path;
mod text;

pub(crate) use evaluate::place_text;
pub use flatten::{Record, flatten, search_key};
pub use match_filter::{Candidates, JsonMatch};
pub use path::JsonPath;
pub use text::{Numbers, is_valid_document, java_object_text, quoted};

use std::borrow::Cow;

/// A JSON value that borrows from its text where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(Cow<'a, str>),
    /// Text, without quotes and escapes.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object in document order; of equal keys the last value stands at the place of the first.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Text that is no JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {at}: expected {expected}")]
pub struct JsonError {
    /// Where, in bytes from the start.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl<'a> Json<'a> {
    /// Reads the first JSON value of a text; what follows it is not looked at, as Java's reader does.
    ///
    /// # Errors
    /// Where the text does not start with a JSON value, or nests deeper than 500 levels.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        parse::parse(text)
    }

    /// The field of an object.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn from_count(count: usize) -> Self {
        Self::Number(Cow::Owned(count.to_string()))
    }

    /// The number as f64, `None` for other values.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The number as Java's `longValue`: whole numbers wrap to 64 bits, others saturate; `None` for other values.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let Self::Number(text) = self else {
            return None;
        };
        if let Ok(number) = text.parse::<i64>() {
            return Some(number);
        }
        if is_whole(text) {
            let exact: bigdecimal::BigDecimal = text.parse().ok()?;
            return Some(common::cast::decimal_to_i64(&exact));
        }
        text.parse::<f64>().ok().map(|number| number as i64)
    }
}

/// True where a number has neither fraction nor exponent.
fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}
