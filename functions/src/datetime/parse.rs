//! Reading text by a pattern, with Joda-Time's rules.
//!
//! Fields are collected first and applied from the longest to the shortest, twice, so that their order in the pattern
//! does not matter. Must not know: columns.
//! Invariant: any text gives an instant or an error with Joda-Time's message; no text panics.

use super::field::{Field, value_of_text};
use super::pattern::{Element, Pattern};
use super::zone::Zone;
use crate::FunctionError;

/// The year around which two digits are read: 50 years before to 49 after it. A fixed one, so that the same text always
/// means the same instant.
const PIVOT_YEAR: i64 = 1_996;
const DEFAULT_YEAR: i64 = 2_000;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: Vec<(Field, i64)>,
    offset_ms: Option<i64>,
    zone: Option<Zone>,
}

impl Pattern {
    /// The instant that a text means.
    ///
    /// # Errors
    /// Where the text does not follow the pattern, a value is outside its field's range, or the local time does not exist.
    pub fn parse(&self, text: &str) -> Result<i64, FunctionError> {
        let mut fields = Fields::default();
        let mut position = 0;
        for element in &self.elements {
            position =
                read(element, text, position, &mut fields).map_err(|at| malformed(text, at))?;
        }
        if position < text.len() {
            return Err(malformed(text, position));
        }
        fields.instant(text, &self.zone)
    }
}

/// Joda-Time's message for a text that is wrong from a position on.
pub(super) fn malformed(text: &str, position: usize) -> FunctionError {
    let rest = text.get(position..).unwrap_or_default();
    let shown: String = if rest.chars().count() > 35 {
        text.chars()
            .take(text.chars().count() - rest.chars().count() + 32)
            .chain("...".chars())
            .collect()
    } else {
        text.to_owned()
    };
    FunctionError::Evaluation(if position == 0 {
        format!("Invalid format: \"{shown}\"")
    } else if position >= text.len() {
        format!("Invalid format: \"{shown}\" is too short")
    } else {
        format!(
            "Invalid format: \"{shown}\" is malformed at \"{}\"",
            shown.get(position..).unwrap_or_default()
        )
    })
}

type Read = Result<usize, usize>;

fn read(element: &Element, text: &str, position: usize, fields: &mut Fields) -> Read {
    let rest = text.get(position..).ok_or(position)?;
    match element {
        Element::Literal(literal) => match rest.get(..literal.len()) {
            Some(head) if head == literal || head.to_lowercase() == literal.to_lowercase() => {
                Ok(position + literal.len())
            }
            _ => Err(position),
        },
        Element::Number {
            field, max, signed, ..
        } => read_number(rest, *max, *signed, position, |value| {
            fields.values.push((*field, value))
        }),
        Element::TwoDigitYear { field, lenient } => {
            read_short_year(rest, *lenient, position, |value| {
                fields.values.push((*field, value))
            })
        }
        Element::Fraction { digits } => {
            let (millis, length) = fraction(rest, *digits);
            if length == 0 {
                return Err(position);
            }
            fields.values.push((Field::Milli, millis));
            Ok(position + length)
        }
        Element::Text { field, .. } => {
            let (value, length) = value_of_text(*field, rest).ok_or(position)?;
            fields.values.push((*field, value));
            Ok(position + length)
        }
        Element::ZoneName => {
            let (zone, length) = zone_name(rest).ok_or(position)?;
            fields.zone = Some(zone);
            Ok(position + length)
        }
        Element::ZoneOffset { .. } => fields.read_offset(text, position),
        Element::ZoneId => {
            let length = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || "/_+-:".contains(c)))
                .unwrap_or(rest.len());
            let (zone, length) = (1..=length)
                .rev()
                .find_map(|n| rest.get(..n).and_then(Zone::find).map(|zone| (zone, n)))
                .ok_or(position)?;
            fields.zone = Some(zone);
            Ok(position + length)
        }
    }
}

fn digits(text: &str, most: usize) -> usize {
    text.bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count()
}

