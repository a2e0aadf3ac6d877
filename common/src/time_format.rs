//! Time units, periods (`1d12h`) and the format and granularity strings of dateTime columns.
//!
//! Must not know: how a pattern formats a time (that is `functions::datetime`), the time of day.
//! Invariant: parsing accepts the colon and the pipe spelling and yields the same structure for both.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A time unit of Pinot's configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeUnit {
    /// 10^-9 s.
    Nanoseconds,
    /// 10^-6 s.
    Microseconds,
    /// 10^-3 s.
    Milliseconds,
    /// 1 s.
    Seconds,
    /// 60 s.
    Minutes,
    /// 3600 s.
    Hours,
    /// 86400 s.
    Days,
}

impl TimeUnit {
    /// A number of this unit in milliseconds, saturating; sub-millisecond units truncate.
    #[must_use]
    pub fn to_millis(self, count: i64) -> i64 {
        match self {
            Self::Nanoseconds => count / 1_000_000,
            Self::Microseconds => count / 1_000,
            Self::Milliseconds => count,
            Self::Seconds => count.saturating_mul(1_000),
            Self::Minutes => count.saturating_mul(60_000),
            Self::Hours => count.saturating_mul(3_600_000),
            Self::Days => count.saturating_mul(86_400_000),
        }
    }

    /// Milliseconds as a number of this unit, truncated toward zero.
    #[must_use]
    pub fn from_millis(self, millis: i64) -> i64 {
        match self {
            Self::Nanoseconds => millis.saturating_mul(1_000_000),
            Self::Microseconds => millis.saturating_mul(1_000),
            Self::Milliseconds => millis,
            Self::Seconds => millis / 1_000,
            Self::Minutes => millis / 60_000,
            Self::Hours => millis / 3_600_000,
            Self::Days => millis / 86_400_000,
        }
    }

    /// The name as Pinot writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "NANOSECONDS",
            Self::Microseconds => "MICROSECONDS",
            Self::Milliseconds => "MILLISECONDS",
            Self::Seconds => "SECONDS",
            Self::Minutes => "MINUTES",
            Self::Hours => "HOURS",
            Self::Days => "DAYS",
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with a time unit, period, format or granularity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeFormatError {
    /// No such unit.
    #[error("Invalid time unit: {0}")]
    Unit(String),
    /// No period such as `7d` or `1d12h`.
    #[error("Invalid period: {0}")]
    Period(String),
    /// No dateTime format.
    #[error("Invalid format: {0}")]
    Format(String),
    /// No granularity.
    #[error("Invalid granularity: {0}")]
    Granularity(String),
}

impl FromStr for TimeUnit {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "NANOSECONDS" => Self::Nanoseconds,
            "MICROSECONDS" => Self::Microseconds,
            "MILLISECONDS" => Self::Milliseconds,
            "SECONDS" => Self::Seconds,
            "MINUTES" => Self::Minutes,
            "HOURS" => Self::Hours,
            "DAYS" => Self::Days,
            _ => return Err(TimeFormatError::Unit(text.to_owned())),
        })
    }
}

/// A period such as `30m`, `7d` or `1d12h30m10s100ms` in milliseconds.
///
/// # Errors
/// Where the text is no period.
pub fn parse_period(text: &str) -> Result<i64, TimeFormatError> {
    let wrong = || TimeFormatError::Period(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let millis = match rest[..letters].to_ascii_lowercase().as_str() {
            "d" => TimeUnit::Days.to_millis(count),
            "h" => TimeUnit::Hours.to_millis(count),
            "m" => TimeUnit::Minutes.to_millis(count),
            "s" => TimeUnit::Seconds.to_millis(count),
            "ms" => count,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(millis);
        rest = &rest[letters..];
    }
    Ok(total)
}

/// The format of a dateTime column or of a side of DATETIMECONVERT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateTimeFormat {
    /// Units since the epoch, `size` units a step.
    Epoch {
        /// Unit.
        unit: TimeUnit,
        /// Units per step, at least 1.
        size: i64,
    },
    /// A Joda-Time pattern; `None` is ISO-8601.
    Pattern {
        /// Pattern text.
        pattern: Option<String>,
        /// Zone name; UTC where absent.
        zone: Option<String>,
    },
    /// Milliseconds or timestamp text.
    Timestamp,
}

