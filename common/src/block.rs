//! A block: one typed column slice of some thousand rows, the unit of all CPU work above the segment.
//!
//! The layout is Arrow's (plain vectors; offsets and one buffer for text, bytes and arrays), so that conversion to Arrow
//! moves buffers instead of values. A constant block holds one element for any number of rows.
//! Must not know: functions, segments.
//! Invariant: `values.len()` is `rows()`, or 1 where `is_constant()`; a null row holds the type's placeholder.

use std::sync::Arc;

use bigdecimal::BigDecimal;

use crate::{ColumnType, DataType, Value};

/// Text values: offsets into one buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextVec {
    offsets: Vec<u32>,
    data: String,
}

/// Byte values: offsets into one buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BytesVec {
    offsets: Vec<u32>,
    data: Vec<u8>,
}

macro_rules! var_vec {
    ($name:ident, $slice:ty, $buffer:ty, $push:ident) => {
        impl Default for $name {
            fn default() -> Self {
                Self {
                    offsets: vec![0],
                    data: <$buffer>::new(),
                }
            }
        }

        impl $name {
            /// An empty vector with room for `rows` values of `bytes` bytes in all.
            #[must_use]
            pub fn with_capacity(rows: usize, bytes: usize) -> Self {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Self {
                    offsets,
                    data: <$buffer>::with_capacity(bytes),
                }
            }

            /// Number of values.
            #[must_use]
            pub fn len(&self) -> usize {
                self.offsets.len() - 1
            }

            /// True without a value.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The value at `index`.
            #[must_use]
            pub fn get(&self, index: usize) -> $slice {
                &self.data[self.offsets[index] as usize..self.offsets[index + 1] as usize]
            }

            /// Appends a value. A block never holds 4 GiB, see the limits on block size.
            pub fn push(&mut self, value: $slice) {
                self.data.$push(value);
                self.end_value();
            }

            /// The buffer, to append the next value in pieces; close it with [`Self::end_value`].
            pub fn buffer(&mut self) -> &mut $buffer {
                &mut self.data
            }

            /// Ends the value that was written through [`Self::buffer`].
            pub fn end_value(&mut self) {
                self.offsets.push(self.data.len() as u32);
            }

            /// Keeps the first `len` values.
            pub fn truncate(&mut self, len: usize) {
                if len < self.len() {
                    self.offsets.truncate(len + 1);
                    self.data.truncate(self.offsets[len] as usize);
                }
            }

            /// All values in order.
            pub fn iter(&self) -> impl ExactSizeIterator<Item = $slice> + '_ {
                self.offsets
                    .windows(2)
                    .map(|w| &self.data[w[0] as usize..w[1] as usize])
            }

            /// Start offsets, one more than values.
            #[must_use]
            pub fn offsets(&self) -> &[u32] {
                &self.offsets
            }

            /// The buffer behind the values.
            #[must_use]
            pub fn data(&self) -> $slice {
                &self.data
            }
        }
    };
}

impl TextVec {
    /// From start offsets and the bytes of all values, checked once; `None` where they are not UTF-8 or a value begins
    /// inside a character.
    #[must_use]
    pub fn from_utf8(offsets: Vec<u32>, data: Vec<u8>) -> Option<Self> {
        let data = String::from_utf8(data).ok()?;
        let in_order = offsets.first() == Some(&0)
            && offsets.is_sorted()
            && offsets
                .last()
                .is_some_and(|end| *end as usize == data.len());
        let whole = in_order
            && (data.is_ascii() || offsets.iter().all(|at| data.is_char_boundary(*at as usize)));
        whole.then_some(Self { offsets, data })
    }
}

var_vec!(TextVec, &str, String, push_str);
var_vec!(BytesVec, &[u8], Vec<u8>, extend_from_slice);

/// Arrays of one element type: row `i` holds the items from `offsets[i]` to `offsets[i + 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayVec {
    /// One more than rows; starts with 0.
    pub offsets: Vec<u32>,
    /// The elements of all rows; never `Values::Array`.
    pub items: Box<Values>,
}

impl ArrayVec {
    /// No rows, elements of that stored type.
    #[must_use]
    pub fn empty(element: DataType) -> Self {
        Self {
            offsets: vec![0],
            items: Box::new(Values::empty(element)),
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// True without a row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the items of a row lie.
    #[must_use]
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// Keeps the first `len` rows.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.offsets.truncate(len + 1);
            self.items.truncate(self.offsets[len] as usize);
        }
    }

