//! `INSERT INTO t (columns) VALUES ..`: literals, one row after the other.
//!
//! Must not know: who keeps rows. Invariant: what is no literal is refused, nothing is computed.

use sqlparser::ast::{Expr, SetExpr, Statement, TableObject, UnaryOperator, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::value::Cell;
use super::{Target, names, not_offered, syntax};
use crate::postgres::failed::Failed;
use crate::source::{Insert, Table};

/// The rows of a statement.
pub(crate) fn insert(sql: &str, tables: &[Table]) -> Result<Insert, Failed> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(syntax)?;
    let (Some(Statement::Insert(insert)), true) = (statements.pop(), statements.is_empty()) else {
        return Err(syntax("expected one INSERT"));
    };
    if insert.on.is_some() || insert.returning.is_some() {
        return Err(not_offered("ON CONFLICT or RETURNING"));
    }
    let TableObject::TableName(name) = &insert.table else {
        return Err(not_offered("INSERT into what is no table"));
    };
    let columns: Vec<String> = insert
        .columns
        .iter()
        .filter_map(|c| names(c).pop())
        .collect();
    let target = Target::of(name, &columns, tables)?;
    let Some(SetExpr::Values(values)) = insert.source.map(|query| *query.body) else {
        return Err(not_offered("INSERT of anything but VALUES"));
    };
    let mut rows = Vec::with_capacity(values.rows.len());
    for (number, row) in (1..).zip(&values.rows) {
        let mut cells = Vec::with_capacity(row.len());
        for (at, expr) in row.iter().enumerate() {
            let cell = cell(expr).ok_or_else(|| {
                let column = target.fields.get(at).map_or("?", |field| &field.name);
                syntax(format!(
                    "row {number}, column `{column}`: `{expr}` is no literal"
                ))
            })?;
            cells.push(cell);
        }
        rows.push(target.row(number, cells)?);
    }
    Ok(target.rows(rows))
}

fn cell(expr: &Expr) -> Option<Cell> {
    match expr {
        Expr::Nested(inner) => cell(inner),
        Expr::Cast { expr, .. } => cell(expr),
        Expr::TypedString(typed) => of_value(&typed.value.value),
        Expr::Array(array) => array
            .elem
            .iter()
            .map(cell)
            .collect::<Option<Vec<_>>>()
            .map(Cell::List),
        Expr::UnaryOp { op, expr } => match (op, cell(expr)?) {
            (UnaryOperator::Minus, Cell::Text(text)) => Some(Cell::Text(format!("-{text}"))),
            (UnaryOperator::Plus, Cell::Text(text)) => Some(Cell::Text(text)),
            _ => None,
        },
        Expr::Value(value) => of_value(&value.value),
        _ => None,
    }
}

fn of_value(value: &Value) -> Option<Cell> {
    match value {
        Value::Null => Some(Cell::Null),
        Value::Boolean(is) => Some(Cell::Bool(*is)),
        Value::Number(text, _)
        | Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text) => Some(Cell::Text(text.clone())),
        Value::DollarQuotedString(text) => Some(Cell::Text(text.value.clone())),
        _ => None,
    }
}
