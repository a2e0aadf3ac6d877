//! A response as one Arrow record batch.
//!
//! Must not know: how a query is answered. Invariant: the batch has the columns of the response in their order, whatever the cells hold;
//! a cell that its column's type cannot say is null.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Float32Builder, Float64Builder, Int32Builder,
    Int64Builder, ListArray, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, TimeUnit};
use broker::BrokerResponse;
use common::java_text::decimal_text;
use common::{ColumnType, DataType, Value};

use crate::error::{ErrorKind, TourigaError};

/// The rows of a response that is no failure.
///
/// # Errors
/// Where the response says what went wrong.
pub(crate) fn batch(response: &BrokerResponse) -> Result<RecordBatch, TourigaError> {
    if let Some(failure) = response.failures.first() {
        return Err(TourigaError::told(
            ErrorKind::Refused,
            failure.message.clone(),
        ));
    }
    let Some(table) = &response.table else {
        return Ok(RecordBatch::new_empty(Arc::new(Schema::empty())));
    };
    let mut fields = Vec::with_capacity(table.names.len());
    let mut columns = Vec::with_capacity(table.names.len());
    for (at, (name, kind)) in table.names.iter().zip(&table.types).enumerate() {
        let cells: Vec<&Value> = table
            .rows
            .iter()
            .map(|row| row.get(at).unwrap_or(&Value::Null))
            .collect();
        let column = column(*kind, &cells)?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|e| TourigaError::new(ErrorKind::Internal, "cannot build the batch", e))
}

fn column(kind: ColumnType, cells: &[&Value]) -> Result<ArrayRef, TourigaError> {
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
    )
    .map_err(|e| TourigaError::new(ErrorKind::Internal, "cannot build a list column", e))?;
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
                TimestampMillisecondBuilder::new().with_data_type(ArrowType::Timestamp(
                    TimeUnit::Millisecond,
                    Some("UTC".into())
                )),
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
    fn cells_become_columns_of_their_type() -> Result<(), TourigaError> {
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
    fn arrays_become_lists() -> Result<(), TourigaError> {
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

    #[test]
    fn a_failure_is_an_error() {
        let failure = broker::Failure::plain(common::QueryException::new(
            common::ErrorCode::SqlParsing,
            "no",
        ));
        assert!(batch(&BrokerResponse::failed(failure)).is_err());
        assert!(batch(&BrokerResponse::default()).is_ok_and(|b| b.num_rows() == 0));
    }
}