fn read_number(
    rest: &str,
    max: usize,
    signed: bool,
    position: usize,
    save: impl FnOnce(i64),
) -> Read {
    let sign = usize::from(signed && rest.starts_with(['-', '+']) && digits(&rest[1..], 1) == 1);
    let length = digits(rest.get(sign..).unwrap_or_default(), max);
    if length == 0 {
        return Err(position);
    }
    let magnitude: i64 = rest[sign..sign + length].parse().map_err(|_| position)?;
    if magnitude > i64::from(i32::MAX) {
        return Err(position);
    }
    save(if rest.starts_with('-') {
        -magnitude
    } else {
        magnitude
    });
    Ok(position + sign + length)
}

fn read_short_year(rest: &str, lenient: bool, position: usize, save: impl FnOnce(i64)) -> Read {
    let signed = rest.starts_with(['-', '+']);
    let count = digits(
        rest.get(usize::from(signed)..).unwrap_or_default(),
        usize::MAX,
    );
    if lenient && (signed || count != 2) {
        return read_number(rest, 9, true, position, save);
    }
    if signed || count < 2 {
        return Err(position);
    }
    let year: i64 = rest[..2].parse().map_err(|_| position)?;
    let low = PIVOT_YEAR - 50;
    let turn = low % 100;
    save(year + low + if year < turn { 100 } else { 0 } - turn);
    Ok(position + 2)
}

/// Milliseconds of fraction digits, and how many digits there were.
pub(super) fn fraction(rest: &str, most: usize) -> (i64, usize) {
    let length = digits(rest, most);
    let mut millis = 0;
    for (i, scale) in [100, 10, 1].into_iter().enumerate() {
        if i < length {
            millis += i64::from(rest.as_bytes()[i] - b'0') * scale;
        }
    }
    (millis, length)
}

/// The few abbreviations that mean one zone.
fn zone_name(rest: &str) -> Option<(Zone, usize)> {
    static NAMES: &[(&str, &str)] = &[
        ("UTC", "UTC"),
        ("UT", "UTC"),
        ("GMT", "UTC"),
        ("EST", "America/New_York"),
        ("EDT", "America/New_York"),
        ("CST", "America/Chicago"),
        ("CDT", "America/Chicago"),
        ("MST", "America/Denver"),
        ("MDT", "America/Denver"),
        ("PST", "America/Los_Angeles"),
        ("PDT", "America/Los_Angeles"),
    ];
    let (name, id) = NAMES.iter().find(|(name, _)| rest.starts_with(name))?;
    Some((Zone::find(id)?, name.len()))
}

impl Fields {
    pub(super) fn push(&mut self, field: Field, value: i64) {
        self.values.push((field, value));
    }

