//! Values of parameters as literals of a statement.
//!
//! Must not know: statements. Invariant: whatever a client sends becomes one literal, and a quote inside of it stays inside.

use chrono::{DateTime, NaiveDate};

use super::binary::numeric_text;
use super::failed::{BAD_PARAMETER, Failed};
use super::kind::{BASES, Base, Kind, UNKNOWN};

/// Microseconds from 1970 to 2000.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const DATE: u32 = 1082;
const TIMESTAMPTZ: u32 = 1184;

/// The type of a parameter: what the client says, else what the statement tells, else text.
pub(crate) fn oid(said: Option<u32>, told: Option<Kind>) -> u32 {
    match said {
        Some(oid) if oid != 0 && oid != UNKNOWN => oid,
        _ => told.unwrap_or(Kind::of(Base::Text)).oid(),
    }
}

fn base(oid: u32) -> Option<Base> {
    BASES.iter().find(|b| b.2 == oid).map(|b| b.0)
}

/// A value as literal.
pub(crate) fn literal(value: Option<&[u8]>, oid: u32, is_binary: bool) -> Result<String, Failed> {
    let Some(bytes) = value else {
        return Ok("NULL".to_owned());
    };
    let bad = || {
        Failed::new(
            BAD_PARAMETER,
            format!(
                "a parameter of type {oid} has {} bytes that are no value of it",
                bytes.len()
            ),
        )
    };
    let element = BASES.iter().find(|b| b.3 == oid);
    if let (Some((_, name, element, _, _)), true) = (element, is_binary) {
        let array = array(bytes, *element).ok_or_else(bad)?;
        return Ok(format!("{}::{name}[]", quoted(&array)));
    }
    if is_binary {
        return of_binary(bytes, oid).ok_or_else(bad);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| bad())?;
    if let Some((_, name, ..)) = element {
        return Ok(format!("{}::{name}[]", quoted(text)));
    }
    Ok(of_text(text, base(oid)))
}

/// A value that stands in for one that is not known yet, to learn the types of an answer.
pub(crate) fn sample(oid: u32) -> String {
    if let Some((_, name, element, _, _)) = BASES.iter().find(|b| b.3 == oid) {
        let array = format!("{{{}}}", escaped(&sample(*element)));
        return format!("{}::{name}[]", quoted(&array));
    }
    match base(oid) {
        Some(Base::Bool) => "true".to_owned(),
        Some(Base::Int2 | Base::Int4 | Base::Int8 | Base::Oid) => "0".to_owned(),
        Some(Base::Float4 | Base::Float8 | Base::Numeric) => "0.0".to_owned(),
        Some(Base::Timestamp) => "'1970-01-01 00:00:00'".to_owned(),
        _ if matches!(oid, TIMESTAMPTZ | DATE) => "'1970-01-01 00:00:00'".to_owned(),
        _ => "''".to_owned(),
    }
}

/// An array of one dimension, as Postgres writes it.
fn array(bytes: &[u8], element: u32) -> Option<String> {
    let word = |at: usize| -> Option<i32> {
        Some(i32::from_be_bytes(
            bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
        ))
    };
    let mut out = String::from("{");
    match word(0)? {
        0 => {}
        1 => {
            let mut at = 20;
            for number in 0..word(12)? {
                if number > 0 {
                    out.push(',');
                }
                let length = word(at)?;
                at += 4;
                let Ok(length) = usize::try_from(length) else {
                    out.push_str("NULL");
                    continue;
                };
                let item = of_binary(bytes.get(at..at.checked_add(length)?)?, element)?;
                at += length;
                out.push_str(&escaped(&item));
            }
        }
        _ => return None,
    }
    out.push('}');
    Some(out)
}

