//! Date patterns of Joda-Time (`yyyy-MM-dd HH:mm:ss.SSS`, `z`, `Z`, quoted literals): compiling and printing.
//!
//! Reading text is in [`super::parse`]. Must not know: columns, formats of configs.
//! Invariant: a compiled pattern prints any instant; printing does not allocate beyond the output.

use super::civil::{DAY, HOUR, MINUTE, SECOND, date_of_day, epoch_day};
use super::field::{Field, text};
use super::write_padded;
use super::zone::{Zone, write_offset};
use crate::FunctionError;

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    /// A number padded to `min` digits; at most `max` are read.
    Number {
        field: Field,
        min: usize,
        max: usize,
        signed: bool,
    },
    /// The last two digits of a year; other lengths are read as whole years where `lenient`.
    TwoDigitYear { field: Field, lenient: bool },
    /// Digits of the second's fraction.
    Fraction { digits: usize },
    /// A name.
    Text { field: Field, long: bool },
    /// `EST`.
    ZoneName,
    /// `+0300`, with the separator `+03:00`.
    ZoneOffset { separator: bool },
    /// `America/Sao_Paulo`.
    ZoneId,
    /// Text as it stands.
    Literal(String),
}

/// A compiled pattern with its zone.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(super) elements: Vec<Element>,
    pub(super) zone: Zone,
}

/// A run of one letter, or literal text.
enum Token {
    Letters(char, usize),
    Literal(String),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Where it is empty or has an unknown letter.
    pub fn compile(pattern: &str, zone: Zone) -> Result<Self, FunctionError> {
        if pattern.is_empty() {
            return Err(FunctionError::Evaluation(
                "Invalid pattern specification".to_owned(),
            ));
        }
        let tokens = tokens(pattern);
        let mut elements = Vec::with_capacity(tokens.len());
        for (i, token) in tokens.iter().enumerate() {
            let followed = tokens.get(i + 1).is_some_and(is_number);
            elements.push(match token {
                Token::Literal(text) => Element::Literal(text.clone()),
                Token::Letters(letter, count) => {
                    element(*letter, *count, followed).ok_or_else(|| {
                        FunctionError::Evaluation(format!(
                            "Illegal pattern component: {}",
                            letter.to_string().repeat((*count).min(64))
                        ))
                    })?
                }
            });
        }
        Ok(Self { elements, zone })
    }

    /// The zone in which the pattern prints and reads.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Appends an instant.
    pub fn print(&self, out: &mut String, instant: i64) {
        let offset = self.zone.offset_ms(instant);
        // An offset that leads beyond the ends of time is left out, as Joda-Time does.
        let (local, offset) = instant
            .checked_add(offset)
            .map_or((instant, 0), |local| (local, offset));
        let date = date_of_day(epoch_day(local));
        for element in &self.elements {
            match element {
                Element::Literal(text) => out.push_str(text),
                Element::Number { field, min, .. } => {
                    let value = match field {
                        Field::Year => date.year,
                        Field::Month => date.month,
                        Field::DayOfMonth => date.day,
                        Field::Hour => local.rem_euclid(DAY) / HOUR,
                        Field::Minute => local.rem_euclid(HOUR) / MINUTE,
                        Field::Second => local.rem_euclid(MINUTE) / SECOND,
                        other => other.get(local),
                    };
                    write_padded(out, value, *min);
                }
                Element::TwoDigitYear { field, .. } => {
                    write_padded(out, field.get(local).abs() % 100, 2);
                }
                Element::Fraction { digits } => {
                    print_fraction(out, local.rem_euclid(SECOND), *digits)
                }
                Element::Text { field, long } => {
                    out.push_str(&text(*field, field.get(local), *long))
                }
                Element::ZoneName => out.push_str(&self.zone.short_name(instant)),
                Element::ZoneOffset { separator } => write_offset(out, offset, *separator),
                Element::ZoneId => out.push_str(self.zone.id()),
            }
        }
    }
}

