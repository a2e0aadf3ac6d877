//! ISO-8601: instants, durations, and the text of time columns that have no pattern.
//!
//! Must not know: columns, zones other than offsets in the text.
//! Invariant: what is printed reads back.

use super::civil::{DAY, HOUR, MINUTE, SECOND, date, millis_of_day};
use super::field::Field;
use super::parse::{Fields, fraction, malformed};
use super::write_padded;
use super::zone::Zone;
use crate::FunctionError;

/// Appends an instant as `2025-12-01T00:00:00.123Z`; no fraction where it is zero.
pub fn print_instant(out: &mut String, millis: i64) {
    let date = date(millis);
    if date.year > 9_999 {
        out.push('+');
    }
    write_padded(out, date.year, 4);
    out.push('-');
    write_padded(out, date.month, 2);
    out.push('-');
    write_padded(out, date.day, 2);
    out.push('T');
    let time = millis_of_day(millis);
    write_padded(out, time / HOUR, 2);
    out.push(':');
    write_padded(out, time / MINUTE % 60, 2);
    out.push(':');
    write_padded(out, time / SECOND % 60, 2);
    if time % SECOND != 0 {
        out.push('.');
        write_padded(out, time % SECOND, 3);
    }
    out.push('Z');
}

/// Reads what [`print_instant`] writes; an offset may stand for `Z`.
///
/// # Errors
/// Where the text is no instant.
pub fn parse_instant(text: &str) -> Result<i64, FunctionError> {
    instant(text).map_err(|at| {
        FunctionError::Evaluation(format!("Text '{text}' could not be parsed at index {at}"))
    })
}

/// A place in a text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn number(&mut self, width: usize) -> Result<i64, usize> {
        let digits = self.text.get(self.at..self.at + width).ok_or(self.at)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.at);
        }
        self.at += width;
        digits.parse().map_err(|_| self.at)
    }

    fn skip(&mut self, wanted: &[char]) -> bool {
        let found = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(wanted));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &[char]) -> Result<(), usize> {
        if self.skip(wanted) {
            Ok(())
        } else {
            Err(self.at)
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// A year: four digits, or more with a sign.
    fn year(&mut self) -> Result<i64, usize> {
        let negative = self.rest().starts_with('-');
        let signed = self.skip(&['+', '-']);
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if count < 4 || count > if signed { 9 } else { 4 } {
            return Err(self.at);
        }
        let year = self.number(count)?;
        Ok(if negative { -year } else { year })
    }

    /// `HH:mm[:ss[.fraction]]` into the fields; `least` parts must be there.
    fn time(&mut self, fields: &mut Fields, least: usize) -> Result<(), usize> {
        for (index, field) in [Field::Hour, Field::Minute, Field::Second]
            .into_iter()
            .enumerate()
        {
            if index > 0 {
                if index < least {
                    self.expect(&[':'])?;
                } else if !self.skip(&[':']) {
                    return Ok(());
                }
            }
            let value = self.number(2)?;
            fields.push(field, value);
        }
        if self.skip(&['.', ',']) {
            let (millis, length) = fraction(self.rest(), usize::MAX);
            if length == 0 {
                return Err(self.at);
            }
            fields.push(Field::Milli, millis);
            self.at += length;
        }
        Ok(())
    }
}

fn instant(text: &str) -> Result<i64, usize> {
    let mut fields = Fields::default();
    let mut cursor = Cursor { text, at: 0 };
    fields.push(Field::Year, cursor.year()?);
    for field in [Field::Month, Field::DayOfMonth] {
        cursor.expect(&['-'])?;
        let value = cursor.number(2)?;
        fields.push(field, value);
    }
    cursor.expect(&['T', 't'])?;
    cursor.time(&mut fields, 2)?;
    cursor.at = fields.read_offset(text, cursor.at)?;
    if cursor.at < text.len() {
        return Err(cursor.at);
    }
    fields.instant(text, &Zone::utc()).map_err(|_| 0)
}

/// Reads `date[T[time][offset]]`, where the date is `yyyy[-MM[-dd]]`, `yyyy-DDD` or `yyyy-Www[-e]`.
///
/// # Errors
/// Where the text is none.
pub fn parse_optional_time(text: &str, zone: &Zone) -> Result<i64, FunctionError> {
    let mut fields = Fields::default();
    let mut cursor = Cursor { text, at: 0 };
    read_optional_time(&mut cursor, &mut fields).map_err(|at| malformed(text, at))?;
    if cursor.at < text.len() {
        return Err(malformed(text, cursor.at));
    }
    fields.instant(text, zone)
}

fn read_optional_time(cursor: &mut Cursor<'_>, fields: &mut Fields) -> Result<(), usize> {
    let year = cursor.year()?;
    let dashed = cursor.skip(&['-']);
    if dashed && cursor.skip(&['W']) {
        fields.push(Field::WeekYear, year);
        let week = cursor.number(2)?;
        fields.push(Field::Week, week);
        if cursor.skip(&['-']) {
            let day = cursor.number(1)?;
            fields.push(Field::DayOfWeek, day);
        }
    } else {
        fields.push(Field::Year, year);
        if dashed {
            let digits = cursor.rest().bytes().take_while(u8::is_ascii_digit).count();
            let field = if digits == 3 {
                Field::DayOfYear
            } else {
                Field::Month
            };
            let value = cursor.number(if digits == 3 { 3 } else { 2 })?;
            fields.push(field, value);
            if field == Field::Month && cursor.skip(&['-']) {
                let day = cursor.number(2)?;
                fields.push(Field::DayOfMonth, day);
            }
        }
    }
    if cursor.skip(&['T']) {
        if cursor.rest().starts_with(|c: char| c.is_ascii_digit()) {
            cursor.time(fields, 1)?;
        }
        if !cursor.rest().is_empty() {
            cursor.at = fields.read_offset(cursor.text, cursor.at)?;
        }
    }
    Ok(())
}

/// Milliseconds of a duration such as `P2DT3H4M`, `PT20.345S` or `-PT6H+3M`.
///
/// # Errors
/// Where the text is none.
pub fn parse_duration(text: &str) -> Result<i64, FunctionError> {
    let wrong = || FunctionError::Evaluation("Text cannot be parsed to a Duration".to_owned());
    let upper = text.to_ascii_uppercase();
    let (negative, rest) = match upper.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let mut rest = rest.strip_prefix('P').ok_or_else(wrong)?;
    let mut units: &[(char, i64)] = &[('D', DAY)];
    let mut total = 0_i64;
    let mut parts = 0;
    let mut timed = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if timed || time.is_empty() {
                return Err(wrong());
            }
            timed = true;
            rest = time;
            units = &[('H', HOUR), ('M', MINUTE), ('S', SECOND)];
        }
        let end = rest
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(wrong)?;
        let letter = rest.as_bytes()[end] as char;
        let place = units
            .iter()
            .position(|(name, _)| *name == letter)
            .ok_or_else(wrong)?;
        let millis = amount(&rest[..end], letter == 'S', units[place].1).ok_or_else(wrong)?;
        total = total.checked_add(millis).ok_or_else(wrong)?;
        units = &units[place + 1..];
        rest = &rest[end + 1..];
        parts += 1;
    }
    if parts == 0 {
        return Err(wrong());
    }
    Ok(if negative {
        total.wrapping_neg()
    } else {
        total
    })
}

