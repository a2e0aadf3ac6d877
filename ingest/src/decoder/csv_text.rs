//! CSV as Pinot's reader (commons-csv) takes it: quotes, escapes, comments, blanks, several lines in one quoted value.
//!
//! Must not know: columns. Invariant: a quote that never closes, or text after a closing quote, is an error.

use crate::decoder::Properties;
use crate::error::{ConfigError, DecodeError};
use crate::record::{Field, Record};

/// How a CSV text is written.
#[derive(Debug, Clone)]
pub(crate) struct CsvFormat {
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    comment: Option<char>,
    pub(crate) multi_value: Option<char>,
    null_text: Option<String>,
    /// A quoted text is never null.
    quotes_keep: bool,
    trims: bool,
    ignores_empty_lines: bool,
    pub(crate) header: Option<Vec<String>>,
    pub(crate) skip_header: bool,
    pub(crate) skips_broken_lines: bool,
}

impl CsvFormat {
    /// The format of `recordReader.prop.*` or `decoder.prop.*`; `file` picks the defaults of Pinot's file reader.
    pub(crate) fn new(properties: &Properties, file: bool) -> Result<Self, ConfigError> {
        let character = |key: &str| -> Result<Option<char>, ConfigError> {
            let Some(text) = properties.get(key).filter(|t| !t.is_empty()) else {
                return Ok(None);
            };
            let text = if text == "\\t" { "\t" } else { text };
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Ok(Some(c)),
                _ => Err(ConfigError::Invalid(format!(
                    "CSV property `{key}` is `{text}`, expected one character"
                ))),
            }
        };
        let flag = |key: &str, default: bool| {
            properties
                .get(key)
                .map_or(default, |v| v.eq_ignore_ascii_case("true"))
        };
        let preset = properties.get("fileFormat").map_or("", String::as_str);
        let preset = preset.to_ascii_uppercase().replace('_', "");
        let mysql = preset == "MYSQL";
        let tabs = mysql || preset == "TDF";
        let delimiter = character("delimiter")?.unwrap_or(if tabs { '\t' } else { ',' });
        // A preset of a stream's decoder says more than one of a file, whose reader has defaults of its own.
        let strict = !file && matches!(preset.as_str(), "MYSQL" | "EXCEL" | "RFC4180");
        let quote_mode = properties.get("quoteMode").map(String::as_str);
        let mut format = Self {
            delimiter,
            quote: character("quoteCharacter")?.or((file || !mysql).then_some('"')),
            escape: character("escapeCharacter")?.or(mysql.then_some('\\')),
            comment: character("commentMarker")?,
            multi_value: character("multiValueDelimiter")?.or(file.then_some(';')),
            null_text: properties
                .get("nullStringValue")
                .cloned()
                .or_else(|| mysql.then(|| "\\N".to_owned())),
            quotes_keep: mysql && quote_mode.is_none()
                || matches!(quote_mode, Some("ALL_NON_NULL" | "NON_NUMERIC")),
            trims: flag("ignoreSurroundingSpaces", file || preset == "TDF"),
            ignores_empty_lines: flag("ignoreEmptyLines", !strict),
            header: None,
            skip_header: flag("skipHeader", false),
            skips_broken_lines: flag("skipUnParseableLines", false),
        };
        // A multi-value delimiter that is switched off.
        if properties
            .get("multiValueDelimiter")
            .is_some_and(String::is_empty)
        {
            format.multi_value = None;
        }
        if let Some(header) = properties.get("header").filter(|h| !h.is_empty()) {
            format.header = Some(format.names(header)?);
        }
        Ok(format)
    }

    /// Column names from a header line.
    pub(crate) fn names(&self, line: &str) -> Result<Vec<String>, ConfigError> {
        let mut cursor = CsvCursor::new(self, line);
        let values = cursor
            .row()
            .map_err(|e| ConfigError::Invalid(format!("CSV header `{line}`: {e}")))?
            .unwrap_or_default();
        Ok(values
            .into_iter()
            .map(|v| v.text.trim().to_owned())
            .collect())
    }

    /// A row as a record under the names of a header; missing values are absent, surplus ones ignored.
    pub(crate) fn record(&self, names: &[String], row: Vec<CsvValue>) -> Record {
        let mut record = Record::new();
        for (name, value) in names.iter().zip(row) {
            let field = self.field(value);
            record.set(name, field);
        }
        record
    }

    fn field(&self, value: CsvValue) -> Field {
        let kept = value.quoted && self.quotes_keep;
        let null = self.null_text.as_deref() == Some(value.text.as_str()) && !kept;
        if value.text.is_empty() || null {
            return Field::Null;
        }
        let Some(delimiter) = self.multi_value else {
            return Field::Text(value.text);
        };
        let parts = value.text.split(delimiter).filter(|part| !part.is_empty());
        let parts: Vec<Field> = parts.map(|part| Field::Text(part.to_owned())).collect();
        // Fewer than two parts: the text as it is, delimiters included, as in Pinot.
        if parts.len() < 2 {
            return Field::Text(value.text);
        }
        Field::Array(parts)
    }
}

/// A value of a CSV row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CsvValue {
    pub(crate) text: String,
    quoted: bool,
}