    /// Ends a row after its items were pushed to `items`.
    pub fn end_row(&mut self) {
        self.offsets.push(self.items.len() as u32);
    }
}

/// Values of one stored type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// INT and BOOLEAN.
    Int(Vec<i32>),
    /// LONG and TIMESTAMP.
    Long(Vec<i64>),
    /// FLOAT.
    Float(Vec<f32>),
    /// DOUBLE.
    Double(Vec<f64>),
    /// BIG_DECIMAL.
    BigDecimal(Vec<BigDecimal>),
    /// STRING, JSON and MAP.
    Text(TextVec),
    /// BYTES.
    Bytes(BytesVec),
    /// Any multi-value type.
    Array(ArrayVec),
}

impl Values {
    /// No values, single-value, in the stored form of `data_type`.
    #[must_use]
    pub fn empty(data_type: DataType) -> Self {
        Self::with_capacity(data_type, 0)
    }

    /// No values, with room for some.
    #[must_use]
    pub fn with_capacity(data_type: DataType, rows: usize) -> Self {
        match data_type.stored() {
            DataType::Int => Self::Int(Vec::with_capacity(rows)),
            DataType::Long => Self::Long(Vec::with_capacity(rows)),
            DataType::Float => Self::Float(Vec::with_capacity(rows)),
            DataType::Double => Self::Double(Vec::with_capacity(rows)),
            DataType::BigDecimal => Self::BigDecimal(Vec::with_capacity(rows)),
            DataType::Bytes => Self::Bytes(BytesVec::with_capacity(rows, 0)),
            _ => Self::Text(TextVec::with_capacity(rows, 0)),
        }
    }

    /// No values of a column type.
    #[must_use]
    pub fn empty_of(column_type: ColumnType) -> Self {
        if column_type.multi {
            Self::Array(ArrayVec::empty(column_type.data_type))
        } else {
            Self::empty(column_type.data_type)
        }
    }