/// A signed whole number of units; seconds may have a fraction.
fn amount(text: &str, fractional: bool, unit: i64) -> Option<i64> {
    let (whole, rest) = match text.find(['.', ',']) {
        Some(at) if fractional => (&text[..at], text.get(at + 1..)?),
        _ => (text, ""),
    };
    let digits = whole.trim_start_matches(['-', '+']);
    if digits.is_empty() || whole.len() - digits.len() > 1 || rest.len() > 9 {
        return None;
    }
    let count: i64 = whole.parse().ok()?;
    let (millis, length) = fraction(rest, 9);
    if length != rest.len() {
        return None;
    }
    let millis = if whole.starts_with('-') {
        -millis
    } else {
        millis
    };
    count.checked_mul(unit)?.checked_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() -> Result<(), FunctionError> {
        for (millis, text) in [
            (292_162_581_840, "1979-04-05T12:16:21.840Z"),
            (i64::MIN, "-292275055-05-16T16:47:04.192Z"),
            (0, "1970-01-01T00:00:00Z"),
        ] {
            let mut out = String::new();
            print_instant(&mut out, millis);
            assert_eq!(out, text);
        }
        assert_eq!(
            parse_instant("2025-12-01T01:02:03-03:00")?,
            1_764_561_723_000
        );
        assert_eq!(parse_instant("2026-08-14T01:02:03.5Z")?, 1_786_669_323_500);
        let message = |text| {
            parse_instant(text)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default()
        };
        assert_eq!(
            message("2025-12-01"),
            "Text '2025-12-01' could not be parsed at index 10"
        );
        assert_eq!(message("x"), "Text 'x' could not be parsed at index 0");
        Ok(())
    }

    #[test]
    fn optional_times() -> Result<(), FunctionError> {
        let utc = Zone::utc();
        for (text, millis) in [
            ("2025-12-01", 1_764_547_200_000),
            ("2025-335", 1_764_547_200_000),
            ("2025-W49-1", 1_764_547_200_000),
            ("2025-12-01T10:00:00.5-03:00", 1_764_594_000_500),
            ("2025-12-01T10", 1_764_583_200_000),
            ("1970", 0),
        ] {
            assert_eq!(parse_optional_time(text, &utc)?, millis, "{text}");
        }
        assert!(parse_optional_time("2025-12-01 10:00", &utc).is_err());
        assert!(parse_optional_time("", &utc).is_err());
        Ok(())
    }

    #[test]
    fn durations() -> Result<(), FunctionError> {
        for (text, millis) in [
            ("PT1H", HOUR),
            ("P1D", DAY),
            ("P2DT3H4M", 2 * DAY + 3 * HOUR + 4 * MINUTE),
            ("PT20.345S", 20_345),
            ("PT-6H+3M", -6 * HOUR + 3 * MINUTE),
            ("-PT6H", -6 * HOUR),
            ("PT0S", 0),
        ] {
            assert_eq!(parse_duration(text)?, millis, "{text}");
        }
        for text in [
            "x",
            "P",
            "PT",
            "1D",
            "PT1D",
            "P1DT",
            "PT99999999999999999999S",
            "PTéS",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        Ok(())
    }
}
