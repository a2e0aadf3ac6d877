//! The present and the range of valid times in the format of a time column.
//!
//! Must not know: the time of day, which is handed in. Invariant: a pattern that cannot be written yields ISO-8601.

use chrono::{DateTime, Datelike, TimeZone, Timelike};
use common::time_format::DateTimeFormat;
use common::{DataType, Value};

/// First and last valid time of a time column: 1971 to 2071, UTC.
const VALID: std::ops::Range<i64> = 31_536_000_000..3_187_296_000_000;

/// A moment as the value of a column with that format and type.
#[must_use]
pub fn format_now(now_ms: i64, format: &DateTimeFormat, data_type: DataType) -> Value {
    let number = |value: i64| match data_type {
        DataType::Int => Value::Int(value as i32),
        DataType::String => Value::String(value.to_string()),
        DataType::Float => Value::Float(value as f32),
        DataType::Double => Value::Double(value as f64),
        _ => Value::Long(value),
    };
    match format {
        DateTimeFormat::Epoch { unit, size } => number(unit.from_millis(now_ms) / size.max(&1)),
        DateTimeFormat::Timestamp if data_type == DataType::String => {
            Value::String(common::java_text::timestamp_text(now_ms))
        }
        DateTimeFormat::Timestamp => Value::Timestamp(now_ms),
        DateTimeFormat::Pattern { pattern, zone } => {
            let text = write_pattern(now_ms, pattern.as_deref(), zone.as_deref());
            Value::String(text.clone())
                .cast(data_type)
                .unwrap_or(Value::String(text))
        }
    }
}

/// True where a value of a time column lies in 1971..2071. Text in a pattern counts as valid where it holds a digit.
pub(super) fn is_valid(value: &Value, format: &DateTimeFormat) -> bool {
    let millis = match (format, value) {
        (DateTimeFormat::Pattern { .. }, value) => {
            return value.to_text().starts_with(|c: char| c.is_ascii_digit());
        }
        (DateTimeFormat::Epoch { unit, size }, value) => value
            .cast(DataType::Long)
            .ok()
            .and_then(|v| v.as_i64())
            .map(|v| unit.to_millis(v.saturating_mul(*size))),
        (DateTimeFormat::Timestamp, value) => value
            .cast(DataType::Timestamp)
            .ok()
            .and_then(|v| v.as_i64()),
    };
    millis.is_some_and(|millis| VALID.contains(&millis))
}

fn write_pattern(now_ms: i64, pattern: Option<&str>, zone: Option<&str>) -> String {
    let Some(utc) = DateTime::from_timestamp_millis(now_ms) else {
        return String::new();
    };
    let zone: chrono_tz::Tz = zone.and_then(|z| z.parse().ok()).unwrap_or(chrono_tz::UTC);
    let time = zone.from_utc_datetime(&utc.naive_utc());
    let Some(pattern) = pattern else {
        return time.format("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
    };
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            let (quoted, after) = rest[1..].split_once('\'').unwrap_or((&rest[1..], ""));
            out.push_str(if quoted.is_empty() { "'" } else { quoted });
            rest = after;
            continue;
        }
        let end = rest.find(|c| c != letter).unwrap_or(rest.len());
        write_letters(&mut out, &time, letter, end);
        rest = &rest[end..];
    }
    out
}

fn write_letters<Z: TimeZone>(out: &mut String, time: &DateTime<Z>, letter: char, count: usize)
where
    Z::Offset: std::fmt::Display,
{
    let padded = |value: i64| format!("{value:0count$}");
    let text = match letter {
        'y' | 'Y' | 'x' if count == 2 => format!("{:02}", time.year() % 100),
        'y' | 'Y' | 'x' => padded(i64::from(time.year())),
        'M' if count > 3 => time.format("%B").to_string(),
        'M' if count == 3 => time.format("%b").to_string(),
        'M' => padded(i64::from(time.month())),
        'd' => padded(i64::from(time.day())),
        'D' => padded(i64::from(time.ordinal())),
        'H' => padded(i64::from(time.hour())),
        'h' => padded(i64::from(time.hour12().1)),
        'm' => padded(i64::from(time.minute())),
        's' => padded(i64::from(time.second())),
        'S' => format!("{:03}", time.timestamp_subsec_millis())
            .chars()
            .take(count)
            .collect(),
        'a' => time.format("%p").to_string(),
        'E' if count > 3 => time.format("%A").to_string(),
        'E' => time.format("%a").to_string(),
        'Z' if count == 1 => time.format("%z").to_string(),
        'Z' | 'z' => time.format("%:z").to_string(),
        other => std::iter::repeat_n(other, count).collect(),
    };
    out.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_takes_every_format() {
        let now = 1_714_532_400_123;
        let write = |format: &str, data_type| {
            format
                .parse()
                .map(|f: DateTimeFormat| format_now(now, &f, data_type).to_text())
        };
        assert_eq!(
            write("1:SECONDS:EPOCH", DataType::Long).as_deref(),
            Ok("1714532400")
        );
        assert_eq!(write("1:DAYS:EPOCH", DataType::Int).as_deref(), Ok("19844"));
        assert_eq!(
            write("1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd", DataType::String).as_deref(),
            Ok("20240501")
        );
        assert_eq!(
            write(
                "SIMPLE_DATE_FORMAT|yyyy-MM-dd'T'HH:mm:ss|America/Sao_Paulo",
                DataType::String
            )
            .as_deref(),
            Ok("2024-05-01T00:00:00")
        );
        assert_eq!(
            write("TIMESTAMP", DataType::Timestamp).as_deref(),
            Ok("2024-05-01 03:00:00.123")
        );
    }
}