    /// Number of values (rows).
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::Long(v) => v.len(),
            Self::Float(v) => v.len(),
            Self::Double(v) => v.len(),
            Self::BigDecimal(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::Bytes(v) => v.len(),
            Self::Array(v) => v.len(),
        }
    }

    /// True without a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`, typed as `data_type` (the element type for arrays).
    #[must_use]
    pub fn get(&self, index: usize, data_type: DataType) -> Value {
        match self {
            Self::Int(v) if data_type == DataType::Boolean => Value::Boolean(v[index] != 0),
            Self::Int(v) => Value::Int(v[index]),
            Self::Long(v) if data_type == DataType::Timestamp => Value::Timestamp(v[index]),
            Self::Long(v) => Value::Long(v[index]),
            Self::Float(v) => Value::Float(v[index]),
            Self::Double(v) => Value::Double(v[index]),
            Self::BigDecimal(v) => Value::BigDecimal(v[index].clone()),
            Self::Text(v) => match data_type {
                DataType::Json => Value::Json(v.get(index).to_owned()),
                DataType::Map => Value::Map(v.get(index).to_owned()),
                _ => Value::String(v.get(index).to_owned()),
            },
            Self::Bytes(v) => Value::Bytes(v.get(index).to_vec()),
            Self::Array(v) => Value::Array(
                data_type,
                v.range(index).map(|i| v.items.get(i, data_type)).collect(),
            ),
        }
    }

    /// Appends a value of exactly this stored type; anything else (null among it) appends the placeholder.
    pub fn push(&mut self, value: &Value) {
        match (self, value) {
            (Self::Int(v), Value::Int(x)) => v.push(*x),
            (Self::Int(v), Value::Boolean(x)) => v.push(i32::from(*x)),
            (Self::Long(v), Value::Long(x) | Value::Timestamp(x)) => v.push(*x),
            (Self::Float(v), Value::Float(x)) => v.push(*x),
            (Self::Double(v), Value::Double(x)) => v.push(*x),
            (Self::BigDecimal(v), Value::BigDecimal(x)) => v.push(x.clone()),
            (Self::Text(v), Value::String(x) | Value::Json(x) | Value::Map(x)) => v.push(x),
            (Self::Bytes(v), Value::Bytes(x)) => v.push(x),
            (Self::Array(v), Value::Array(_, items)) => {
                for item in items {
                    v.items.push(item);
                }
                v.end_row();
            }
            (values, _) => values.push_placeholder(),
        }
    }

    /// Appends what stands in a null row: 0, empty text, an empty array.
    pub fn push_placeholder(&mut self) {
        match self {
            Self::Int(v) => v.push(0),
            Self::Long(v) => v.push(0),
            Self::Float(v) => v.push(0.0),
            Self::Double(v) => v.push(0.0),
            Self::BigDecimal(v) => v.push(BigDecimal::default()),
            Self::Text(v) => v.push(""),
            Self::Bytes(v) => v.push(&[]),
            Self::Array(v) => v.end_row(),
        }
    }

    /// Appends the value at `index` of `other`, which has the same variant; a different one appends the placeholder.
    pub fn push_from(&mut self, other: &Self, index: usize) {
        match (self, other) {
            (Self::Int(v), Self::Int(o)) => v.push(o[index]),
            (Self::Long(v), Self::Long(o)) => v.push(o[index]),
            (Self::Float(v), Self::Float(o)) => v.push(o[index]),
            (Self::Double(v), Self::Double(o)) => v.push(o[index]),
            (Self::BigDecimal(v), Self::BigDecimal(o)) => v.push(o[index].clone()),
            (Self::Text(v), Self::Text(o)) => v.push(o.get(index)),
            (Self::Bytes(v), Self::Bytes(o)) => v.push(o.get(index)),
            (Self::Array(v), Self::Array(o)) => {
                for item in o.range(index) {
                    v.items.push_from(&o.items, item);
                }
                v.end_row();
            }
            (values, _) => values.push_placeholder(),
        }
    }

    /// Keeps the first `len` values and the room of the others.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Self::Int(v) => v.truncate(len),
            Self::Long(v) => v.truncate(len),
            Self::Float(v) => v.truncate(len),
            Self::Double(v) => v.truncate(len),
            Self::BigDecimal(v) => v.truncate(len),
            Self::Text(v) => v.truncate(len),
            Self::Bytes(v) => v.truncate(len),
            Self::Array(v) => v.truncate(len),
        }
    }

    /// The values at `indexes`, in that order.
    #[must_use]
    pub fn take(&self, indexes: &[u32]) -> Self {
        fn pick<T: Clone>(v: &[T], indexes: &[u32]) -> Vec<T> {
            indexes.iter().map(|i| v[*i as usize].clone()).collect()
        }
        match self {
            Self::Int(v) => Self::Int(pick(v, indexes)),
            Self::Long(v) => Self::Long(pick(v, indexes)),
            Self::Float(v) => Self::Float(pick(v, indexes)),
            Self::Double(v) => Self::Double(pick(v, indexes)),
            Self::BigDecimal(v) => Self::BigDecimal(pick(v, indexes)),
            Self::Text(_) | Self::Bytes(_) | Self::Array(_) => {
                let mut out = self.empty_like();
                for i in indexes {
                    out.push_from(self, *i as usize);
                }
                out
            }
        }
    }

    /// No values of the same variant (and element variant).
    #[must_use]
    pub fn empty_like(&self) -> Self {
        match self {
            Self::Int(_) => Self::Int(Vec::new()),
            Self::Long(_) => Self::Long(Vec::new()),
            Self::Float(_) => Self::Float(Vec::new()),
            Self::Double(_) => Self::Double(Vec::new()),
            Self::BigDecimal(_) => Self::BigDecimal(Vec::new()),
            Self::Text(_) => Self::Text(TextVec::default()),
            Self::Bytes(_) => Self::Bytes(BytesVec::default()),
            Self::Array(v) => Self::Array(ArrayVec {
                offsets: vec![0],
                items: Box::new(v.items.empty_like()),
            }),
        }
    }
}

/// One typed column slice; a clone shares its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    column_type: ColumnType,
    rows: usize,
    constant: bool,
    values: Arc<Values>,
    nulls: Option<Arc<Vec<bool>>>,
}

impl Block {
    /// A column without nulls.
    #[must_use]
    pub fn new(column_type: impl Into<ColumnType>, values: Values) -> Self {
        let rows = values.len();
        Self {
            column_type: column_type.into(),
            rows,
            constant: false,
            values: Arc::new(values),
            nulls: None,
        }
    }