/// Reads rows one after the other.
#[derive(Debug)]
pub(crate) struct CsvCursor<'a> {
    format: &'a CsvFormat,
    text: &'a str,
    pos: usize,
}

impl<'a> CsvCursor<'a> {
    pub(crate) fn new(format: &'a CsvFormat, text: &'a str) -> Self {
        Self {
            format,
            text,
            pos: 0,
        }
    }

    /// Bytes read.
    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.pos..)?.chars().next()
    }

    fn step(&mut self, c: char) {
        self.pos += c.len_utf8();
    }

    fn eat_line_end(&mut self) -> bool {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let length = if rest.starts_with("\r\n") {
            2
        } else {
            usize::from(rest.starts_with(['\n', '\r']))
        };
        self.pos += length;
        length > 0
    }

    /// Steps to the next line.
    pub(crate) fn skip_line(&mut self) {
        while let Some(c) = self.peek() {
            if self.eat_line_end() {
                return;
            }
            self.step(c);
        }
    }

    /// The next row, `None` at the end of the text.
    pub(crate) fn row(&mut self) -> Result<Option<Vec<CsvValue>>, DecodeError> {
        loop {
            let Some(first) = self.peek() else {
                return Ok(None);
            };
            if Some(first) == self.format.comment {
                self.skip_line();
            } else if !(self.format.ignores_empty_lines && self.eat_line_end()) {
                break;
            }
        }
        let mut row = Vec::new();
        loop {
            row.push(self.value()?);
            match self.peek() {
                Some(c) if c == self.format.delimiter => self.step(c),
                _ => {
                    self.eat_line_end();
                    return Ok(Some(row));
                }
            }
        }
    }

    fn value(&mut self) -> Result<CsvValue, DecodeError> {
        let start = self.pos;
        if self.format.trims {
            self.skip_spaces();
        }
        if self.peek().is_some() && self.peek() == self.format.quote {
            return self.quoted();
        }
        self.pos = start;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c == self.format.delimiter || matches!(c, '\n' | '\r') {
                break;
            }
            self.step(c);
            if Some(c) == self.format.escape {
                self.escaped(&mut text);
            } else {
                text.push(c);
            }
        }
        if self.format.trims {
            text = text.trim().to_owned();
        }
        Ok(CsvValue {
            text,
            quoted: false,
        })
    }

    fn skip_spaces(&mut self) {
        while let Some(c) = self.peek().filter(|c| c.is_whitespace()) {
            if c == self.format.delimiter || matches!(c, '\n' | '\r') {
                return;
            }
            self.step(c);
        }
    }

    fn escaped(&mut self, text: &mut String) {
        let Some(c) = self.peek() else {
            return;
        };
        self.step(c);
        let format = self.format;
        let special = [
            Some(format.delimiter),
            format.escape,
            format.quote,
            format.comment,
        ];
        let meant = match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{C}',
            '\n' | '\r' => c,
            c if special.contains(&Some(c)) => c,
            // What needs no escape keeps it.
            c => {
                text.extend(format.escape);
                c
            }
        };
        text.push(meant);
    }

    fn quoted(&mut self) -> Result<CsvValue, DecodeError> {
        let opening = self.pos;
        let quote = self.format.quote.unwrap_or('"');
        self.step(quote);
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(DecodeError::new("a quote that is never closed", opening));
            };
            self.step(c);
            if Some(c) == self.format.escape {
                self.escaped(&mut text);
            } else if c != quote {
                text.push(c);
            } else if self.peek() == Some(quote) {
                self.step(quote);
                text.push(quote);
            } else {
                break;
            }
        }
        self.skip_spaces();
        match self.peek() {
            Some(c) if c != self.format.delimiter && !matches!(c, '\n' | '\r') => Err(
                DecodeError::new(format!("unexpected `{c}` after a closing quote"), self.pos),
            ),
            _ => Ok(CsvValue { text, quoted: true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(properties: &[(&str, &str)], text: &str) -> Result<Vec<Vec<String>>, String> {
        let properties: Properties = properties
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let format = CsvFormat::new(&properties, false).map_err(|e| e.to_string())?;
        let mut cursor = CsvCursor::new(&format, text);
        let mut out = Vec::new();
        while let Some(row) = cursor.row().map_err(|e| e.to_string())? {
            out.push(row.into_iter().map(|v| v.text).collect());
        }
        Ok(out)
    }

    #[test]
    fn quotes_hold_anything() {
        let read = rows(&[], "1,\"a \"\"b\"\"\",\"x\ny\"\r\n\n2,,  z \n");
        let expected = vec![vec!["1", "a \"b\"", "x\ny"], vec!["2", "", "  z "]];
        assert_eq!(
            read,
            Ok(expected
                .into_iter()
                .map(|r| r.into_iter().map(str::to_owned).collect())
                .collect())
        );
        assert!(rows(&[], "1,\"open").is_err());
        assert!(rows(&[], "1,\"a\"b").is_err());
        let trimmed = rows(
            &[
                ("ignoreSurroundingSpaces", "true"),
                ("delimiter", ";"),
                ("quoteCharacter", "'"),
            ],
            " a ; 'b;c' ",
        );
        assert_eq!(trimmed, Ok(vec![vec!["a".to_owned(), "b;c".to_owned()]]));
    }
}
