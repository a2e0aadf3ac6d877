//! Rows of Arrow batches as records: what Parquet and ORC are read through.
//!
//! Must not know: files, columns. Invariant: a null cell is an absent value; dates are days, times of day their stored number.

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeListArray, RecordBatch,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use super::{FileError, Records, broken};
use crate::record::{Field, Record};

/// The records of batches, in their order; they end at the first that cannot be read.
pub(super) fn records<E: std::fmt::Display>(
    format: &'static str,
    batches: impl Iterator<Item = Result<RecordBatch, E>> + Send + 'static,
) -> Records {
    Box::new(ArrowRecords {
        format,
        batches,
        batch: None,
        row: 0,
        failed: false,
    })
}

struct ArrowRecords<B> {
    format: &'static str,
    batches: B,
    batch: Option<RecordBatch>,
    row: usize,
    failed: bool,
}

impl<E: std::fmt::Display, B: Iterator<Item = Result<RecordBatch, E>>> Iterator
    for ArrowRecords<B>
{
    type Item = Result<Record, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            if let Some(batch) = self.batch.as_ref().filter(|b| self.row < b.num_rows()) {
                let record = record_at(batch, self.row);
                self.row += 1;
                return Some(Ok(record));
            }
            // Dropped before the end is told: who asks again must not begin again.
            (self.batch, self.row) = (None, 0);
            match self.batches.next()? {
                Ok(batch) => self.batch = Some(batch),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(broken(self.format, error)));
                }
            }
        }
        None
    }
}

fn record_at(batch: &RecordBatch, row: usize) -> Record {
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(batch.columns());
    Record::from_entries(
        fields
            .map(|(field, column)| (field.name().clone(), field_at(column, row)))
            .collect(),
    )
}

fn field_at(array: &ArrayRef, row: usize) -> Field {
    if array.is_null(row) {
        return Field::Null;
    }
    match array.data_type() {
        DataType::Boolean => Field::Text(array.as_boolean().value(row).to_string()),
        DataType::Int8 => Field::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Field::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Field::Int(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Field::Long(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Field::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Field::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Field::Long(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            i64::try_from(value).map_or_else(|_| Field::BigInt(value.into()), Field::Long)
        }
        DataType::Float32 => Field::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Field::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Field::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Field::Text(array.as_string::<i64>().value(row).to_owned()),
        DataType::Binary => Field::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => Field::Bytes(array.as_binary::<i64>().value(row).to_vec()),
        DataType::FixedSizeBinary(_) => array
            .as_any()
            .downcast_ref::<FixedSizeBinaryArray>()
            .map_or(Field::Null, |a| Field::Bytes(a.value(row).to_vec())),
        DataType::Decimal128(_, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            Field::Decimal(BigDecimal::new(value.into(), i64::from(*scale)))
        }
        DataType::Decimal256(_, scale) => {
            let value = array.as_primitive::<Decimal256Type>().value(row);
            let digits = BigInt::from_signed_bytes_le(&value.to_le_bytes());
            Field::Decimal(BigDecimal::new(digits, i64::from(*scale)))
        }
        other => nested_or_time(array, other, row),
    }
}

fn nested_or_time(array: &ArrayRef, data_type: &DataType, row: usize) -> Field {
    match data_type {
        DataType::Timestamp(unit, _) => timestamp_at(array, *unit, row),
        DataType::Date32 | DataType::Time32(_) => cast_number(array, &DataType::Int32, row),
        DataType::Date64 | DataType::Time64(_) => cast_number(array, &DataType::Int64, row),
        DataType::List(_) => items(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => array
            .as_any()
            .downcast_ref::<FixedSizeListArray>()
            .map_or(Field::Null, |a| items(&a.value(row))),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let named = fields.iter().zip(columns);
            Field::Map(
                named
                    .map(|(f, c)| (f.name().clone(), field_at(c, row)))
                    .collect(),
            )
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let pairs =
                (0..entries.len()).map(|i| (field_at(keys, i).to_text(), field_at(values, i)));
            Field::Map(pairs.collect())
        }
        DataType::Dictionary(_, values) => cast_number(array, values, row),
        _ => {
            arrow::util::display::array_value_to_string(array, row).map_or(Field::Null, Field::Text)
        }
    }
}

fn items(array: &ArrayRef) -> Field {
    Field::Array((0..array.len()).map(|i| field_at(array, i)).collect())
}

/// The cell under another type, which is no further special one.
fn cast_number(array: &ArrayRef, to: &DataType, row: usize) -> Field {
    arrow::compute::cast(&array.slice(row, 1), to).map_or(Field::Null, |cell| field_at(&cell, 0))
}

fn timestamp_at(array: &ArrayRef, unit: TimeUnit, row: usize) -> Field {
    let Field::Long(value) = cast_number(array, &DataType::Int64, row) else {
        return Field::Null;
    };
    Field::Timestamp(match unit {
        TimeUnit::Second => value.saturating_mul(1000),
        TimeUnit::Millisecond => value,
        TimeUnit::Microsecond => value.div_euclid(1000),
        TimeUnit::Nanosecond => value.div_euclid(1_000_000),
    })
}
