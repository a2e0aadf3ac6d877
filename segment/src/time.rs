//! Times in milliseconds out of the values of a time column.
//!
//! Must not know: the time of day. Invariant: a value without a reading as a time gives no range.

use std::str::FromStr;

use common::Value;
use common::time_format::DateTimeFormat;

/// How the values of a time column are read.
#[derive(Debug, Clone)]
pub struct TimeReader(Option<DateTimeFormat>);

impl TimeReader {
    /// A reader of a column with that format.
    #[must_use]
    pub fn new(format: Option<&str>) -> Self {
        Self(format.and_then(|format| DateTimeFormat::from_str(format).ok()))
    }

    /// Milliseconds of a value; `None` where the format cannot be read without a calendar library or the value does not fit it.
    #[must_use]
    pub fn millis(&self, value: &Value) -> Option<i64> {
        if let Value::Timestamp(ms) = value {
            return Some(*ms);
        }
        match self.0.as_ref()? {
            DateTimeFormat::Epoch { unit, size } => {
                let count = value
                    .as_i64()
                    .or_else(|| value.as_str()?.trim().parse().ok())?;
                Some(unit.to_millis(count.checked_mul(*size)?))
            }
            DateTimeFormat::Timestamp => match value {
                Value::Long(ms) => Some(*ms),
                Value::String(text) => common::java_text::parse_timestamp(text),
                _ => None,
            },
            DateTimeFormat::Pattern { pattern, zone } => {
                let utc = |zone: &String| matches!(zone.as_str(), "UTC" | "GMT" | "Z" | "Etc/UTC");
                if !zone.as_ref().is_none_or(utc) {
                    return None;
                }
                let text = value.as_i64().map(|number| number.to_string());
                let text = text.as_deref().or_else(|| value.as_str())?;
                pattern_millis(pattern.as_deref()?, text)
            }
        }
    }

    /// A value of the column that stands for a time, as the one given is typed; `None` where the format is no count and no timestamp.
    #[must_use]
    pub fn value(&self, millis: i64, like: &Value) -> Option<Value> {
        if let Value::Timestamp(_) = like {
            return Some(Value::Timestamp(millis));
        }
        let count = match self.0.as_ref()? {
            DateTimeFormat::Epoch { unit, size } => unit.from_millis(millis).checked_div(*size)?,
            DateTimeFormat::Timestamp => millis,
            DateTimeFormat::Pattern { .. } => return None,
        };
        match like {
            Value::Long(_) => Some(Value::Long(count)),
            Value::Int(_) => i32::try_from(count).ok().map(Value::Int),
            _ => None,
        }
    }
}

/// Milliseconds of one value, see [`TimeReader::millis`].
pub(crate) fn millis(value: &Value, format: Option<&str>) -> Option<i64> {
    TimeReader::new(format).millis(value)
}

/// Reads the numeric fields of a date pattern (`yyyyMMdd`, `yyyy-MM-dd HH:mm:ss.SSS`) in UTC.
fn pattern_millis(pattern: &str, text: &str) -> Option<i64> {
    // Year, month, day, hour, minute, second, millisecond.
    let mut fields = [1970_i64, 1, 1, 0, 0, 0, 0];
    let (mut rest, mut pattern) = (text, pattern);
    while let Some(letter) = pattern.chars().next() {
        let run = pattern.chars().take_while(|c| *c == letter).count();
        let (length, after) = (run * letter.len_utf8(), pattern);
        pattern = after.get(length..)?;
        let field = match letter {
            'y' | 'Y' | 'u' => 0,
            'M' if run <= 2 => 1,
            'd' => 2,
            'H' => 3,
            'm' => 4,
            's' => 5,
            'S' => 6,
            '\'' => continue,
            letter if letter.is_ascii_alphabetic() && !matches!(letter, 'T' | 'Z') => return None,
            _ => {
                rest = rest.get(length..)?;
                continue;
            }
        };
        let next_is_digit = pattern.starts_with(|c: char| c.is_ascii_alphabetic());
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = if next_is_digit {
            digits.min(run)
        } else {
            digits
        };
        *fields.get_mut(field)? = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
    }
    let [year, month, day, hour, minute, second, ms] = fields;
    let in_range =
        (0..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    (rest.is_empty() && in_range).then(|| {
        (((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms
    })
}

/// Days since the epoch of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_become_milliseconds() {
        let of = |value: Value, format: &str| millis(&value, Some(format));
        assert_eq!(of(Value::Int(2), "1:DAYS:EPOCH"), Some(172_800_000));
        assert_eq!(of(Value::Long(5), "EPOCH|MILLISECONDS|1"), Some(5));
        assert_eq!(
            of(Value::Int(20_240_301), "1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd"),
            Some(1_709_251_200_000)
        );
        assert_eq!(
            of(
                Value::String("1970-01-02 01:00:00.5".into()),
                "SIMPLE_DATE_FORMAT|yyyy-MM-dd HH:mm:ss.S"
            ),
            Some(90_000_005)
        );
        assert_eq!(
            of(Value::String("Mon".into()), "SIMPLE_DATE_FORMAT|EEE"),
            None
        );
    }
}