    /// The same with nulls, true where a row is null; `None` or no true means no nulls.
    #[must_use]
    pub fn with_nulls(mut self, nulls: Option<Vec<bool>>) -> Self {
        let nulls = nulls.filter(|n| n.iter().any(|null| *null));
        self.nulls = nulls.map(Arc::new);
        debug_assert!(
            self.nulls
                .as_ref()
                .is_none_or(|n| n.len() == self.values.len())
        );
        self
    }

    /// The same value in every one of `rows` rows. A null constant takes its type from `column_type`.
    #[must_use]
    pub fn constant(column_type: impl Into<ColumnType>, value: &Value, rows: usize) -> Self {
        let column_type = column_type.into();
        let mut values = Values::empty_of(column_type);
        values.push(value);
        let nulls = value.is_null().then(|| Arc::new(vec![true]));
        Self {
            column_type,
            rows,
            constant: true,
            values: Arc::new(values),
            nulls,
        }
    }

    /// A column from single values, converted to nothing: each must have the type or be null.
    #[must_use]
    pub fn from_values<'a>(
        column_type: impl Into<ColumnType>,
        items: impl IntoIterator<Item = &'a Value>,
    ) -> Self {
        let column_type = column_type.into();
        let mut values = Values::empty_of(column_type);
        let mut nulls = Vec::new();
        for item in items {
            values.push(item);
            nulls.push(item.is_null());
        }
        Self::new(column_type, values).with_nulls(Some(nulls))
    }

    /// The type.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        self.column_type
    }

    /// The same values under another type of the same stored form (LONG as TIMESTAMP, say).
    #[must_use]
    pub fn retyped(mut self, column_type: impl Into<ColumnType>) -> Self {
        self.column_type = column_type.into();
        self
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// True where one element stands for all rows.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// The elements: `rows()` of them, or one where constant.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Takes the elements out; see [`Self::values`].
    #[must_use]
    pub fn into_values(self) -> Values {
        Arc::unwrap_or_clone(self.values)
    }

    /// Null flags, as many as elements; `None` without nulls.
    #[must_use]
    pub fn nulls(&self) -> Option<&[bool]> {
        self.nulls.as_ref().map(|nulls| nulls.as_slice())
    }

    /// Position of a row among the elements.
    #[must_use]
    pub fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// True where the row is null.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls[self.at(row)])
    }

    /// The value of a row.
    #[must_use]
    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        self.values.get(self.at(row), self.column_type.data_type)
    }

    /// The single value of a constant block, `None` where the block is a column.
    #[must_use]
    pub fn constant_value(&self) -> Option<Value> {
        (self.constant).then(|| self.value(0))
    }

    /// The same with one element a row.
    #[must_use]
    pub fn flattened(self) -> Self {
        if !self.constant {
            return self;
        }
        let indexes = vec![0; self.rows];
        let values = self.values.take(&indexes);
        let nulls = self.nulls.map(|n| Arc::new(vec![n[0]; self.rows]));
        Self {
            column_type: self.column_type,
            rows: self.rows,
            constant: false,
            values: Arc::new(values),
            nulls,
        }
    }

    /// The rows at `indexes`, in that order.
    #[must_use]
    pub fn take(&self, indexes: &[u32]) -> Self {
        if self.constant {
            return Self {
                rows: indexes.len(),
                ..self.clone()
            };
        }
        let nulls = self.nulls.as_ref().map(|nulls| {
            indexes
                .iter()
                .map(|i| nulls[*i as usize])
                .collect::<Vec<_>>()
        });
        Self::new(self.column_type, self.values.take(indexes)).with_nulls(nulls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_stand_for_every_row() {
        let block = Block::constant(DataType::String, &Value::String("x".into()), 3);
        assert_eq!(block.rows(), 3);
        assert_eq!(block.value(2), Value::String("x".into()));
        assert_eq!(block.flattened().values().len(), 3);
    }

    #[test]
    fn take_keeps_nulls_and_arrays() {
        let rows = [
            Value::Array(DataType::Int, vec![Value::Int(1), Value::Int(2)]),
            Value::Null,
            Value::Array(DataType::Int, vec![Value::Int(3)]),
        ];
        let block = Block::from_values(ColumnType::mv(DataType::Int), &rows);
        let taken = block.take(&[2, 1, 0]);
        assert_eq!(taken.value(0), rows[2]);
        assert!(taken.is_null(1));
        assert_eq!(taken.value(2), rows[0]);
    }
}
