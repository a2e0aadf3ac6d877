//! SQL over small tables in memory.
//!
//! Must not know: what the tables tell. Invariant: only these tables can be read, and nothing can be written.

use std::sync::Arc;

use common::{ColumnType, DataType, Value};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType as Arrow, Float64Type, Int32Type, Int64Type};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use query::ResultTable;

/// Asks a query of tables of one schema.
pub(super) async fn run(
    schema: &str,
    tables: Vec<(String, RecordBatch)>,
    sql: &str,
) -> Result<ResultTable> {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_default_catalog_and_schema("touriga", schema);
    let context = SessionContext::new_with_config(config);
    let provider = MemorySchemaProvider::new();
    for (name, rows) in tables {
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
        provider.register_table(name, Arc::new(table))?;
    }
    if let Some(catalog) = context.catalog("touriga") {
        catalog.register_schema(schema, Arc::new(provider))?;
    }
    let reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let frame = context.sql_with_options(sql, reading).await?;
    let fields = Arc::clone(frame.schema().inner());
    let mut table = ResultTable {
        names: fields.fields().iter().map(|f| f.name().clone()).collect(),
        types: Vec::new(),
        rows: Vec::new(),
    };
    let kinds: Vec<DataType> = fields
        .fields()
        .iter()
        .map(|field| kind(field.data_type()))
        .collect();
    table.types = kinds.iter().map(|kind| ColumnType::sv(*kind)).collect();
    for batch in frame.collect().await? {
        let mut columns = Vec::with_capacity(kinds.len());
        for (column, kind) in batch.columns().iter().zip(&kinds) {
            columns.push(values(column, *kind)?);
        }
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|c| c.get(row).cloned());
            table
                .rows
                .push(cells.map(Option::unwrap_or_default).collect());
        }
    }
    Ok(table)
}

/// The type that a column of Arrow's is answered with.
fn kind(arrow: &Arrow) -> DataType {
    match arrow {
        Arrow::Boolean => DataType::Boolean,
        Arrow::Int8 | Arrow::Int16 | Arrow::Int32 | Arrow::UInt8 | Arrow::UInt16 => DataType::Int,
        Arrow::Int64 | Arrow::UInt32 | Arrow::UInt64 => DataType::Long,
        Arrow::Float16 | Arrow::Float32 | Arrow::Float64 => DataType::Double,
        _ => DataType::String,
    }
}

fn values(column: &dyn Array, kind: DataType) -> Result<Vec<Value>> {
    let arrow = match kind {
        DataType::Boolean => Arrow::Boolean,
        DataType::Int => Arrow::Int32,
        DataType::Long => Arrow::Int64,
        DataType::Double => Arrow::Float64,
        _ => Arrow::Utf8,
    };
    let column = cast(column, &arrow)?;
    let cell = |row: usize| match kind {
        _ if column.is_null(row) => Value::Null,
        DataType::Boolean => Value::Boolean(column.as_boolean().value(row)),
        DataType::Int => Value::Int(column.as_primitive::<Int32Type>().value(row)),
        DataType::Long => Value::Long(column.as_primitive::<Int64Type>().value(row)),
        DataType::Double => Value::Double(column.as_primitive::<Float64Type>().value(row)),
        _ => Value::String(column.as_string::<i32>().value(row).to_owned()),
    };
    Ok((0..column.len()).map(cell).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::Value;
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::run;

    fn rows() -> Result<RecordBatch, Box<dyn std::error::Error>> {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
        let sizes: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        Ok(RecordBatch::try_from_iter_with_nullable([
            ("name", names, true),
            ("size", sizes, true),
        ])?)
    }

    #[tokio::test]
    async fn tables_are_read_and_never_written() -> Result<(), Box<dyn std::error::Error>> {
        let tables = || Ok::<_, Box<dyn std::error::Error>>(vec![("t".to_owned(), rows()?)]);
        let sql = "SELECT name, SUM(size) AS n FROM system.t WHERE size < 3 GROUP BY name ORDER BY n DESC LIMIT 1";
        let answer = run("system", tables()?, sql).await?;
        assert_eq!(answer.names, ["name", "n"]);
        assert_eq!(
            answer.rows,
            [[Value::String("b".to_owned()), Value::Long(2)]]
        );
        for sql in ["DROP TABLE system.t", "SET a = 1", "SELECT * FROM other"] {
            assert!(run("system", tables()?, sql).await.is_err(), "{sql}");
        }
        Ok(())
    }
}