fn print_fraction(out: &mut String, millis: i64, digits: usize) {
    let known = [millis / 100, millis / 10 % 10, millis % 10];
    for i in 0..digits {
        let digit = known.get(i).copied().unwrap_or(0);
        out.push(char::from(b'0' + digit as u8));
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(first) = chars.peek().copied() {
        if first.is_ascii_alphabetic() {
            let mut count = 0;
            while chars.next_if_eq(&first).is_some() {
                count += 1;
            }
            out.push(Token::Letters(first, count));
            continue;
        }
        let mut text = String::new();
        let mut quoted = false;
        while let Some(next) = chars.peek().copied() {
            if next == '\'' {
                chars.next();
                if chars.next_if_eq(&'\'').is_some() {
                    text.push('\'');
                } else {
                    quoted = !quoted;
                }
            } else if !quoted && next.is_ascii_alphabetic() {
                break;
            } else {
                text.push(next);
                chars.next();
            }
        }
        out.push(Token::Literal(text));
    }
    out
}

/// True for a token that reads digits, so that the one before it must not take them.
fn is_number(token: &Token) -> bool {
    match token {
        Token::Letters('M', count) => *count <= 2,
        Token::Letters(letter, _) => "cCxyYdhHmsSeDFwWkK".contains(*letter),
        Token::Literal(_) => false,
    }
}

fn element(letter: char, count: usize, followed: bool) -> Option<Element> {
    let min = count.min(MOST_DIGITS);
    let year = |field: Field, signed: bool| {
        if count == 2 {
            let field = if field == Field::YearOfEra {
                Field::Year
            } else {
                field
            };
            return Some(Element::TwoDigitYear {
                field,
                lenient: !followed,
            });
        }
        let max = if followed { count } else { count.max(9) };
        Some(Element::Number {
            field,
            min,
            max,
            signed,
        })
    };
    let named = |field: Field, long: bool| Some(Element::Text { field, long });
    match letter {
        'G' => named(Field::Era, true),
        'a' => named(Field::HalfDay, true),
        'E' => named(Field::DayOfWeek, count >= 4),
        'M' if count >= 3 => named(Field::Month, count >= 4),
        'x' => year(Field::WeekYear, true),
        'y' => year(Field::Year, true),
        'Y' => year(Field::YearOfEra, false),
        'S' => Some(Element::Fraction {
            digits: count.min(18),
        }),
        'z' => Some(Element::ZoneName),
        'Z' if count <= 2 => Some(Element::ZoneOffset {
            separator: count == 2,
        }),
        'Z' => Some(Element::ZoneId),
        _ => {
            let (field, max) = number(letter)?;
            let signed = field == Field::Century;
            Some(Element::Number {
                field,
                min,
                max: max.max(count),
                signed,
            })
        }
    }
}

/// The field of a letter that always stands for a number, and how many digits are read at most.
fn number(letter: char) -> Option<(Field, usize)> {
    Some(match letter {
        'C' => (Field::Century, 1),
        'M' => (Field::Month, 2),
        'd' => (Field::DayOfMonth, 2),
        'h' => (Field::ClockHourOfHalf, 2),
        'H' => (Field::Hour, 2),
        'k' => (Field::ClockHour, 2),
        'K' => (Field::HourOfHalf, 2),
        'm' => (Field::Minute, 2),
        's' => (Field::Second, 2),
        'e' => (Field::DayOfWeek, 1),
        'D' => (Field::DayOfYear, 3),
        'w' => (Field::Week, 2),
        _ => return None,
    })
}

/// No number is padded wider: a pattern of a million letters must not print a million digits a row.
const MOST_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn print(pattern: &str, zone: &str, instant: i64) -> Result<String, FunctionError> {
        let mut out = String::new();
        Pattern::compile(pattern, Zone::parse(zone)?)?.print(&mut out, instant);
        Ok(out)
    }

    #[test]
    fn recorded_texts() -> Result<(), FunctionError> {
        let paulo = "America/Sao_Paulo";
        let change = 1_541_300_400_000;
        for (pattern, zone, instant, text) in [
            (
                "yyyy-MM-dd HH:mm:ss.SSS",
                "UTC",
                -1,
                "1969-12-31 23:59:59.999",
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ssZ",
                paulo,
                change,
                "2018-11-04T01:00:00-0200",
            ),
            (
                "yyyy-MM-dd HH:mm:ss ZZ",
                "UTC",
                0,
                "1970-01-01 00:00:00 +00:00",
            ),
            ("xxxx-'W'ww-e", paulo, change, "2018-W44-7"),
            ("hh:mm:ss a z", "UTC", 0, "12:00:00 AM UTC"),
            ("hh:mm:ss a z", paulo, change, "01:00:00 AM BRST"),
            ("G yyyy", "UTC", -1, "AD 1969"),
            ("S", "UTC", -1, "9"),
            ("DDD", paulo, change, "308"),
            ("ZZZ", paulo, change, paulo),
            ("EEE, d MMM yyyy", "UTC", 0, "Thu, 1 Jan 1970"),
            ("EEEE MMMM", "UTC", 0, "Thursday January"),
            (
                "yy-M-d h:mm a",
                "Europe/London",
                292_162_581_840,
                "79-4-5 1:16 PM",
            ),
            ("kk:mm", "Asia/Kolkata", 292_162_581_840, "17:46"),
            ("'dia' dd", "UTC", 0, "dia 01"),
            ("yyyy''MM", "UTC", 0, "1970'01"),
        ] {
            assert_eq!(print(pattern, zone, instant)?, text, "{pattern}");
        }
        assert!(Pattern::compile("", Zone::utc()).is_err());
        assert!(Pattern::compile("yyyy-bb", Zone::utc()).is_err());
        Ok(())
    }
}
