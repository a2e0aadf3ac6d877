//! Queries over literals only, with or without a table: their answer is one row of what folding left.
//!
//! Must not know: servers, tables. Invariant: a column is named by its value, unless it has an alias.

use common::{ColumnType, DataType, Value};
use sql::Query;

use crate::ResultTable;
use crate::expr::literal_type;

/// The answer of a query over literals; `None` where something else is selected.
#[must_use]
pub fn answer(query: &Query) -> Option<ResultTable> {
    if query.distinct && query.table.is_some() {
        return None;
    }
    let values: Vec<Value> = query
        .select
        .iter()
        .map(|item| item.expr.as_literal().cloned())
        .collect::<Option<_>>()?;
    let names = query
        .select
        .iter()
        .zip(&values)
        .map(|(item, value)| {
            item.alias
                .clone()
                .unwrap_or_else(|| sql::text::literal_name(value))
        })
        .collect();
    if query.explain {
        return Some(explanation());
    }
    let types: Vec<ColumnType> = values.iter().map(literal_type).collect();
    let rows = if query.limit == 0 {
        Vec::new()
    } else {
        vec![values]
    };
    Some(ResultTable { names, types, rows })
}

/// EXPLAIN of it: the broker evaluates.
fn explanation() -> ResultTable {
    ResultTable {
        names: ["Operator", "Operator_Id", "Parent_Id"]
            .map(str::to_owned)
            .to_vec(),
        types: [DataType::String, DataType::Int, DataType::Int]
            .map(ColumnType::sv)
            .to_vec(),
        rows: vec![vec![
            Value::String("BROKER_EVALUATE".to_owned()),
            Value::Int(0),
            Value::Int(-1),
        ]],
    }
}
