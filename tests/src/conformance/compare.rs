//! Compares an answer with the recorded one: names, types, rows (as a bag where unordered), or the error's code.
//!
//! Must not know: how the answer was made. Invariant: doubles agree within a relative tolerance of 1e-9 unless the case
//! says otherwise; nothing else is forgiven.

use common::java_text::timestamp_text;
use common::{QueryException, Value};
use query::ResultTable;
use serde_json::Value as Json;

const RELATIVE: f64 = 1e-9;

/// `None` where they agree, else one line that says how they differ.
pub(crate) fn difference(
    case: &Json,
    answer: &Result<ResultTable, QueryException>,
) -> Option<String> {
    let expect = &case["expect"];
    if let Some(code) = expect["error"].as_u64() {
        return match answer {
            Ok(_) => Some(format!("expected error {code}, got rows")),
            Err(e) if u64::from(e.code.number()) == code => None,
            Err(e) => Some(format!(
                "error {} ({}), expected {code}",
                e.code.number(),
                e.message
            )),
        };
    }
    let table = match answer {
        Ok(table) => table,
        Err(e) => return Some(format!("error {}: {}", e.code.number(), e.message)),
    };
    let names: Vec<&str> = list(&expect["names"]);
    if table.names != names {
        return Some(format!("names {:?}, expected {names:?}", table.names));
    }
    let types: Vec<String> = table.types.iter().map(ToString::to_string).collect();
    let expected_types: Vec<&str> = list(&expect["types"]);
    if types != expected_types {
        return Some(format!("types {types:?}, expected {expected_types:?}"));
    }
    rows(case, table)
}

fn list(json: &Json) -> Vec<&str> {
    json.as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect()
}

/// The rows of an answer as the response shows them.
pub(crate) fn cells(table: &ResultTable) -> Vec<Vec<Json>> {
    let row = |row: &Vec<Value>| row.iter().map(cell).collect();
    table.rows.iter().map(row).collect()
}

/// How the rows differ from the recorded ones.
pub(crate) fn rows(case: &Json, table: &ResultTable) -> Option<String> {
    let relative = case["rel"].as_f64().unwrap_or(RELATIVE);
    let mut mine = cells(table);
    let mut theirs: Vec<Vec<Json>> = case["expect"]["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| row.as_array().cloned().unwrap_or_default())
        .collect();
    if mine.len() != theirs.len() {
        return Some(format!("{} rows, expected {}", mine.len(), theirs.len()));
    }
    if case["ordered"] != Json::Bool(true) {
        let key = |row: &Vec<Json>| row.iter().map(sort_key).collect::<Vec<_>>();
        mine.sort_by_key(key);
        theirs.sort_by_key(key);
    }
    mine.iter()
        .zip(&theirs)
        .enumerate()
        .find(|(_, (a, b))| {
            a.len() != b.len() || !a.iter().zip(b.iter()).all(|(x, y)| close(x, y, relative))
        })
        .map(|(index, (a, b))| {
            format!(
                "row {index}: {}, expected {}",
                Json::from(a.clone()),
                Json::from(b.clone())
            )
        })
}

fn sort_key(cell: &Json) -> String {
    match cell {
        Json::Number(n) => {
            let v = n.as_f64().unwrap_or(f64::NAN);
            format!("{:.5e}", v)
        }
        Json::Array(items) => items.iter().map(sort_key).collect::<Vec<_>>().join(","),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// True where two cells agree.
pub(crate) fn agree(a: &Json, b: &Json) -> bool {
    close(a, b, RELATIVE)
}

fn close(a: &Json, b: &Json, relative: f64) -> bool {
    let near = |x: f64, y: f64| {
        x == y
            || (x.is_nan() && y.is_nan())
            || (x - y).abs() <= relative * x.abs().max(y.abs()).max(1.0)
    };
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => {
            x == y || matches!((x.as_f64(), y.as_f64()), (Some(x), Some(y)) if near(x, y))
        }
        (Json::String(x), Json::String(y)) if x != y => {
            matches!((x.parse::<f64>(), y.parse::<f64>()), (Ok(x), Ok(y)) if near(x, y))
        }
        (Json::Array(x), Json::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| close(x, y, relative))
        }
        _ => a == b,
    }
}

/// A value as the response shows it.
fn cell(value: &Value) -> Json {
    let number = |v: f64| {
        serde_json::Number::from_f64(v).map_or_else(
            || Json::from(common::java_text::double_text(v)),
            Json::Number,
        )
    };
    match value {
        Value::Null => Json::Null,
        Value::Int(v) => Json::from(*v),
        Value::Long(v) => Json::from(*v),
        Value::Float(v) => common::java_text::float_text(*v)
            .parse()
            .map_or(Json::Null, number),
        Value::Double(v) => number(*v),
        Value::Boolean(v) => Json::from(*v),
        Value::Timestamp(v) => Json::from(timestamp_text(*v)),
        Value::Array(_, items) => items.iter().map(cell).collect(),
        other => Json::from(other.to_text()),
    }
}
