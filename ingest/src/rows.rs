//! A batch of rows in columns, in schema order, as the pipeline fills it and a mutable segment takes it.
//!
//! Must not know: how values were decoded. Invariant: every column holds `rows()` values and null flags, except while a row is
//! being written, which ends with [`RowBatch::end_row`] or [`RowBatch::roll_back`].

use common::{Schema, Values};

/// One column of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct RowColumn {
    /// Values; a null row holds the column's default.
    pub values: Values,
    /// True where the row is null and the table records nulls of this column.
    pub nulls: Vec<bool>,
}

/// Rows in columns.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBatch {
    columns: Vec<RowColumn>,
    rows: usize,
}

impl RowBatch {
    /// An empty batch with the columns of a schema.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        let columns = schema
            .fields
            .iter()
            .map(|(_, field)| RowColumn {
                values: Values::empty_of(field.column_type()),
                nulls: Vec::new(),
            })
            .collect();
        Self { columns, rows: 0 }
    }

    /// Number of whole rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns in schema order.
    #[must_use]
    pub fn columns(&self) -> &[RowColumn] {
        &self.columns
    }

    /// The columns, to write the next row into.
    pub fn columns_mut(&mut self) -> &mut [RowColumn] {
        &mut self.columns
    }

    /// Ends a row that every column has a value of.
    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Drops the row that is being written.
    pub fn roll_back(&mut self) {
        for column in &mut self.columns {
            column.values.truncate(self.rows);
            column.nulls.truncate(self.rows);
        }
    }

    /// Drops every row and keeps the room.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.roll_back();
    }
}
