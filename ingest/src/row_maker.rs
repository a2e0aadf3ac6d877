//! From a record to rows: transforms and filter, then each column's conversion.
//!
//! Must not know: how the record was decoded. Invariant: on an error the caller rolls the batch back; a finished row has a value
//! in every column.

use common::{Schema, TableConfig};

use crate::aggregation::{Aggregated, aggregated_columns};
use crate::convert::{ColumnPlan, column_plans};
use crate::error::{ConfigError, RowError};
use crate::pipeline::IngestOutcome;
use crate::record::Record;
use crate::transform::{Fate, Transforms};
use segment::RowBatch;

/// Makes rows of a table's records.
#[derive(Debug)]
pub struct RowMaker {
    empty: RowBatch,
    plans: Vec<ColumnPlan>,
    hints: Vec<usize>,
    continue_on_error: bool,
    transforms: Transforms,
    aggregated: Vec<Aggregated>,
}

impl RowMaker {
    /// The row maker of a table.
    ///
    /// # Errors
    /// Where the schema's defaults or the table's transforms cannot be used.
    pub fn new(schema: &Schema, table: &TableConfig) -> Result<Self, ConfigError> {
        let plans = column_plans(schema, table)?;
        let ingestion = table.ingestion_config.as_ref();
        Ok(Self {
            empty: RowBatch::new(schema).map_err(|e| ConfigError::Invalid(e.to_string()))?,
            hints: (0..plans.len()).collect(),
            plans,
            continue_on_error: ingestion.is_some_and(|i| i.continue_on_error),
            transforms: Transforms::new(schema, table)?,
            aggregated: aggregated_columns(table)?,
        })
    }

    /// An empty batch with this table's columns.
    #[must_use]
    pub fn new_batch(&self) -> RowBatch {
        self.empty.clone()
    }

    /// The columns in schema order.
    #[must_use]
    pub fn plans(&self) -> &[ColumnPlan] {
        &self.plans
    }

    /// True where a record's fields go to their columns unchanged.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.transforms.is_empty() && self.aggregated.is_empty()
    }

    /// Appends the rows of a record.
    ///
    /// # Errors
    /// Where a transform or a conversion fails; the batch then holds part of the record's rows, to be taken back.
    pub fn append(
        &mut self,
        record: Record,
        batch: &mut RowBatch,
        now_ms: i64,
        outcome: &mut IngestOutcome,
    ) -> Result<(), RowError> {
        if self.is_direct() {
            return self.append_row(&record, false, batch, now_ms, outcome);
        }
        let records = self.transforms.unnest(record, now_ms);
        for mut record in records.map_err(RowError::Transform)? {
            let fate = self.transforms.apply(&mut record, now_ms);
            match fate.map_err(RowError::Transform)? {
                Fate::Filtered => outcome.filtered += 1,
                Fate::Row(incomplete) => {
                    // All contributions before the first is set: a column may be the source of another.
                    let contributions: Vec<_> = self
                        .aggregated
                        .iter()
                        .map(|a| a.contribution(&record))
                        .collect();
                    for (aggregated, field) in self.aggregated.iter().zip(contributions) {
                        record.set(&aggregated.column, field);
                    }
                    self.append_row(&record, incomplete, batch, now_ms, outcome)?;
                }
            }
        }
        Ok(())
    }

    fn append_row(
        &mut self,
        record: &Record,
        incomplete: bool,
        batch: &mut RowBatch,
        now_ms: i64,
        outcome: &mut IngestOutcome,
    ) -> Result<(), RowError> {
        let mut incomplete = incomplete;
        let columns = self
            .plans
            .iter()
            .zip(&mut self.hints)
            .zip(batch.columns_mut());
        for ((plan, hint), column) in columns {
            match record.get_near(&plan.name, hint) {
                None => plan.append_null(column, now_ms),
                Some(field) => match plan.append(column, field, now_ms) {
                    Ok(()) => {}
                    Err(_) if self.continue_on_error => {
                        incomplete = true;
                        plan.append_null(column, now_ms);
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
        outcome.rows += 1;
        outcome.incomplete += usize::from(incomplete);
        Ok(())
    }
}
