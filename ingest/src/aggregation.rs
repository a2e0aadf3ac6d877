//! `aggregationConfigs`: which source field feeds an aggregated column, and what one row contributes.
//!
//! Rows are not rolled up here; who keeps them does, with [`RollUp`]. Must not know: batches.
//! Invariant: the contribution of a row without the source field changes nothing in the aggregate.

use common::table_config::TableConfig;

use crate::error::ConfigError;
use crate::record::{Field, Record};

/// How two values of an aggregated column become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollUp {
    /// Added (SUM, COUNT).
    Sum,
    /// The smaller (MIN).
    Min,
    /// The greater (MAX).
    Max,
}

/// An aggregated column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregated {
    /// The column.
    pub column: String,
    /// The field it is made of; `None` for COUNT(*).
    pub source: Option<String>,
    /// How values meet.
    pub roll_up: RollUp,
}

/// The aggregated columns of a table.
///
/// # Errors
/// Where a function cannot be rolled up in its column.
pub fn aggregated_columns(table: &TableConfig) -> Result<Vec<Aggregated>, ConfigError> {
    let Some(ingestion) = &table.ingestion_config else {
        return Ok(Vec::new());
    };
    ingestion
        .aggregation_configs
        .iter()
        .map(|config| {
            let text = config.aggregation_function.trim();
            let invalid = || ConfigError::Invalid(format!("Invalid aggregation function '{text}'"));
            let (name, rest) = text.split_once('(').ok_or_else(invalid)?;
            let argument = rest.strip_suffix(')').ok_or_else(invalid)?;
            let argument = argument
                .split(',')
                .next()
                .unwrap_or("")
                .trim()
                .trim_matches('"');
            let name = functions::canonical_name(name.trim());
            let roll_up = match name.as_str() {
                "count" | "sum" | "sumprecision" => RollUp::Sum,
                "min" => RollUp::Min,
                "max" => RollUp::Max,
                _ => {
                    return Err(ConfigError::Invalid(format!(
                        "Invalid aggregation function name: {name}"
                    )));
                }
            };
            Ok(Aggregated {
                column: config.column_name.clone(),
                source: (name != "count").then(|| argument.to_owned()),
                roll_up,
            })
        })
        .collect()
}

impl Aggregated {
    /// What a record contributes.
    #[must_use]
    pub fn contribution(&self, record: &Record) -> Field {
        let Some(source) = &self.source else {
            return Field::Int(1);
        };
        match (record.get(source), self.roll_up) {
            (Some(field), _) if !field.is_null() => field.clone(),
            (_, RollUp::Sum) => Field::Int(0),
            (_, RollUp::Min) => Field::Double(f64::INFINITY),
            (_, RollUp::Max) => Field::Double(f64::NEG_INFINITY),
        }
    }
}
