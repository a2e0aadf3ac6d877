//! Pinot's column types and Arrow's.
//!
//! Must not know: rows. Invariant: every column type has one Arrow type and comes back from it; BIG_DECIMAL is LargeBinary
//! in the order-preserving form of [`crate::decimal`], which no other type uses. JSON and MAP are STRING here, as in Pinot.

use std::sync::Arc;

use common::{ColumnType, DataType, Value};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, TimeUnit};
use datafusion::common::ScalarValue;

/// The Arrow type of a column type.
pub(crate) fn arrow_type(column_type: ColumnType) -> ArrowType {
    let element = match column_type.data_type {
        DataType::Int => ArrowType::Int32,
        DataType::Long => ArrowType::Int64,
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::BigDecimal => ArrowType::LargeBinary,
        DataType::Boolean => ArrowType::Boolean,
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Bytes => ArrowType::Binary,
        DataType::Unknown if !column_type.multi => ArrowType::Null,
        _ => ArrowType::Utf8,
    };
    if column_type.multi {
        ArrowType::List(Arc::new(Field::new_list_field(element, true)))
    } else {
        element
    }
}

/// The column type of an Arrow type; types that only the engine's own functions make go to their nearest.
pub(crate) fn column_type(arrow: &ArrowType) -> ColumnType {
    ColumnType::sv(match arrow {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 | ArrowType::Int16 | ArrowType::Int32 | ArrowType::UInt8 => DataType::Int,
        ArrowType::UInt16 | ArrowType::UInt32 | ArrowType::UInt64 | ArrowType::Int64 => {
            DataType::Long
        }
        ArrowType::Float16 | ArrowType::Float32 => DataType::Float,
        ArrowType::Float64
        | ArrowType::Decimal32(..)
        | ArrowType::Decimal64(..)
        | ArrowType::Decimal128(..)
        | ArrowType::Decimal256(..) => DataType::Double,
        ArrowType::Timestamp(..) | ArrowType::Date32 | ArrowType::Date64 => DataType::Timestamp,
        ArrowType::Binary | ArrowType::BinaryView | ArrowType::FixedSizeBinary(_) => {
            DataType::Bytes
        }
        ArrowType::LargeBinary => DataType::BigDecimal,
        ArrowType::Null => DataType::Unknown,
        ArrowType::List(field)
        | ArrowType::LargeList(field)
        | ArrowType::FixedSizeList(field, _)
        | ArrowType::ListView(field) => {
            return ColumnType::mv(column_type(field.data_type()).data_type);
        }
        ArrowType::Dictionary(_, value) => return column_type(value),
        _ => DataType::String,
    })
}

/// A scalar as a value; `None` where it has no form as one.
pub(crate) fn value_of(scalar: &ScalarValue) -> Option<Value> {
    let array = scalar.to_array_of_size(1).ok()?;
    crate::convert::block_of(&array)
        .ok()
        .map(|block| block.value(0))
}

/// A value as a scalar of its own Arrow type.
pub(crate) fn scalar_of(value: &Value, column_type: ColumnType) -> Option<ScalarValue> {
    let block = common::Block::from_values(column_type, [value]);
    let array = crate::convert::array_of(block, &arrow_type(column_type)).ok()?;
    ScalarValue::try_from_array(&array, 0).ok()
}
