//! The length limits of text and bytes columns.
//!
//! Must not know: batches. Invariant: text is cut at its first NUL whatever the strategy, as Pinot's segments require, except
//! where the strategy refuses or replaces it.

use std::borrow::Cow;

use common::{DataType, FieldSpec};

/// What happens to a value that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Trim,
    Refuse,
    Default,
    Keep,
}

/// The limit of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    longest: usize,
    strategy: Strategy,
    cut_at_nul: bool,
}

/// A value within its limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Limited<'a> {
    /// This text.
    Text(Cow<'a, str>),
    /// The column's default.
    Default,
}

impl Limit {
    /// The limit of a column.
    pub(super) fn of(field: &FieldSpec) -> Self {
        let text = field.data_type == DataType::String;
        let name = field.max_length_exceed_strategy.as_deref().unwrap_or("");
        let strategy = match name.to_ascii_uppercase().as_str() {
            "TRIM_LENGTH" => Strategy::Trim,
            "ERROR" => Strategy::Refuse,
            "SUBSTITUTE_DEFAULT_VALUE" => Strategy::Default,
            "NO_ACTION" => Strategy::Keep,
            _ if text => Strategy::Trim,
            _ => Strategy::Keep,
        };
        Self {
            longest: field.max_length.unwrap_or(512) as usize,
            strategy,
            cut_at_nul: text,
        }
    }

    /// True where the text needs no look at its characters: short, and without NUL (`clean`).
    #[inline]
    pub(super) fn passes(&self, text: &str, clean: bool) -> bool {
        (text.len() <= self.longest || self.strategy == Strategy::Keep)
            && (clean || !self.cut_at_nul || memchr::memchr(0, text.as_bytes()).is_none())
    }

    /// The text within the limit; lengths count UTF-16 units, as Java's do.
    pub(super) fn text<'a>(&self, text: &'a str) -> Result<Limited<'a>, String> {
        if self.passes(text, false) {
            return Ok(Limited::Text(Cow::Borrowed(text)));
        }
        let nul = self.cut_at_nul.then(|| text.find('\0')).flatten();
        let end = end_of_units(text, self.longest);
        let too_long = end < text.len() && self.strategy != Strategy::Keep;
        if nul.is_none() && !too_long {
            return Ok(Limited::Text(Cow::Borrowed(text)));
        }
        match self.strategy {
            Strategy::Trim => Ok(Limited::Text(Cow::Borrowed(
                &text[..end.min(nul.unwrap_or(end))],
            ))),
            Strategy::Keep => Ok(Limited::Text(Cow::Borrowed(
                &text[..nul.unwrap_or(text.len())],
            ))),
            Strategy::Default => Ok(Limited::Default),
            Strategy::Refuse => Err(format!(
                "text of {} bytes is longer than {} characters or holds a NUL",
                text.len(),
                self.longest
            )),
        }
    }

    /// The bytes within the limit; `None` stands for the column's default.
    pub(super) fn bytes<'a>(&self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, String> {
        if bytes.len() <= self.longest {
            return Ok(Some(bytes));
        }
        match self.strategy {
            Strategy::Trim => Ok(Some(&bytes[..self.longest])),
            Strategy::Keep => Ok(Some(bytes)),
            Strategy::Default => Ok(None),
            Strategy::Refuse => Err(format!(
                "value of {} bytes is longer than {}",
                bytes.len(),
                self.longest
            )),
        }
    }
}

/// Where the first `units` UTF-16 units end, never inside a character.
fn end_of_units(text: &str, units: usize) -> usize {
    let mut seen = 0;
    for (at, c) in text.char_indices() {
        seen += c.len_utf16();
        if seen > units {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::ColumnType;

    fn limit(strategy: &str, longest: u32) -> Limit {
        let mut field = FieldSpec::new("s", ColumnType::sv(DataType::String));
        field.max_length = Some(longest);
        field.max_length_exceed_strategy = Some(strategy.to_owned());
        Limit::of(&field)
    }

    fn text<'a>(limit: &Limit, text: &'a str) -> Option<Cow<'a, str>> {
        match limit.text(text) {
            Ok(Limited::Text(text)) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn strategies_differ_on_long_text() {
        assert_eq!(
            text(&limit("TRIM_LENGTH", 4), "çãéíó").as_deref(),
            Some("çãéí")
        );
        assert_eq!(
            text(&limit("TRIM_LENGTH", 5), "çãéíó").as_deref(),
            Some("çãéíó")
        );
        assert!(limit("ERROR", 3).text("abcd").is_err());
        assert!(limit("ERROR", 10).text("a\0b").is_err());
        assert_eq!(
            limit("SUBSTITUTE_DEFAULT_VALUE", 3).text("abcd"),
            Ok(Limited::Default)
        );
        assert_eq!(
            text(&limit("NO_ACTION", 3), "abcd").as_deref(),
            Some("abcd")
        );
        assert_eq!(text(&limit("NO_ACTION", 3), "x\0y").as_deref(), Some("x"));
    }
}
