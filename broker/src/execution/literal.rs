//! Queries without a table, which the broker answers itself.
//!
//! Must not know: servers. Invariant: names are the literals' texts, as Pinot prints them.

use common::{ColumnType, DataType, ErrorCode, QueryException, Value};
use query::ResultTable;
use sql::{Expr, Query};

use super::Stop;

/// The one row of a query over literals.
pub(super) fn answer(query: &Query) -> Result<ResultTable, Stop> {
    let mut table = ResultTable {
        names: Vec::new(),
        types: Vec::new(),
        rows: Vec::new(),
    };
    let mut row = Vec::new();
    for item in &query.select {
        let Expr::Literal(value) = &item.expr else {
            return Err(QueryException::new(
                ErrorCode::QueryValidation,
                "Data source (FROM clause) not found",
            )
            .into());
        };
        // A literal has no TIMESTAMP and no JSON: they are LONG and STRING.
        let value = match value {
            Value::Timestamp(ms) => Value::Long(*ms),
            Value::Json(text) => Value::String(text.clone()),
            other => other.clone(),
        };
        table
            .names
            .push(item.alias.clone().unwrap_or_else(|| name(&value)));
        table.types.push(match &value {
            Value::Null => ColumnType::sv(DataType::Unknown),
            value => value.column_type(),
        });
        row.push(value);
    }
    if query.limit > 0 {
        table.rows.push(row);
    }
    Ok(table)
}

/// A literal as text: numbers plain, text in quotes, bytes as `X'..'`.
fn name(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("'{text}'"),
        Value::Bytes(_) => format!("X'{}'", value.to_text()),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(name).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_text(),
    }
}