/// A literal as an element of an array.
fn escaped(literal: &str) -> String {
    let inner = literal
        .strip_prefix('\'')
        .and_then(|l| l.strip_suffix('\''));
    match inner {
        None => literal.to_owned(),
        Some(text) => {
            let text = text
                .replace("''", "'")
                .replace('\\', "\\\\")
                .replace('"', "\\\"");
            format!("\"{text}\"")
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn of_text(text: &str, base: Option<Base>) -> String {
    let plain = text.trim();
    match base {
        Some(
            Base::Int2
            | Base::Int4
            | Base::Int8
            | Base::Oid
            | Base::Float4
            | Base::Float8
            | Base::Numeric,
        ) if is_number(plain) => plain.trim_start_matches('+').to_owned(),
        Some(Base::Bool) => match plain.to_lowercase().as_str() {
            "t" | "true" | "1" | "on" | "yes" | "y" => "true".to_owned(),
            "f" | "false" | "0" | "off" | "no" | "n" => "false".to_owned(),
            _ => quoted(text),
        },
        Some(Base::Bytes) => quoted(plain.strip_prefix("\\x").unwrap_or(plain)),
        Some(Base::Timestamp) => quoted(plain.strip_suffix("+00").unwrap_or(plain)),
        _ => quoted(text),
    }
}

fn of_binary(bytes: &[u8], oid: u32) -> Option<String> {
    let micros = || Some(i64::from_be_bytes(bytes.try_into().ok()?));
    if oid == TIMESTAMPTZ {
        return moment(micros()?);
    }
    if oid == DATE {
        let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
        let date = NaiveDate::from_ymd_opt(2000, 1, 1)?
            .checked_add_signed(chrono::Duration::try_days(days)?)?;
        return Some(format!("'{} 00:00:00'", date.format("%Y-%m-%d")));
    }
    Some(match base(oid).unwrap_or(Base::Text) {
        Base::Bool => (*bytes.first()? != 0).to_string(),
        Base::Int2 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Base::Int4 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Base::Oid => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Base::Int8 => micros()?.to_string(),
        Base::Float4 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Base::Float8 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        Base::Numeric => numeric_text(bytes)?,
        Base::Timestamp => moment(micros()?)?,
        Base::Bytes => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            quoted(&hex)
        }
        Base::Text | Base::Json => quoted(std::str::from_utf8(bytes).ok()?),
    })
}

fn moment(micros: i64) -> Option<String> {
    let moment = DateTime::from_timestamp_micros(micros.checked_add(EPOCH_MICROS)?)?;
    Some(format!(
        "'{}'",
        moment.naive_utc().format("%Y-%m-%d %H:%M:%S%.3f")
    ))
}

#[cfg(test)]
mod tests {
    use super::{literal, oid, sample};

    #[test]
    fn values_become_literals() {
        let text =
            |value: &str, oid| literal(Some(value.as_bytes()), oid, false).unwrap_or_default();
        assert_eq!(text("7", 23), "7");
        assert_eq!(text("x", 23), "'x'");
        assert_eq!(text("1; DROP", 20), "'1; DROP'");
        assert_eq!(text("it's", 25), "'it''s'");
        assert_eq!(text("f", 16), "false");
        assert_eq!(text("\\x00ff", 17), "'00ff'");
        assert_eq!(literal(None, 23, true), Ok("NULL".to_owned()));
        let binary = |bytes: &[u8], oid| literal(Some(bytes), oid, true).ok();
        assert_eq!(binary(&7_i32.to_be_bytes(), 23).as_deref(), Some("7"));
        assert_eq!(binary(&[1], 23), None);
        assert_eq!(
            binary(&1000_i64.to_be_bytes(), 1114).as_deref(),
            Some("'2000-01-01 00:00:00.001'")
        );
        assert_eq!(binary(&i64::MAX.to_be_bytes(), 1114), None);
        assert_eq!(
            binary(&1_i32.to_be_bytes(), 1082).as_deref(),
            Some("'2000-01-02 00:00:00'")
        );
        assert_eq!(binary(b"a'b", 25).as_deref(), Some("'a''b'"));
        let two: Vec<u8> = [1, 0, 25, 2, 1, 3]
            .into_iter()
            .flat_map(i32::to_be_bytes)
            .chain(*b"a'\"")
            .chain([255; 4])
            .collect();
        assert_eq!(
            binary(&two, 1009).as_deref(),
            Some("'{\"a''\\\"\",NULL}'::text[]")
        );
        assert_eq!(text("{1,2}", 1016), "'{1,2}'::int8[]");
        assert_eq!((oid(Some(0), None), oid(Some(23), None)), (25, 23));
        assert_eq!(sample(25), "''");
        assert_eq!(sample(1007), "'{0}'::int4[]");
    }
}
