//! The two texts of COPY: lines with tabs and backslashes, and CSV.
//!
//! Must not know: columns. Invariant: what is quoted is never null.

use std::iter::Peekable;
use std::str::Bytes;

use super::syntax;
use super::value::Cell;
use crate::postgres::failed::Failed;

/// How a text is written.
#[derive(Debug, Clone)]
pub(super) struct Form {
    is_csv: bool,
    pub(super) delimiter: char,
    pub(super) null: String,
    pub(super) quote: char,
    pub(super) escape: char,
}

impl Form {
    pub(super) fn of(is_csv: bool) -> Self {
        Self {
            is_csv,
            delimiter: if is_csv { ',' } else { '\t' },
            null: if is_csv { "" } else { "\\N" }.to_owned(),
            quote: '"',
            escape: '"',
        }
    }
}

/// The values, line by line, up to the line `\.` where there is one.
pub(super) fn rows(text: &str, form: &Form) -> Result<Vec<Vec<Cell>>, Failed> {
    if form.is_csv {
        return csv(text, form);
    }
    let lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut lines = lines.take_while(|line| *line != "\\.").peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        rows.push(fields(line, form));
    }
    Ok(rows)
}

/// The values of a line; a delimiter behind a backslash is none.
fn fields(line: &str, form: &Form) -> Vec<Cell> {
    let (mut cells, mut begin, mut is_escaped) = (Vec::new(), 0, false);
    for (at, sign) in line.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if sign == '\\' {
            is_escaped = true;
        } else if sign == form.delimiter {
            cells.push(field(line.get(begin..at).unwrap_or_default(), form));
            begin = at + sign.len_utf8();
        }
    }
    cells.push(field(line.get(begin..).unwrap_or_default(), form));
    cells
}

fn field(raw: &str, form: &Form) -> Cell {
    if raw == form.null {
        return Cell::Null;
    }
    if !raw.contains('\\') {
        return Cell::Text(raw.to_owned());
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'v') => out.push(11),
            Some(b'x') => out.push(digits(&mut bytes, (16, 2), None).unwrap_or(b'x')),
            Some(digit @ b'0'..=b'7') => {
                let first = Some(u32::from(digit - b'0'));
                out.push(digits(&mut bytes, (8, 3), first).unwrap_or(digit));
            }
            Some(other) => out.push(other),
            None => out.push(b'\\'),
        }
    }
    Cell::Text(String::from_utf8_lossy(&out).into_owned())
}

/// The byte of at most so many digits.
fn digits(
    bytes: &mut Peekable<Bytes<'_>>,
    (radix, most): (u32, usize),
    first: Option<u32>,
) -> Option<u8> {
    let (mut code, mut count) = (first.unwrap_or_default(), usize::from(first.is_some()));
    while count < most
        && let Some(digit) = bytes.peek().and_then(|b| char::from(*b).to_digit(radix))
    {
        code = code * radix + digit;
        count += 1;
        bytes.next();
    }
    (count > 0).then(|| code.to_le_bytes()[0])
}

/// Lines of CSV; a quoted value may hold delimiters and ends of lines.
fn csv(text: &str, form: &Form) -> Result<Vec<Vec<Cell>>, Failed> {
    let (mut rows, mut row) = (Vec::new(), Vec::new());
    let (mut word, mut was_quoted, mut is_quoted) = (String::new(), false, false);
    let mut signs = text.chars().peekable();
    loop {
        let sign = signs.next();
        match sign {
            Some(sign) if is_quoted => {
                let next = signs.peek().copied();
                if sign == form.escape && (next == Some(form.quote) || next == Some(form.escape)) {
                    word.extend(signs.next());
                } else if sign == form.quote {
                    is_quoted = false;
                } else {
                    word.push(sign);
                }
            }
            Some(sign) if sign == form.quote => (is_quoted, was_quoted) = (true, true),
            Some('\r') if signs.peek() == Some(&'\n') => {}
            Some(sign) if sign != form.delimiter && sign != '\n' => word.push(sign),
            None if is_quoted => return Err(syntax("a quoted value of the CSV does not end")),
            end => {
                let is_last = end.is_none_or(|sign| sign == '\n');
                let is_over = word == "\\." || (word.is_empty() && end.is_none());
                if is_last && row.is_empty() && !was_quoted && is_over {
                    return Ok(rows);
                }
                let plain = std::mem::take(&mut word);
                row.push(if !was_quoted && plain == form.null {
                    Cell::Null
                } else {
                    Cell::Text(plain)
                });
                was_quoted = false;
                if is_last {
                    rows.push(std::mem::take(&mut row));
                }
                if end.is_none() {
                    return Ok(rows);
                }
            }
        }
    }
}
