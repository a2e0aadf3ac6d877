//! Rows of an answer as one Arrow record batch.
//!
//! Must not know: how a query is answered. Invariant: the batch has the columns of the answer in their order, whatever the cells hold;
//! a cell that its column's type cannot say is null.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Float32Builder, Float64Builder, Int32Builder,
    Int64Builder, ListArray, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use common::java_text::decimal_text;
use common::{ColumnType, DataType, Value};

/// The batch of rows; TIMESTAMP is in milliseconds, UTC, decimals, JSON and maps are text, multi-values are lists.
///
/// # Errors
/// Where lists are too long for one batch.
pub fn batch(
    names: &[String],
    types: &[ColumnType],
    rows: &[Vec<Value>],
) -> Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(names.len());
    for (at, kind) in types.iter().enumerate() {
        let cells: Vec<&Value> = rows
            .iter()
            .map(|row| row.get(at).unwrap_or(&Value::Null))
            .collect();
        columns.push(column(*kind, &cells)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(schema(names, types)), columns, &options)
}

/// The schema of such a batch.
#[must_use]
pub fn schema(names: &[String], types: &[ColumnType]) -> Schema {
    let field = |(name, kind): (&String, &ColumnType)| Field::new(name, arrow_type(*kind), true);
    Schema::new(names.iter().zip(types).map(field).collect::<Vec<_>>())
}

/// Arrow's type of a column.
#[must_use]
pub fn arrow_type(kind: ColumnType) -> ArrowType {
    let single = match kind.data_type {
        DataType::Int => ArrowType::Int32,
        DataType::Long => ArrowType::Int64,
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::Boolean => ArrowType::Boolean,
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        DataType::Bytes => ArrowType::Binary,
        DataType::BigDecimal
        | DataType::String
        | DataType::Json
        | DataType::Map
        | DataType::Object
        | DataType::Unknown => ArrowType::Utf8,
    };
    if kind.multi {
        return ArrowType::List(Arc::new(Field::new("item", single, true)));
    }
    single
}

fn column(kind: ColumnType, cells: &[&Value]) -> Result<ArrayRef, ArrowError> {
    if !kind.multi {
        return Ok(single(kind.data_type, cells));
    }
    let items = |cell: &Value| match cell {
        Value::Array(_, items) => Some(items.len()),
        _ => None,
    };
    let flat: Vec<&Value> = cells
        .iter()
        .filter_map(|cell| match cell {
            Value::Array(_, items) => Some(items),
            _ => None,
        })
        .flatten()
        .collect();
    let values = single(kind.data_type, &flat);
    let lengths = cells.iter().map(|cell| items(cell).unwrap_or(0));
    let nulls: NullBuffer = cells.iter().map(|cell| items(cell).is_some()).collect();
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let list = ListArray::try_new(
        field,
        OffsetBuffer::from_lengths(lengths),
        values,
        Some(nulls),
    )?;
    Ok(Arc::new(list))
}

/// Appends each cell, as the expression reads it, to a builder.
macro_rules! built {
    ($builder:expr, $cells:expr, $read:expr) => {{
        let mut builder = $builder;
        for cell in $cells {
            builder.append_option($read(cell));
        }
        Arc::new(builder.finish())
    }};
}

fn single(kind: DataType, cells: &[&Value]) -> ArrayRef {
    match kind {
        DataType::Int => built!(Int32Builder::new(), cells, |cell: &Value| cell
            .as_i64()
            .and_then(|v| i32::try_from(v).ok())),
        DataType::Long => built!(Int64Builder::new(), cells, |cell: &Value| cell.as_i64()),
        DataType::Float => built!(Float32Builder::new(), cells, |cell: &Value| cell
            .as_f64()
            .map(|v| v as f32)),
        DataType::Double => built!(Float64Builder::new(), cells, |cell: &Value| cell.as_f64()),
        DataType::Boolean => built!(BooleanBuilder::new(), cells, |cell: &Value| match cell {
            Value::Boolean(v) => Some(*v),
            Value::Null => None,
            other => other.as_i64().map(|v| v != 0),
        }),
        DataType::Timestamp => {
            built!(
                TimestampMillisecondBuilder::new().with_data_type(arrow_type(ColumnType::sv(kind))),
                cells,
                |cell: &Value| match cell {
                    Value::Timestamp(v) => Some(*v),
                    other => other.as_i64(),
                }
            )
        }
        DataType::Bytes => {
            let mut builder = BinaryBuilder::new();
            for cell in cells {
                match cell {
                    Value::Bytes(v) => builder.append_value(v),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        DataType::BigDecimal
        | DataType::String
        | DataType::Json
        | DataType::Map
        | DataType::Object
        | DataType::Unknown => built!(StringBuilder::new(), cells, |cell: &Value| text(cell)),
    }
}

/// The cell as text; a decimal with all its digits.
fn text(cell: &Value) -> Option<String> {
    match cell {
        Value::Null | Value::Array(..) | Value::Bytes(_) => None,
        Value::String(v) | Value::Json(v) | Value::Map(v) => Some(v.clone()),
        Value::BigDecimal(v) => Some(decimal_text(v)),
        Value::Boolean(v) => Some(v.to_string()),
        Value::Int(v) => Some(v.to_string()),
        Value::Long(v) | Value::Timestamp(v) => Some(v.to_string()),
        Value::Float(v) => Some(v.to_string()),
        Value::Double(v) => Some(v.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Int32Type, Int64Type};

    #[test]
    fn cells_become_columns_of_their_type() -> Result<(), ArrowError> {
        let int = column(
            ColumnType::sv(DataType::Int),
            &[&Value::Int(7), &Value::Null, &Value::String("x".to_owned())],
        )?;
        assert_eq!(int.as_primitive::<Int32Type>().value(0), 7);
        assert_eq!((int.null_count(), int.len()), (2, 3));
        let time = column(ColumnType::sv(DataType::Timestamp), &[&Value::Timestamp(5)])?;
        assert!(matches!(
            time.data_type(),
            ArrowType::Timestamp(TimeUnit::Millisecond, Some(_))
        ));
        let text = column(ColumnType::sv(DataType::Unknown), &[&Value::Null])?;
        assert_eq!(text.null_count(), 1);
        Ok(())
    }

    #[test]
    fn arrays_become_lists() -> Result<(), ArrowError> {
        let kind = ColumnType {
            data_type: DataType::Long,
            multi: true,
        };
        let two = Value::Array(DataType::Long, vec![Value::Long(1), Value::Long(2)]);
        let none = Value::Array(DataType::Long, Vec::new());
        let lists = column(kind, &[&two, &Value::Null, &none])?;
        let lists = lists.as_list::<i32>();
        assert_eq!(
            lists.value(0).as_primitive::<Int64Type>().values().to_vec(),
            [1, 2]
        );
        assert!(lists.is_null(1));
        assert_eq!(lists.value_length(2), 0);
        Ok(())
    }
}
