//! Dates and times as Joda-Time reads, prints and truncates them.
//!
//! Serves the scalar functions, and whoever turns time columns into milliseconds: ingestion, time pruning, retention.
//! Must not know: columns, the time of day.
//! Invariant: internal time is milliseconds since the epoch in universal time, over all of `i64`.

pub mod civil;
pub(crate) mod field;
pub mod iso;
mod parse;
pub mod pattern;
pub mod unit;
pub mod zone;
mod zone_names;

use common::time_format::{DateTimeFormat, TimeUnit};
use common::{Value, java_text};

pub use pattern::Pattern;
pub use unit::TimestampUnit;
pub use zone::Zone;

use crate::FunctionError;

/// A [`DateTimeFormat`] made ready for many values.
#[derive(Debug, Clone)]
pub enum Converter {
    /// Units since the epoch.
    Epoch {
        /// Unit.
        unit: TimeUnit,
        /// Units per step.
        size: i64,
    },
    /// A date pattern.
    Pattern(Pattern),
    /// ISO-8601 text.
    Iso(Zone),
    /// Milliseconds or timestamp text.
    Timestamp,
}

impl Converter {
    /// Prepares a format.
    ///
    /// # Errors
    /// Where its pattern or zone is none.
    pub fn new(format: &DateTimeFormat) -> Result<Self, FunctionError> {
        Ok(match format {
            DateTimeFormat::Epoch { unit, size } => Self::Epoch {
                unit: *unit,
                size: (*size).max(1),
            },
            DateTimeFormat::Timestamp => Self::Timestamp,
            DateTimeFormat::Pattern { pattern, zone } => {
                let zone = zone
                    .as_deref()
                    .map_or_else(|| Ok(Zone::utc()), Zone::parse)?;
                match pattern {
                    Some(pattern) => Self::Pattern(Pattern::compile(pattern, zone)?),
                    None => Self::Iso(zone),
                }
            }
        })
    }

    /// True where values are text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Pattern(_) | Self::Iso(_))
    }

    /// Milliseconds of a number; a number in a text format is read as its digits.
    ///
    /// # Errors
    /// Where the digits do not follow the pattern.
    #[inline]
    pub fn millis_of_number(&self, number: i64) -> Result<i64, FunctionError> {
        match self {
            Self::Epoch { unit, size } => Ok(unit.to_millis(number.wrapping_mul(*size))),
            Self::Timestamp => Ok(number),
            Self::Pattern(_) | Self::Iso(_) => self.millis_of_text(&number.to_string()),
        }
    }

    /// Milliseconds of a text.
    ///
    /// # Errors
    /// Where the text does not follow the format.
    pub fn millis_of_text(&self, text: &str) -> Result<i64, FunctionError> {
        match self {
            Self::Epoch { .. } => {
                let number = Value::String(text.to_owned()).cast(common::DataType::Long)?;
                self.millis_of_number(number.as_i64().unwrap_or_default())
            }
            Self::Timestamp => java_text::parse_timestamp(text).ok_or_else(|| {
                FunctionError::Evaluation(format!(
                    "Invalid timestamp: '{text}'. Expected milliseconds or `yyyy-MM-dd HH:mm:ss[.fraction]`"
                ))
            }),
            Self::Pattern(pattern) => pattern.parse(text),
            Self::Iso(zone) => iso::parse_optional_time(text, zone),
        }
    }

    /// Milliseconds of a value of a time column.
    ///
    /// # Errors
    /// Where the value is null or does not follow the format.
    pub fn millis_of(&self, value: &Value) -> Result<i64, FunctionError> {
        match value {
            Value::Null => Err(FunctionError::Evaluation("null is no time".to_owned())),
            Value::Timestamp(millis) => Ok(*millis),
            Value::Int(_) | Value::Long(_) => {
                self.millis_of_number(value.as_i64().unwrap_or_default())
            }
            other if self.is_text() => self.millis_of_text(&other.to_text()),
            Value::String(text) => self.millis_of_text(text),
            other => {
                let number = other.cast(common::DataType::Long)?;
                self.millis_of_number(number.as_i64().unwrap_or_default())
            }
        }
    }

    /// Appends milliseconds in the format.
    pub fn print(&self, out: &mut String, millis: i64) {
        match self {
            Self::Epoch { unit, size } => {
                out.push_str(&(unit.from_millis(millis) / size).to_string())
            }
            Self::Timestamp => out.push_str(&java_text::timestamp_text(millis)),
            Self::Pattern(pattern) => pattern.print(out, millis),
            Self::Iso(_) => {
                iso::print_instant(out, millis.wrapping_sub(millis.rem_euclid(civil::SECOND)))
            }
        }
    }
}

/// Milliseconds as text in a format.
///
/// # Errors
/// Where the format's pattern or zone is none.
pub fn format_millis(format: &DateTimeFormat, millis: i64) -> Result<String, FunctionError> {
    let mut out = String::new();
    Converter::new(format)?.print(&mut out, millis);
    Ok(out)
}

/// Milliseconds of a value in a format. For many values prepare a [`Converter`].
///
/// # Errors
/// Where the format's pattern or zone is none, or the value does not follow it.
pub fn to_millis(format: &DateTimeFormat, value: &Value) -> Result<i64, FunctionError> {
    Converter::new(format)?.millis_of(value)
}

/// The numbers from 00 to 99.
static PAIRS: &str = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Appends a number with at least `width` digits; a sign comes before them.
pub(crate) fn write_padded(out: &mut String, number: i64, width: usize) {
    let pair = |n: i64| &PAIRS[2 * n as usize..2 * n as usize + 2];
    match (number, width) {
        (0..100, 2) => return out.push_str(pair(number)),
        (0..10_000, 4) => {
            out.push_str(pair(number / 100));
            return out.push_str(pair(number % 100));
        }
        _ => {}
    }
    if number < 0 {
        out.push('-');
    }
    let magnitude = number.unsigned_abs();
    let digits = magnitude.checked_ilog10().unwrap_or(0) as usize + 1;
    for _ in digits..width {
        out.push('0');
    }
    let mut scale = 10_u64.pow(digits as u32 - 1);
    while scale > 0 {
        out.push(char::from(b'0' + (magnitude / scale % 10) as u8));
        scale /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_convert_both_ways() -> Result<(), Box<dyn std::error::Error>> {
        for (format, value, text) in [
            ("1:HOURS:EPOCH", Value::Long(490_164), "490164"),
            ("5:MINUTES:EPOCH", Value::Int(5_881_968), "5881968"),
            (
                "1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd",
                Value::Int(20_251_201),
                "20251201",
            ),
            (
                "SIMPLE_DATE_FORMAT|yyyy-MM-dd|America/Sao_Paulo",
                Value::String("2025-12-01".into()),
                "2025-12-01",
            ),
            (
                "TIMESTAMP",
                Value::String("2025-12-01 00:00:00".into()),
                "2025-12-01 00:00:00.0",
            ),
            (
                "SIMPLE_DATE_FORMAT",
                Value::String("2025-12-01".into()),
                "2025-12-01T00:00:00Z",
            ),
        ] {
            let format: DateTimeFormat = format.parse()?;
            let millis = to_millis(&format, &value)?;
            assert_eq!(format_millis(&format, millis)?, text);
        }
        Ok(())
    }

    #[test]
    fn padding() {
        let mut out = String::new();
        for (number, width) in [(7, 2), (-7, 3), (0, 1), (i64::MIN, 2)] {
            write_padded(&mut out, number, width);
            out.push(' ');
        }
        assert_eq!(out, "07 -007 0 -9223372036854775808 ");
    }
}
