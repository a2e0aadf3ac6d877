//! Dimension tables: LOOKUP in a query gets the type of its column, and rows in memory answer it.
//!
//! Must not know: where tables are held, when they change. Invariant: a resolved query shows the names of the one that was
//! written.

mod rows;

use std::sync::Arc;

use common::{ColumnType, Schema, Value};
use functions::FunctionError;
use functions::scalar::lookup::{LOOKUP, missing};
use sql::expr::Call;
use sql::{Expr, Query, text};

use crate::QueryError;
pub use rows::DimensionRows;

/// The schema of the dimension table of a raw name.
pub type SchemaOf<'a> = &'a dyn Fn(&str) -> Option<Arc<Schema>>;

/// Puts before the arguments of every LOOKUP the type of the column that it reads.
///
/// # Errors
/// Where the table, the column or the key is none.
pub fn resolve(mut query: Query, schema_of: SchemaOf<'_>) -> Result<Query, QueryError> {
    if !reads(&query) {
        return Ok(query);
    }
    for item in &mut query.select {
        if has_lookup(&item.expr) && item.alias.is_none() {
            item.alias = Some(text::expression(&item.expr));
        }
    }
    let mut typed = |expr: Expr| -> Result<Expr, QueryError> {
        expr.try_rewrite(&mut |inner| match inner {
            Expr::Call(call) if call.name == LOOKUP => Ok(Expr::Call(with_type(call, schema_of)?)),
            other => Ok(other),
        })
    };
    for item in &mut query.select {
        item.expr = typed(item.expr.clone())?;
    }
    for order in &mut query.order_by {
        order.expr = typed(order.expr.clone())?;
    }
    query.filter = query.filter.map(|f| f.try_map(&mut typed)).transpose()?;
    query.having = query.having.map(|f| f.try_map(&mut typed)).transpose()?;
    query.group_by = query
        .group_by
        .into_iter()
        .map(&mut typed)
        .collect::<Result<_, _>>()?;
    Ok(query)
}

fn has_lookup(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |inner| {
        found |= matches!(inner, Expr::Call(call) if call.name == LOOKUP);
    });
    found
}

/// True where a query has a LOOKUP.
pub(crate) fn reads(query: &Query) -> bool {
    let selected = query.select.iter().map(|item| &item.expr);
    let ordered = query.order_by.iter().map(|order| &order.expr);
    let mut exprs = selected.chain(ordered).chain(&query.group_by);
    if exprs.any(has_lookup) {
        return true;
    }
    let mut found = false;
    for filter in query.filter.iter().chain(&query.having) {
        filter.visit(&mut |expr, _| found |= has_lookup(expr));
    }
    found
}

fn refused(message: impl std::fmt::Display) -> QueryError {
    QueryError::Function(FunctionError::Argument(format!(
        "Caught exception while initializing transform function: lookup: {message}"
    )))
}

/// The type as text before the arguments of a call.
fn with_type(call: Call, schema_of: SchemaOf<'_>) -> Result<Call, QueryError> {
    let Call { name, args } = call;
    let shown = column_type(&args, schema_of)?.to_string();
    let mut all = Vec::with_capacity(args.len() + 1);
    all.push(Expr::text(shown));
    all.extend(args);
    Ok(Call { name, args: all })
}

/// Checks the arguments that a query has for LOOKUP; answers the type of its column.
///
/// # Errors
/// As [`resolve`].
pub fn column_type(args: &[Expr], schema_of: SchemaOf<'_>) -> Result<ColumnType, QueryError> {
    if args.len() < 4 {
        return Err(refused(
            "At least 4 arguments are required for LOOKUP transform function: \
             LOOKUP(TableName, ColumnName, JoinKey, JoinValue [, JoinKey2, JoinValue2 ...])",
        ));
    }
    if !args.len().is_multiple_of(2) {
        return Err(refused(
            "Should have the same number of JoinKey and JoinValue arguments",
        ));
    }
    let literal = |at: usize, what: &str| match args.get(at) {
        Some(Expr::Literal(value)) => Ok(match value {
            Value::String(text) => text.clone(),
            other => other.to_text(),
        }),
        _ => Err(refused(format!(
            "{what} must be a literal(string), found `{}`",
            args.get(at).map(text::expression).unwrap_or_default()
        ))),
    };
    let table = literal(0, "First argument, the name of the dimension table,")?;
    let column = literal(1, "Second argument, the name of the column to look up,")?;
    let mut keys = Vec::new();
    for at in (2..args.len()).step_by(2) {
        keys.push(literal(
            at,
            "JoinKey argument, a column of the dimension table's primary key,",
        )?);
    }
    let raw = common::ids::split_type(&table).0;
    let schema = schema_of(raw).ok_or_else(|| refused(missing(raw)))?;
    let field = schema.field(&column).ok_or_else(|| {
        refused(format!(
            "Column does not exist in dimension table: {raw}_OFFLINE:{column}"
        ))
    })?;
    if let Some(key) = keys.iter().find(|key| schema.field(key).is_none()) {
        return Err(refused(format!(
            "Primary key column doesn't exist in dimension table: {raw}_OFFLINE:{key}"
        )));
    }
    if keys != schema.primary_key_columns {
        return Err(refused(format!(
            "Provided join keys ({}) must be the same as table primary keys: {}",
            keys.join(", "),
            schema.primary_key_columns.join(", ")
        )));
    }
    Ok(field.column_type())
}
