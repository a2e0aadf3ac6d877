//! A batch of rows on their way into a segment: one typed column each in schema order, reused from batch to batch.
//!
//! Must not know: where rows come from. Invariant: values have the stored type of their column; a null row holds the
//! column's default and is listed in `nulls`.

use common::{Schema, Value, Values};

use crate::error::{Result, SegmentError};

/// One column of a batch.
#[derive(Debug, Clone)]
pub struct BatchColumn {
    /// Values, one a row, in stored form.
    pub values: Values,
    /// Rows of this batch that are null, ascending.
    pub nulls: Vec<u32>,
    default: Value,
}

impl BatchColumn {
    /// Values without nulls.
    pub(crate) fn of(values: Values) -> Self {
        Self {
            values,
            nulls: Vec::new(),
            default: Value::Null,
        }
    }

    /// Appends a null: the default value, and the row among the nulls.
    pub fn push_null(&mut self) {
        self.nulls.push(self.values.len() as u32);
        self.values.push(&self.default);
    }

    /// Appends a value that already has the column's type; null and values of other types become null.
    pub fn push(&mut self, value: &Value) {
        let fits = match (&self.values, value) {
            (Values::Array(_), Value::Array(_, items)) => {
                !items.is_empty() && items.iter().all(|item| fits(&self.default, item))
            }
            (Values::Array(_), _) => false,
            _ => fits(&self.default, value),
        };
        if fits {
            self.values.push(value);
        } else {
            self.push_null();
        }
    }

    /// True where the row is null.
    #[must_use]
    pub fn is_null(&self, row: u32) -> bool {
        self.nulls.binary_search(&row).is_ok()
    }

    /// Appends a row of a column of the same type.
    pub fn push_from(&mut self, other: &Self, row: u32) {
        if other.is_null(row) {
            self.nulls.push(self.values.len() as u32);
        }
        self.values.push_from(&other.values, row as usize);
    }

    /// What a null row holds.
    #[must_use]
    pub fn default_value(&self) -> &Value {
        &self.default
    }
}

fn fits(default: &Value, value: &Value) -> bool {
    let default = match default {
        Value::Array(_, items) => items.first().unwrap_or(&Value::Null),
        other => other,
    };
    !value.is_null()
        && default.column_type().data_type.stored() == value.column_type().data_type.stored()
}

/// Rows by column.
#[derive(Debug, Clone)]
pub struct RowBatch {
    columns: Vec<BatchColumn>,
}

impl AsRef<RowBatch> for RowBatch {
    fn as_ref(&self) -> &RowBatch {
        self
    }
}

impl RowBatch {
    /// An empty batch with the columns of a schema, in its order.
    ///
    /// # Errors
    /// Where a default null value has no form in its column's type.
    pub fn new(schema: &Schema) -> Result<Self> {
        let mut columns = Vec::with_capacity(schema.fields.len());
        for (role, field) in &schema.fields {
            let default = field
                .null_value(*role)
                .map_err(|e| SegmentError::Config(format!("column `{}`: {e}", field.name)))?;
            let column_type = field.column_type();
            columns.push(BatchColumn {
                values: Values::empty_of(column_type),
                nulls: Vec::new(),
                default: if column_type.multi {
                    Value::Array(column_type.data_type, vec![default])
                } else {
                    default
                },
            });
        }
        Ok(Self { columns })
    }

    /// Rows: as many as the shortest column has, so that a row counts once every column took its value.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.values.len())
            .min()
            .unwrap_or(0)
    }

    /// Columns in schema order.
    #[must_use]
    pub fn columns(&self) -> &[BatchColumn] {
        &self.columns
    }

    /// Columns in schema order, to be filled.
    pub fn columns_mut(&mut self) -> &mut [BatchColumn] {
        &mut self.columns
    }

    /// Keeps the first `rows` rows: takes back a row that failed halfway.
    pub fn truncate(&mut self, rows: usize) {
        for column in &mut self.columns {
            column.values.truncate(rows);
            while column.nulls.last().is_some_and(|row| *row as usize >= rows) {
                column.nulls.pop();
            }
        }
    }

    /// Keeps these rows, which ascend.
    pub fn keep(&mut self, rows: &[u32]) {
        for column in &mut self.columns {
            let mut kept = BatchColumn {
                values: column.values.empty_like(),
                nulls: Vec::new(),
                default: column.default.clone(),
            };
            for row in rows {
                kept.push_from(column, *row);
            }
            *column = kept;
        }
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(0);
    }
}
