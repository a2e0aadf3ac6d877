//! A cursor over JSON text: tokens, numbers and strings, with the strictness of Jackson's defaults.
//!
//! Must not know: columns, records. Invariant: it never reads past the text and recursion is bounded by [`MAX_DEPTH`].

use std::borrow::Cow;

use num_bigint::BigInt;

use crate::error::DecodeError;
use crate::record::Field;

/// Deepest nesting.
pub(crate) const MAX_DEPTH: usize = 500;
/// Longest number in characters.
const MAX_NUMBER: usize = 1000;

type Fallible<T> = Result<T, DecodeError>;

/// A JSON number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number<'a> {
    /// Without fraction and exponent, within 64 bits.
    Integer(i64),
    /// Without fraction and exponent, beyond 64 bits.
    Big(&'a str),
    /// With fraction or exponent.
    Double(f64),
}

/// The cursor.
#[derive(Debug)]
pub(crate) struct JsonCursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    /// True where `true` and `false` become text, as Pinot's extractor makes them.
    booleans_as_text: bool,
}

impl<'a> JsonCursor<'a> {
    /// Starts at the first byte of a payload. Of a payload that is no UTF-8 only the valid beginning is read.
    pub(crate) fn new(payload: &'a [u8], booleans_as_text: bool) -> Self {
        let text = match std::str::from_utf8(payload) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&payload[..error.valid_up_to()]).unwrap_or(""),
        };
        Self::of_text(text, booleans_as_text)
    }

    /// Starts at the first character of a text.
    pub(crate) fn of_text(text: &'a str, booleans_as_text: bool) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            pos: if text.starts_with('\u{FEFF}') { 3 } else { 0 },
            booleans_as_text,
        }
    }

    /// Bytes from the start to the cursor.
    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    /// An error at the cursor.
    #[cold]
    pub(crate) fn error(&self, expected: &str) -> DecodeError {
        match self
            .text
            .get(self.pos..)
            .and_then(|rest| rest.chars().next())
        {
            None => DecodeError::new(
                format!("unexpected end of JSON or invalid UTF-8, expected {expected}"),
                self.pos,
            ),
            Some(c) => DecodeError::new(format!("unexpected `{c}`, expected {expected}"), self.pos),
        }
    }

    /// The byte at the cursor, 0 at the end.
    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    /// True at the end of the text.
    pub(crate) fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    #[inline]
    pub(crate) fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.pos += 1;
        }
    }

    /// Steps over the byte if it stands at the cursor.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.pos += usize::from(found);
        found
    }

    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, what: &str) -> Fallible<()> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.error(what))
        }
    }

    /// Steps over `name"` if that is what follows; the cursor stands after the opening quote.
    #[inline]
    pub(crate) fn eat_key(&mut self, name: &[u8]) -> bool {
        let end = self.pos + name.len();
        let found =
            self.bytes.get(self.pos..end) == Some(name) && self.bytes.get(end) == Some(&b'"');
        if found {
            self.pos = end + 1;
        }
        found
    }

    /// A string; the cursor stands after the opening quote. Borrowed where nothing is escaped.
    #[inline]
    pub(crate) fn string(&mut self) -> Fallible<Cow<'a, str>> {
        let start = self.pos;
        let rest = self.bytes.get(start..).unwrap_or_default();
        match rest
            .iter()
            .position(|b| matches!(*b, b'"' | b'\\' | 0..0x20))
        {
            Some(length) if rest[length] == b'"' => {
                self.pos = start + length + 1;
                Ok(Cow::Borrowed(&self.text[start..start + length]))
            }
            Some(length) => {
                self.pos = start + length;
                let mut out = self.text[start..self.pos].to_owned();
                self.escaped_rest(&mut out)?;
                Ok(Cow::Owned(out))
            }
            None => {
                self.pos = self.bytes.len();
                Err(self.error("a closing quote"))
            }
        }
    }

    fn escaped_rest(&mut self, out: &mut String) -> Fallible<()> {
        loop {
            let start = self.pos;
            while !matches!(self.peek(), b'"' | b'\\' | 0..0x20) {
                self.pos += 1;
            }
            out.push_str(&self.text[start..self.pos]);
            match self.peek() {
                b'"' => {
                    self.pos += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.pos += 1;
                    self.escape(out)?;
                }
                _ => {
                    return Err(self.error("no control character in a string, and a closing quote"));
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Fallible<()> {
        let plain = match self.peek() {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.pos += 1;
                return self.unicode_escape(out);
            }
            _ => return Err(self.error("an escape character")),
        };
        self.pos += 1;
        out.push(plain);
        Ok(())
    }

    /// A surrogate without its partner becomes `?`, which is what Java writes for it in UTF-8.
    fn unicode_escape(&mut self, out: &mut String) -> Fallible<()> {
        let unit = self.hex_unit()?;
        if (0xD800..0xDC00).contains(&unit)
            && self.bytes.get(self.pos..self.pos + 2) == Some(b"\\u")
        {
            let before = self.pos;
            self.pos += 2;
            let low = self.hex_unit()?;
            if (0xDC00..0xE000).contains(&low) {
                let point = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                out.push(char::from_u32(point).unwrap_or('?'));
                return Ok(());
            }
            self.pos = before;
        }
        out.push(char::from_u32(unit).unwrap_or('?'));
        Ok(())
    }

    fn hex_unit(&mut self) -> Fallible<u32> {
        let digits = self
            .text
            .get(self.pos..self.pos + 4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(|| self.error("four hexadecimal digits"))?;
        self.pos += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("four hexadecimal digits"))
    }

    /// A number; the cursor stands at its first character.
    #[inline]
    pub(crate) fn number(&mut self) -> Fallible<Number<'a>> {
        let start = self.pos;
        let negative = self.eat(b'-');
        let first = self.pos;
        let mut mantissa = self.digits(0);
        let whole = self.pos - first;
        if whole == 0 || (whole > 1 && self.bytes[first] == b'0') {
            self.pos = first;
            return Err(self.error("a number without leading zeros"));
        }
        if !matches!(self.peek(), b'.' | b'e' | b'E') {
            return self.integer(start, negative, mantissa, whole);
        }
        let mut digits = whole;
        let mut exponent = 0_i32;
        if self.eat(b'.') {
            let before = self.pos;
            mantissa = self.digits(mantissa);
            let fraction = self.pos - before;
            if fraction == 0 {
                return Err(self.error("a digit after the decimal point"));
            }
            digits += fraction;
            exponent = -i32::try_from(fraction).unwrap_or(i32::MAX);
        }
        if matches!(self.peek(), b'e' | b'E') {
            exponent = exponent.saturating_add(self.exponent()?);
        }
        if digits <= 19 && mantissa < (1 << 53) && (-22..=22).contains(&exponent) {
            let power = POWERS[exponent.unsigned_abs() as usize];
            let value = if exponent < 0 {
                mantissa as f64 / power
            } else {
                mantissa as f64 * power
            };
            return Ok(Number::Double(if negative { -value } else { value }));
        }
        self.long_double(start)
    }

    #[inline]
    fn integer(
        &mut self,
        start: usize,
        negative: bool,
        mantissa: u64,
        digits: usize,
    ) -> Fallible<Number<'a>> {
        if digits <= 18 {
            let value = mantissa as i64;
            return Ok(Number::Integer(if negative { -value } else { value }));
        }
        let text = &self.text[start..self.pos];
        if text.len() > MAX_NUMBER {
            return Err(self.error("a number of at most 1000 characters"));
        }
        Ok(text.parse().map_or(Number::Big(text), Number::Integer))
    }

    #[cold]
    fn long_double(&mut self, start: usize) -> Fallible<Number<'a>> {
        let text = &self.text[start..self.pos];
        if text.len() > MAX_NUMBER {
            return Err(self.error("a number of at most 1000 characters"));
        }
        text.parse()
            .map(Number::Double)
            .map_err(|_| self.error("a number"))
    }

    /// Steps over digits; the value wraps beyond 19 of them, where callers do not use it.
    #[inline]
    fn digits(&mut self, mut value: u64) -> u64 {
        loop {
            let digit = self.peek().wrapping_sub(b'0');
            if digit > 9 {
                return value;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.pos += 1;
        }
    }

    fn exponent(&mut self) -> Fallible<i32> {
        self.pos += 1;
        let negative = self.peek() == b'-';
        if matches!(self.peek(), b'+' | b'-') {
            self.pos += 1;
        }
        let before = self.pos;
        let mut value = 0_i32;
        while self.peek().is_ascii_digit() {
            value = value
                .saturating_mul(10)
                .saturating_add(i32::from(self.peek() - b'0'));
            self.pos += 1;
        }
        if self.pos == before {
            return Err(self.error("a digit of the exponent"));
        }
        Ok(if negative { -value } else { value })
    }

    /// Steps over `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Fallible<()> {
        if self.bytes.get(self.pos..self.pos + word.len()) == Some(word.as_bytes()) {
            self.pos += word.len();
            Ok(())
        } else {
            Err(self.error("a JSON value"))
        }
    }

    /// Any value.
    pub(crate) fn value(&mut self, depth: usize) -> Fallible<Field> {
        if depth > MAX_DEPTH {
            return Err(self.error("at most 500 levels of nesting"));
        }
        match self.peek() {
            b'"' => {
                self.pos += 1;
                Ok(Field::Text(self.string()?.into_owned()))
            }
            b'{' => {
                self.pos += 1;
                Ok(Field::Map(self.object(depth)?))
            }
            b'[' => {
                self.pos += 1;
                self.array(depth)
            }
            b'-' | b'0'..=b'9' => Ok(match self.number()? {
                Number::Integer(value) => Field::integer(value),
                Number::Double(value) => Field::Double(value),
                Number::Big(text) => text
                    .parse::<BigInt>()
                    .map_or(Field::Text(text.to_owned()), Field::BigInt),
            }),
            b't' => self.word("true").map(|()| self.boolean(true)),
            b'f' => self.word("false").map(|()| self.boolean(false)),
            _ => self.word("null").map(|()| Field::Null),
        }
    }

    fn boolean(&self, value: bool) -> Field {
        if self.booleans_as_text {
            Field::Text(value.to_string())
        } else {
            Field::Bool(value)
        }
    }

    /// The entries of an object; the cursor stands after the opening brace. Of equal names the last value counts.
    pub(crate) fn object(&mut self, depth: usize) -> Fallible<Vec<(String, Field)>> {
        let mut entries: Vec<(String, Field)> = Vec::new();
        let mut seen = SeenNames::default();
        self.skip_blanks();
        if self.eat(b'}') {
            return Ok(entries);
        }
        loop {
            self.skip_blanks();
            self.expect(b'"', "a quoted field name")?;
            let name = self.string()?;
            self.skip_blanks();
            self.expect(b':', "`:` after a field name")?;
            self.skip_blanks();
            let value = self.value(depth + 1)?;
            match seen.position(&entries, &name) {
                Some(at) => entries[at].1 = value,
                None => {
                    seen.add(&name, entries.len());
                    entries.push((name.into_owned(), value));
                }
            }
            self.skip_blanks();
            if self.eat(b',') {
                continue;
            }
            self.expect(b'}', "`,` or `}`")?;
            return Ok(entries);
        }
    }

    fn array(&mut self, depth: usize) -> Fallible<Field> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.eat(b']') {
            return Ok(Field::Array(items));
        }
        loop {
            self.skip_blanks();
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.eat(b',') {
                continue;
            }
            self.expect(b']', "`,` or `]`")?;
            return Ok(Field::Array(items));
        }
    }

    /// Steps over any value, checking it.
    pub(crate) fn skip_value(&mut self, depth: usize) -> Fallible<()> {
        match self.peek() {
            b'"' => {
                self.pos += 1;
                self.string().map(drop)
            }
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => self.value(depth).map(drop),
        }
    }
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Finds an earlier entry of the same name: by comparison in small objects, by hash in large ones.
#[derive(Default)]
struct SeenNames {
    hashed: hashbrown::HashMap<String, usize, ahash::RandomState>,
}

impl SeenNames {
    const LINEAR: usize = 24;

    fn position(&mut self, entries: &[(String, Field)], name: &str) -> Option<usize> {
        if entries.len() <= Self::LINEAR {
            return entries.iter().position(|(n, _)| n == name);
        }
        if self.hashed.is_empty() {
            let names = entries.iter().enumerate();
            self.hashed
                .extend(names.map(|(at, (n, _))| (n.clone(), at)));
        }
        self.hashed.get(name).copied()
    }

    fn add(&mut self, name: &str, at: usize) {
        if !self.hashed.is_empty() {
            self.hashed.insert(name.to_owned(), at);
        }
    }
}

#[cfg(test)]
mod tests;