impl FromStr for DateTimeFormat {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || TimeFormatError::Format(text.to_owned());
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let mut parts = text.splitn(4, ':');
            let size: i64 = parts
                .next()
                .and_then(|s| s.parse().ok())
                .ok_or_else(wrong)?;
            let unit = TimeUnit::from_str(parts.next().ok_or_else(wrong)?)?;
            return match (parts.next().ok_or_else(wrong)?, parts.next()) {
                ("EPOCH", None) if size > 0 => Ok(Self::Epoch { unit, size }),
                ("TIMESTAMP", None) => Ok(Self::Timestamp),
                ("SIMPLE_DATE_FORMAT", Some(pattern)) => Ok(pattern_with_zone(pattern)),
                _ => Err(wrong()),
            };
        }
        let mut parts = text.split('|');
        match parts.next() {
            Some("EPOCH") => {
                let unit = parts
                    .next()
                    .map_or(Ok(TimeUnit::Milliseconds), TimeUnit::from_str)?;
                let size = parts
                    .next()
                    .map_or(Ok(1), str::parse)
                    .map_err(|_| wrong())?;
                if size <= 0 || parts.next().is_some() {
                    return Err(wrong());
                }
                Ok(Self::Epoch { unit, size })
            }
            Some("TIMESTAMP") => Ok(Self::Timestamp),
            Some("SIMPLE_DATE_FORMAT") => Ok(Self::Pattern {
                pattern: parts.next().filter(|p| !p.is_empty()).map(str::to_owned),
                zone: parts.next().filter(|z| !z.is_empty()).map(str::to_owned),
            }),
            _ => Err(wrong()),
        }
    }
}

/// `yyyy-MM-dd tz(America/Sao_Paulo)`: a pattern with an optional zone at its end.
fn pattern_with_zone(text: &str) -> DateTimeFormat {
    let (pattern, zone) = match text.split_once("tz(") {
        Some((pattern, zone)) => (pattern.trim(), Some(zone.trim_end_matches(')').to_owned())),
        None => (text.trim(), None),
    };
    DateTimeFormat::Pattern {
        pattern: Some(pattern.to_owned()),
        zone,
    }
}

/// A granularity, `1:DAYS` or `DAYS|1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granularity {
    /// Number of units.
    pub size: i64,
    /// Unit.
    pub unit: TimeUnit,
}

impl FromStr for Granularity {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || TimeFormatError::Granularity(text.to_owned());
        let (size, unit) = if text.starts_with(|c: char| c.is_ascii_digit()) {
            text.split_once(':').ok_or_else(wrong)?
        } else {
            text.split_once('|')
                .map_or(("1", text), |(unit, size)| (size, unit))
        };
        let size: i64 = size.parse().map_err(|_| wrong())?;
        if size <= 0 {
            return Err(wrong());
        }
        Ok(Self {
            size,
            unit: unit.parse().map_err(|_| wrong())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_agree() {
        let epoch: Result<DateTimeFormat, _> = "5:MINUTES:EPOCH".parse();
        assert_eq!(epoch, "EPOCH|MINUTES|5".parse());
        let pattern: Result<DateTimeFormat, _> =
            "1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd tz(UTC)".parse();
        assert_eq!(pattern, "SIMPLE_DATE_FORMAT|yyyy-MM-dd|UTC".parse());
        assert_eq!(parse_period("1d12h"), Ok(129_600_000));
        assert!(parse_period("soon").is_err());
    }
}
