//! Blocks to Arrow arrays and back.
//!
//! Must not know: functions. Invariant: a block and its array hold the same values and nulls.

use std::sync::Arc;

use common::block::{ArrayVec, Block, BytesVec, TextVec, Values};
use common::{ColumnType, DataType, ErrorCode, Value};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array,
    Int64Array, LargeBinaryArray, ListArray, StringArray, TimestampMillisecondArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType as ArrowType, Field, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMillisecondType,
};
use datafusion::error::{DataFusionError, Result};

use crate::decimal;
use crate::error::MultiStageError;
use crate::types::{arrow_type, column_type};

/// The block of an array.
///
/// # Errors
/// Where the array's type has no conversion to a column type.
pub(crate) fn block_of(array: &ArrayRef) -> Result<Block> {
    let found = column_type(array.data_type());
    let wanted = arrow_type(found);
    let array = if *array.data_type() == wanted {
        Arc::clone(array)
    } else {
        compute::cast(array, &wanted)?
    };
    let nulls = array
        .logical_nulls()
        .map(|nulls| nulls.iter().map(|valid| !valid).collect());
    Ok(Block::new(found, values_of(&array, found)?).with_nulls(nulls))
}

fn values_of(array: &ArrayRef, found: ColumnType) -> Result<Values> {
    if found.multi {
        let list = array.as_list::<i32>();
        let offsets = list.value_offsets();
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        let items = list.values().slice(position(first), position(last - first));
        return Ok(Values::Array(ArrayVec {
            offsets: offsets
                .iter()
                .map(|o| (o - first).cast_unsigned())
                .collect(),
            items: Box::new(values_of(&items, ColumnType::sv(found.data_type))?),
        }));
    }
    Ok(match found.data_type {
        DataType::Int => Values::Int(array.as_primitive::<Int32Type>().values().to_vec()),
        DataType::Boolean => {
            let flags = array.as_boolean().values();
            Values::Int(flags.iter().map(i32::from).collect())
        }
        DataType::Long => Values::Long(array.as_primitive::<Int64Type>().values().to_vec()),
        DataType::Timestamp => {
            let times = array.as_primitive::<TimestampMillisecondType>();
            Values::Long(times.values().to_vec())
        }
        DataType::Float => Values::Float(array.as_primitive::<Float32Type>().values().to_vec()),
        DataType::Double => Values::Double(array.as_primitive::<Float64Type>().values().to_vec()),
        DataType::BigDecimal => {
            let bytes = array.as_binary::<i64>();
            Values::BigDecimal(
                (0..bytes.len())
                    .map(|row| decimal::decode(bytes.value(row)))
                    .collect(),
            )
        }
        DataType::Bytes => {
            let bytes = array.as_binary::<i32>();
            let mut out = BytesVec::with_capacity(bytes.len(), bytes.values().len());
            (0..bytes.len()).for_each(|row| out.push(bytes.value(row)));
            Values::Bytes(out)
        }
        DataType::Unknown => {
            let mut out = TextVec::with_capacity(array.len(), 0);
            (0..array.len()).for_each(|_| out.push(""));
            Values::Text(out)
        }
        _ => {
            let text = array.as_string::<i32>();
            let mut out = TextVec::with_capacity(text.len(), text.values().len());
            (0..text.len()).for_each(|row| out.push(text.value(row)));
            Values::Text(out)
        }
    })
}

fn position(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// The array of a block in a wanted type; a block of another type is converted as CAST does.
///
/// # Errors
/// Where a value has no form in the wanted type.
pub(crate) fn array_of(block: Block, wanted: &ArrowType) -> Result<ArrayRef> {
    let rows = block.rows();
    if *wanted == ArrowType::Null || block.column_type().data_type == DataType::Unknown {
        return Ok(datafusion::arrow::array::new_null_array(wanted, rows));
    }
    let target = column_type(wanted);
    let same = block.column_type() == target;
    let block = if same { block } else { cast(&block, target)? };
    let block = block.flattened();
    let nulls = block
        .nulls()
        .map(|nulls| nulls.iter().map(|null| !null).collect::<NullBuffer>());
    let array = plain(block.into_values(), target, nulls)?;
    if array.data_type() == wanted {
        Ok(array)
    } else {
        Ok(compute::cast(&array, wanted)?)
    }
}

/// The failure of a text that the planner holds to be BYTES, where it is handed over.
pub(crate) fn text_as_bytes() -> DataFusionError {
    let message =
        "a text cannot be handed over as BYTES, which the planner types it: use CAST(.. AS STRING)";
    MultiStageError::new(ErrorCode::Unknown, message).into()
}

fn cast(block: &Block, target: ColumnType) -> Result<Block> {
    let text = block.column_type() == ColumnType::sv(DataType::String);
    if text && target == ColumnType::sv(DataType::Bytes) {
        let none = (0..block.rows()).all(|row| block.is_null(row));
        return if none {
            Ok(Block::constant(target, &Value::Null, block.rows()))
        } else {
            Err(text_as_bytes())
        };
    }
    block
        .cast(target)
        .map_err(|error| crate::error::function(functions::FunctionError::Cast(error)))
}

fn plain(values: Values, target: ColumnType, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    Ok(match values {
        Values::Int(v) if target.data_type == DataType::Boolean => Arc::new(BooleanArray::new(
            v.iter().map(|x| *x != 0).collect(),
            nulls,
        )),
        Values::Int(v) => Arc::new(Int32Array::new(v.into(), nulls)),
        Values::Long(v) if target.data_type == DataType::Timestamp => {
            Arc::new(TimestampMillisecondArray::new(v.into(), nulls))
        }
        Values::Long(v) => Arc::new(Int64Array::new(v.into(), nulls)),
        Values::Float(v) => Arc::new(Float32Array::new(v.into(), nulls)),
        Values::Double(v) => Arc::new(Float64Array::new(one_nan(v).into(), nulls)),
        Values::BigDecimal(v) => {
            let encoded: Vec<Vec<u8>> = v
                .iter()
                .map(|x| {
                    let mut bytes = Vec::new();
                    decimal::encode(x, &mut bytes);
                    bytes
                })
                .collect();
            let valid = |row: usize| nulls.as_ref().is_none_or(|n| n.is_valid(row));
            let rows = encoded.iter().enumerate();
            Arc::new(LargeBinaryArray::from_iter(
                rows.map(|(row, bytes)| valid(row).then_some(bytes.as_slice())),
            ))
        }
        Values::Text(v) => {
            let offsets = offsets(v.offsets());
            Arc::new(StringArray::try_new(
                offsets,
                v.data().as_bytes().to_vec().into(),
                nulls,
            )?)
        }
        Values::Bytes(v) => {
            let offsets = offsets(v.offsets());
            Arc::new(BinaryArray::try_new(
                offsets,
                v.data().to_vec().into(),
                nulls,
            )?)
        }
        Values::Array(v) => {
            let element = ColumnType::sv(target.data_type);
            let offsets = offsets(&v.offsets);
            let items = plain(*v.items, element, None)?;
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            Arc::new(ListArray::try_new(field, offsets, items, nulls)?)
        }
    })
}

fn offsets(offsets: &[u32]) -> OffsetBuffer<i32> {
    OffsetBuffer::new(offsets.iter().map(|o| o.cast_signed()).collect())
}

/// Orders go by the sign of a NaN, which computations leave either way: Java has one NaN, above every number.
fn one_nan(mut values: Vec<f64>) -> Vec<f64> {
    for value in &mut values {
        if value.is_nan() {
            *value = f64::NAN;
        }
    }
    values
}
