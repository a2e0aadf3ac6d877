//! The JSON reader.
//!
//! Must not know: what a path means beyond fields and places. Invariant: strict JSON grammar (RFC 8259) for the value itself,
//! also for what is skipped; nesting is bounded.

use std::borrow::Cow;

use super::path::Step;
use super::{Json, JsonError};

const MAX_DEPTH: usize = 500;
const WIDE_OBJECT: usize = 64;

pub(super) fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    first_value(text, |reader| reader.value(0))
}

/// The value to which steps of one field or one place from the start lead; nothing else of the document is built.
pub(super) fn find<'a>(text: &'a str, steps: &[Step]) -> Result<Option<Json<'a>>, JsonError> {
    first_value(text, |reader| reader.found(steps, 0))
}

fn first_value<'a, V>(
    text: &'a str,
    read: impl FnOnce(&mut Reader<'a>) -> Result<V, JsonError>,
) -> Result<V, JsonError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_blank();
    let closed = matches!(reader.peek(), Some(b'{' | b'[' | b'"'));
    let value = read(&mut reader)?;
    if !closed {
        reader.end_of_token()?;
    }
    Ok(value)
}

/// What a reader makes of what it reads.
trait Make<'a>: Sized {
    type Items: Default;
    type Fields: Default;

    fn scalar(value: Json<'a>) -> Self;
    fn add_item(items: &mut Self::Items, item: Self);
    fn array(items: Self::Items) -> Self;
    fn add_field(fields: &mut Self::Fields, name: Cow<'a, str>, value: Self);
    fn object(fields: Self::Fields) -> Self;
}

impl<'a> Make<'a> for Json<'a> {
    type Items = Vec<Self>;
    type Fields = Vec<(Cow<'a, str>, Self)>;

    fn scalar(value: Json<'a>) -> Self {
        value
    }

    fn add_item(items: &mut Vec<Self>, item: Self) {
        items.push(item);
    }

    fn array(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn add_field(fields: &mut Self::Fields, name: Cow<'a, str>, value: Self) {
        // A wide object keeps its duplicates, else reading it would be quadratic; look-ups find the last anyway.
        let known = fields
            .iter_mut()
            .take(WIDE_OBJECT)
            .find(|(known, _)| *known == name);
        match known {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }

    fn object(fields: Self::Fields) -> Self {
        Self::Object(fields)
    }
}

/// A value that was read and is not wanted.
struct Skipped;

impl<'a> Make<'a> for Skipped {
    type Items = ();
    type Fields = ();

    fn scalar(_: Json<'a>) -> Self {
        Self
    }

    fn add_item((): &mut (), _: Self) {}

    fn array((): ()) -> Self {
        Self
    }

    fn add_field((): &mut (), _: Cow<'a, str>, _: Self) {}

    fn object((): ()) -> Self {
        Self
    }
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

    fn nested(&self, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return self.fail("fewer nested values");
        }
        Ok(())
    }

    fn value<V: Make<'a>>(&mut self, depth: usize) -> Result<V, JsonError> {
        self.nested(depth)?;
        self.skip_blank();
        let scalar = match self.peek() {
            Some(b'{') => {
                let mut fields = V::Fields::default();
                self.fields(|reader, name| {
                    V::add_field(&mut fields, name, reader.value(depth + 1)?);
                    Ok(())
                })?;
                return Ok(V::object(fields));
            }
            Some(b'[') => {
                let mut items = V::Items::default();
                self.items(|reader, _| {
                    V::add_item(&mut items, reader.value(depth + 1)?);
                    Ok(())
                })?;
                return Ok(V::array(items));
            }
            Some(b'"') => Json::Text(self.string()?),
            Some(b't') => self.word("true", Json::Bool(true))?,
            Some(b'f') => self.word("false", Json::Bool(false))?,
            Some(b'n') => self.word("null", Json::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.fail("a value"),
        };
        Ok(V::scalar(scalar))
    }

    /// The value at the end of the steps; of equal names the last counts.
    fn found(&mut self, steps: &[Step], depth: usize) -> Result<Option<Json<'a>>, JsonError> {
        let Some((step, rest)) = steps.split_first() else {
            return self.value(depth).map(Some);
        };
        self.nested(depth)?;
        self.skip_blank();
        let mut found = None;
        match (self.peek(), step) {
            (Some(b'{'), Step::Fields(names)) => self.fields(|reader, name| {
                match names.iter().any(|wanted| *wanted == name) {
                    true => found = reader.found(rest, depth + 1)?,
                    false => _ = reader.value::<Skipped>(depth + 1)?,
                }
                Ok(())
            })?,
            (Some(b'['), Step::Indexes(wanted)) => self.items(|reader, at| {
                match wanted.contains(&(at as i64)) {
                    true => found = reader.found(rest, depth + 1)?,
                    false => _ = reader.value::<Skipped>(depth + 1)?,
                }
                Ok(())
            })?,
            _ => _ = self.value::<Skipped>(depth)?,
        }
        Ok(found)
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

    /// Calls `each` before every item of an array, which it must read.
    fn items(
        &mut self,
        mut each: impl FnMut(&mut Self, usize) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for at in 0.. {
            each(self, at)?;
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fail("`,` or `]`"),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Calls `each` behind the name of every field of an object; it must read the value.
    fn fields(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_blank();
            if self.peek() != Some(b'"') {
                return self.fail("a field name");
            }
            let name = self.string()?;
            self.skip_blank();
            if self.peek() != Some(b':') {
                return self.fail("`:`");
            }
            self.at += 1;
            each(self, name)?;
            self.skip_blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
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