    /// Reads `Z` or `[+-]hh[:]mm[[:]ss[.SSS]]`.
    pub(super) fn read_offset(&mut self, text: &str, position: usize) -> Read {
        let rest = text.get(position..).ok_or(position)?;
        if rest.starts_with(['Z', 'z']) {
            self.offset_ms = Some(0);
            return Ok(position + 1);
        }
        let sign = match rest.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(position),
        };
        let mut offset = 0;
        let mut at = position + 1;
        let mut separator = None;
        for (index, (unit, most)) in [(3_600_000, 23), (60_000, 59), (1_000, 59)]
            .into_iter()
            .enumerate()
        {
            if index > 0 {
                let Some(next) = text.as_bytes().get(at) else {
                    break;
                };
                let has = *next == b':';
                if !has && !next.is_ascii_digit() || separator.is_some_and(|s| s != has) {
                    break;
                }
                separator = Some(has);
                at += usize::from(has);
            }
            let pair = text
                .get(at..at + 2)
                .filter(|pair| digits(pair, 2) == 2)
                .ok_or(at)?;
            let value: i64 = pair.parse().map_err(|_| at)?;
            if value > most {
                return Err(at);
            }
            offset += value * unit;
            at += 2;
        }
        self.offset_ms = Some(sign * offset);
        Ok(at)
    }

    /// Applies the fields.
    pub(super) fn instant(mut self, text: &str, zone: &Zone) -> Result<i64, FunctionError> {
        self.values.sort_by_key(|(field, _)| field.rank());
        if self
            .values
            .first()
            .is_some_and(|(field, _)| field.needs_year())
        {
            self.values.insert(0, (Field::Year, DEFAULT_YEAR));
        }
        let told = |error: FunctionError| {
            FunctionError::Evaluation(format!("Cannot parse \"{text}\": {error}"))
        };
        let mut local = 0;
        for (field, value) in &self.values {
            local = field.floor(field.set(local, *value).map_err(told)?);
        }
        for (field, value) in &self.values {
            local = field.set(local, *value).map_err(told)?;
        }
        if let Some((field, _)) = self.values.last() {
            local = field.floor(local);
        }
        if let Some(offset) = self.offset_ms {
            return Ok(local.wrapping_sub(offset));
        }
        let zone = self.zone.as_ref().unwrap_or(zone);
        zone.instant_strict(local).ok_or_else(|| {
            FunctionError::Evaluation(format!(
                "Cannot parse \"{text}\": Illegal instant due to time zone offset transition ({})",
                zone.id()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, pattern: &str, zone: &str) -> Result<i64, String> {
        Zone::parse(zone)
            .and_then(|zone| Pattern::compile(pattern, zone)?.parse(text))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn recorded_instants() {
        let paulo = "America/Sao_Paulo";
        for (text, pattern, zone, instant) in [
            (
                "2025-12-01 13:14:15.678",
                "yyyy-MM-dd HH:mm:ss.SSS",
                "UTC",
                1_764_594_855_678,
            ),
            (
                "2018-02-17 23:30:00",
                "yyyy-MM-dd HH:mm:ss",
                paulo,
                1_518_917_400_000,
            ),
            (
                "2025-12-01T10:00:00-0300",
                "yyyy-MM-dd'T'HH:mm:ssZ",
                "UTC",
                1_764_594_000_000,
            ),
            (
                "Mon, 1 Dec 2025",
                "EEE, d MMM yyyy",
                "America/New_York",
                1_764_565_200_000,
            ),
            ("12:30 PM", "hh:mm a", "Europe/London", 41_400_000),
            ("2025-W49-1", "xxxx-'W'ww-e", "UTC", 1_764_547_200_000),
            ("335 2025", "DDD yyyy", "UTC", 1_764_547_200_000),
            ("1969-12-31", "yyyy-MM-dd", "UTC", -86_400_000),
            ("20251201", "yyyyMMdd", "UTC", 1_764_547_200_000),
            ("01/12/25", "dd/MM/yy", "UTC", 1_764_547_200_000),
            ("29/02", "dd/MM", "UTC", 951_782_400_000),
        ] {
            assert_eq!(parse(text, pattern, zone), Ok(instant), "{text}");
        }
    }

    #[test]
    fn recorded_errors() {
        let wrong = |text, pattern| parse(text, pattern, "UTC").err().unwrap_or_default();
        assert_eq!(
            wrong("2025-02-30", "yyyy-MM-dd"),
            "Cannot parse \"2025-02-30\": Value 30 for dayOfMonth must be in the range [1,28]"
        );
        assert_eq!(wrong("x", "yyyy"), "Invalid format: \"x\"");
        assert_eq!(
            wrong("2025-1", "yyyy-MM-dd"),
            "Invalid format: \"2025-1\" is too short"
        );
        assert_eq!(
            wrong("2025-12-01 trailing", "yyyy-MM-dd"),
            "Invalid format: \"2025-12-01 trailing\" is malformed at \" trailing\""
        );
        assert!(
            parse(
                "2018-11-04 00:30:00",
                "yyyy-MM-dd HH:mm:ss",
                "America/Sao_Paulo"
            )
            .is_err()
        );
        assert!(parse("", "yyyy-MM-dd", "UTC").is_err());
        assert!(parse("2025-12-01é", "yyyy-MM-dd", "UTC").is_err());
        assert!(parse("+", "yyyy", "UTC").is_err());
    }
}
