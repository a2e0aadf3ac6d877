//! One value, as its column takes it.
//!
//! Must not know: statements, files. Invariant: what is handed on is a value of the column's type, or null.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use common::DataType;
use common::schema::FieldSpec;
use serde_json::{Number, Value as Json};

use crate::postgres::failed::Failed;

/// A value as a client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    /// A text, or a number.
    Text(String),
    Bool(bool),
    List(Vec<Cell>),
}

/// The value of a column in a row, the first of which is 1.
pub(super) fn json(cell: Cell, field: &FieldSpec, row: usize) -> Result<Json, Failed> {
    let found = match cell {
        Cell::Null => Some(Json::Null),
        Cell::List(cells) if !field.single_value_field => of_list(&cells, field),
        Cell::Text(text) if !field.single_value_field => {
            let cells = elements(&text);
            cells.and_then(|cells| of_list(&cells, field))
        }
        other => of_one(&other, field.data_type),
    };
    found.ok_or_else(|| {
        let many = if field.single_value_field {
            ""
        } else {
            "an array of "
        };
        let why = format!(
            "row {row}, column `{}`: expected {many}{}",
            field.name, field.data_type
        );
        Failed::new("22P02", why)
    })
}

fn of_list(cells: &[Cell], field: &FieldSpec) -> Option<Json> {
    let values = cells.iter().map(|cell| match cell {
        Cell::Null => Some(Json::Null),
        other => of_one(other, field.data_type),
    });
    values.collect::<Option<Vec<_>>>().map(Json::Array)
}

fn of_one(cell: &Cell, data_type: DataType) -> Option<Json> {
    let text = match cell {
        Cell::Text(text) => text.as_str(),
        Cell::Bool(true) => "true",
        Cell::Bool(false) => "false",
        Cell::Null | Cell::List(_) => return None,
    };
    let plain = text.trim();
    match data_type {
        DataType::Int => plain.parse::<i32>().ok().map(Json::from),
        DataType::Long => plain.parse::<i64>().ok().map(Json::from),
        DataType::Float | DataType::Double => {
            let number = plain.parse::<f64>().ok()?;
            // What is no number of JSON is written as a text.
            let written = || Json::from(number.to_string());
            Some(Number::from_f64(number).map_or_else(written, Json::Number))
        }
        DataType::BigDecimal => {
            let digits = plain.bytes().any(|b| b.is_ascii_digit());
            let is_number = digits && plain.parse::<f64>().is_ok();
            is_number.then(|| Json::from(plain))
        }
        DataType::Boolean => match plain.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" | "on" | "yes" | "y" => Some(Json::Bool(true)),
            "f" | "false" | "0" | "off" | "no" | "n" => Some(Json::Bool(false)),
            _ => None,
        },
        DataType::Timestamp => millis(plain).map(Json::from),
        DataType::Bytes => {
            let hex = plain.strip_prefix("\\x").unwrap_or(plain);
            let is_hex = hex.len().is_multiple_of(2) && hex.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| Json::from(hex.to_ascii_lowercase()))
        }
        DataType::Map => serde_json::from_str(text).ok().filter(Json::is_object),
        DataType::String | DataType::Json | DataType::Object | DataType::Unknown => {
            Some(Json::from(text))
        }
    }
}

/// A moment as Postgres writes it, or milliseconds.
fn millis(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse() {
        return Some(millis);
    }
    let text = text.replacen('T', " ", 1);
    if let Ok(date) = NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    let text = text.strip_suffix('Z').unwrap_or(&text);
    if let Ok(plain) = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f") {
        return Some(plain.and_utc().timestamp_millis());
    }
    let zoned = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"];
    let mut found = zoned
        .iter()
        .map(|form| DateTime::parse_from_str(text, form));
    found.find_map(|moment| Some(moment.ok()?.timestamp_millis()))
}

/// Elements of an array of one dimension, as Postgres writes it: `{a,"b c",NULL}`.
fn elements(text: &str) -> Option<Vec<Cell>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut cells = Vec::new();
    if inner.trim().is_empty() {
        return Some(cells);
    }
    let mut signs = inner.chars();
    let (mut word, mut was_quoted, mut is_quoted) = (String::new(), false, false);
    loop {
        match signs.next() {
            Some('\\') => word.push(signs.next()?),
            Some('"') => {
                is_quoted = !is_quoted;
                was_quoted = true;
            }
            Some('{' | '}') if !is_quoted => return None,
            Some(sign) if is_quoted || sign != ',' => word.push(sign),
            end => {
                if is_quoted {
                    return None;
                }
                let plain = std::mem::take(&mut word);
                cells.push(match was_quoted {
                    true => Cell::Text(plain),
                    false if plain.trim().eq_ignore_ascii_case("null") => Cell::Null,
                    false => Cell::Text(plain.trim().to_owned()),
                });
                was_quoted = false;
                if end.is_none() {
                    return Some(cells);
                }
            }
        }
    }
}
