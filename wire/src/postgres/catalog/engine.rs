//! Queries of the catalog, answered by DataFusion.
//!
//! Must not know: how clients ask. Invariant: only the catalog's tables can be read, and nothing can be written.

use std::sync::Arc;
use std::time::Duration;

use common::Value;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType as Arrow, Float64Type, Int64Type};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use futures::StreamExt;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::{Facts, emptiness, functions, rewrite, tables};
use crate::postgres::answer::Table;
use crate::postgres::failed::Failed;
use crate::postgres::kind::{Base, Column, Kind};

/// How long a query may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Rows that an answer may have.
const MOST_ROWS: usize = 1_000_000;
/// Bytes that a query may hold.
const MEMORY: usize = 256 << 20;

/// Answers a query of the catalog.
pub(crate) async fn answer(sql: &str, facts: Facts) -> std::result::Result<Table, Failed> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .map_err(|e| Failed::new("42601", format!("the statement cannot be read: {e}")))?;
    let [statement] = statements.as_mut_slice() else {
        return Err(Failed::new("42601", "expected one statement"));
    };
    let empty = emptiness::names_of_nothing(statement);
    let names = rewrite::with_own_names(statement);
    rewrite::rewrite(statement);
    match bounded(statement.clone(), facts).await {
        Ok(mut table) => {
            for (column, name) in table.columns.iter_mut().zip(names.into_iter().flatten()) {
                column.name = name;
            }
            Ok(table)
        }
        Err(error) => {
            tracing::debug!(%error, sql, "the catalog cannot answer");
            let nothing = empty.ok_or_else(|| failed(&error))?;
            let column = |name| Column {
                name,
                kind: Kind::of(Base::Text),
            };
            Ok(Table::new(
                nothing.into_iter().map(column).collect(),
                Vec::new(),
            ))
        }
    }
}

fn failed(error: &DataFusionError) -> Failed {
    let message = error.strip_backtrace();
    let message = message.lines().next().unwrap_or_default();
    Failed::new(
        "42000",
        format!("the catalog cannot answer this: {message}"),
    )
}

/// Answers within the bounds of time.
async fn bounded(statement: sqlparser::ast::Statement, facts: Facts) -> Result<Table> {
    match tokio::time::timeout(LIMIT, run(statement, facts)).await {
        Ok(answered) => answered,
        Err(_) => Err(DataFusionError::ResourcesExhausted(format!(
            "it took longer than {} s",
            LIMIT.as_secs()
        ))),
    }
}

async fn run(statement: sqlparser::ast::Statement, facts: Facts) -> Result<Table> {
    let context = context(facts)?;
    let reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let state = context.state();
    let plan = state
        .statement_to_plan(Parsed::Statement(Box::new(statement)))
        .await?;
    reading.verify_plan(&plan)?;
    rows(DataFrame::new(state, plan)).await
}

fn context(facts: Facts) -> Result<SessionContext> {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_information_schema(false)
        .with_default_catalog_and_schema("touriga", "pg_catalog");
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(MEMORY, 1.0)
        .build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    for schema in ["pg_catalog", "information_schema"] {
        let provider = MemorySchemaProvider::new();
        for (name, rows) in tables::of_schema(schema, &facts)? {
            let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
            provider.register_table(name.to_owned(), Arc::new(table))?;
        }
        if let Some(catalog) = context.catalog("touriga") {
            catalog.register_schema(schema, Arc::new(provider))?;
        }
    }
    let facts = Arc::new(facts);
    for function in functions::all(&facts) {
        context.register_udf(function);
    }
    Ok(context)
}

async fn rows(frame: DataFrame) -> Result<Table> {
    let schema = Arc::clone(frame.schema().inner());
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            kind: Kind::of_arrow(field.data_type()),
        })
        .collect();
    let mut rows = Vec::new();
    let mut batches = frame.execute_stream().await?;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        if rows.len() + batch.num_rows() > MOST_ROWS {
            let why = format!("the answer has more than {MOST_ROWS} rows");
            return Err(DataFusionError::ResourcesExhausted(why));
        }
        let cells = batch
            .columns()
            .iter()
            .zip(&columns)
            .map(|(array, column)| values(array, column.kind.base))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            rows.push(
                cells
                    .iter()
                    .map(|c| c.get(row).cloned().unwrap_or_default())
                    .collect(),
            );
        }
    }
    Ok(Table::new(columns, rows))
}

fn values(array: &dyn Array, base: Base) -> Result<Vec<Value>> {
    let arrow = match base {
        Base::Bool => Arrow::Boolean,
        Base::Float4 | Base::Float8 => Arrow::Float64,
        Base::Int2 | Base::Int4 | Base::Int8 | Base::Oid => Arrow::Int64,
        _ => Arrow::Utf8,
    };
    if matches!(array.data_type(), Arrow::List(_) | Arrow::Struct(_)) {
        return Ok(vec![Value::Null; array.len()]);
    }
    let array = cast(array, &arrow)?;
    let cell = |row: usize| {
        if array.is_null(row) {
            return Value::Null;
        }
        match arrow {
            Arrow::Boolean => Value::Boolean(array.as_boolean().value(row)),
            Arrow::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
            Arrow::Int64 => Value::Long(array.as_primitive::<Int64Type>().value(row)),
            _ => Value::String(array.as_string::<i32>().value(row).to_owned()),
        }
    };
    Ok((0..array.len()).map(cell).collect())
}
