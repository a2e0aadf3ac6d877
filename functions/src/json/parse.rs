//! The JSON reader.
//!
//! Must not know: paths. Invariant: strict JSON grammar (RFC 8259) for the value itself; nesting is bounded.

use std::borrow::Cow;

use super::{Json, JsonError};

const MAX_DEPTH: usize = 500;
const WIDE_OBJECT: usize = 64;

pub(super) fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    if matches!(value, Json::Number(_) | Json::Bool(_) | Json::Null) {
        reader.end_of_token()?;
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, JsonError> {
        Err(JsonError {
            at: self.at,
            expected,
        })
    }

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Java's reader wants a separator after a bare word or number.
    fn end_of_token(&self) -> Result<(), JsonError> {
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}') => Ok(()),
            Some(_) => self.fail("a separator"),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        if depth > MAX_DEPTH {
            return self.fail("fewer nested values");
        }
        self.skip_blank();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.fail("a value"),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.fail("true, false or null");
        }
        self.at += word.len();
        Ok(value)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        match self.digits() {
            0 => return self.fail("a digit"),
            1 => {}
            _ if leading_zero => return self.fail("no leading zero"),
            _ => {}
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.fail("a digit after the point");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.fail("a digit of the exponent");
            }
        }
        Ok(Json::Number(Cow::Borrowed(&self.text[start..self.at])))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        match rest.iter().position(|b| matches!(b, b'"' | b'\\' | ..0x20)) {
            Some(length) if rest[length] == b'"' => {
                self.at = start + length + 1;
                Ok(Cow::Borrowed(&self.text[start..start + length]))
            }
            Some(length) if rest[length] == b'\\' => {
                self.at = start + length;
                self.escaped(self.text[start..start + length].to_owned())
            }
            Some(length) => {
                self.at = start + length;
                self.fail("no control character in text")
            }
            None => self.fail("the end of the text"),
        }
    }

    fn escaped(&mut self, mut out: String) -> Result<Cow<'a, str>, JsonError> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(length) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | ..0x20)) else {
                return self.fail("the end of the text");
            };
            out.push_str(&self.text[self.at..self.at + length]);
            self.at += length;
            match rest[length] {
                b'"' => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                _ => return self.fail("no control character in text"),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), JsonError> {
        let Some(kind) = self.peek() else {
            return self.fail("an escape");
        };
        self.at += 1;
        out.push(match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(out),
            _ => return self.fail("a known escape"),
        });
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at..self.at + 4)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return self.fail("four hex digits");
        };
        self.at += 4;
        Ok(unit)
    }

    /// A surrogate without its partner becomes U+FFFD: it has no UTF-8 form.
    fn unicode(&mut self, out: &mut String) -> Result<(), JsonError> {
        let first = self.unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
            return Ok(());
        }
        if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            out.push(char::REPLACEMENT_CHARACTER);
            return Ok(());
        }
        let before = self.at;
        self.at += 2;
        let second = self.unit()?;
        if (0xDC00..0xE000).contains(&second) {
            let point = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            out.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
        } else {
            self.at = before;
            out.push(char::REPLACEMENT_CHARACTER);
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return self.fail("`,` or `]`"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.at += 1;
        let mut fields: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        self.skip_blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(fields));
        }
        loop {
            self.skip_blank();
            if self.peek() != Some(b'"') {
                return self.fail("a field name");
            }
            let key = self.string()?;
            self.skip_blank();
            if self.peek() != Some(b':') {
                return self.fail("`:`");
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            // A wide object keeps its duplicates, else reading it would be quadratic; look-ups find the last anyway.
            let known = fields
                .iter_mut()
                .take(WIDE_OBJECT)
                .find(|(known, _)| *known == key);
            match known {
                Some(field) => field.1 = value,
                None => fields.push((key, value)),
            }
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(fields));
                }
                _ => return self.fail("`,` or `}`"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_strictly() {
        assert!(parse("{\"a\":[1,2.50,-3e4,true,null,\"x\\n\\u00e9\\ud83d\\ude00\"]}").is_ok());
        for bad in [
            "",
            "[1,2",
            "{a",
            "01",
            "1.",
            "nul",
            "truex",
            "\"a",
            "{\"a\" 1}",
            "\"\\x\"",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let json = parse("{\"a\":1,\"b\":2,\"a\":3}");
        assert_eq!(
            json.as_ref().map(|j| j.field("a").cloned()),
            Ok(Some(Json::Number("3".into())))
        );
    }
}
