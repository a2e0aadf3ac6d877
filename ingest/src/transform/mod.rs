//! What happens to a record between decoding and conversion: enrichment, flattening and unnesting, derived columns, the filter, and
//! what makes a record fit its schema.
//!
//! Must not know: messages, batches. Invariant: derived columns are computed in the order of their dependencies, and only where
//! the record has no value of its own.

mod complex;
mod conform;
mod enrich;
mod expression;
mod native;

use common::table_config::ComplexTypeConfig;
use common::{DataType, Schema, TableConfig};

use crate::error::ConfigError;
use crate::record::Record;
use complex::ComplexTypes;
use conform::Conforming;
use enrich::Enrichers;
pub use expression::Expression;

/// The transforms of a table.
#[derive(Debug, Default)]
pub struct Transforms {
    /// Before flattening, and after it.
    enrichers: [Enrichers; 2],
    complex: Option<ComplexTypes>,
    derived: Vec<Derived>,
    filter: Option<Expression>,
    conforming: Option<Conforming>,
    continue_on_error: bool,
}

#[derive(Debug)]
struct Derived {
    column: String,
    /// True where a collection in the record does not fit the column, so that the transform replaces it.
    replaces_collections: bool,
    expression: Expression,
}

/// What became of one record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It becomes a row; true where a transform failed and its column is left null.
    Row(bool),
    /// The filter drops it.
    Filtered,
}

impl Transforms {
    /// The transforms of a table.
    ///
    /// # Errors
    /// In Pinot's words, where an expression cannot be parsed, names an unknown function, or depends on itself.
    pub fn new(schema: &Schema, table: &TableConfig) -> Result<Self, ConfigError> {
        let Some(config) = &table.ingestion_config else {
            return Ok(Self::default());
        };
        let mut derived: Vec<Derived> = Vec::new();
        let old_style = schema.fields.iter().filter_map(|(_, field)| {
            let function = field.transform_function.as_deref()?;
            Some((field.name.as_str(), function))
        });
        let configured = config
            .transform_configs
            .iter()
            .map(|t| (t.column_name.as_str(), t.transform_function.as_str()));
        for (column, function) in configured.chain(old_style) {
            if derived.iter().any(|d| d.column == column) {
                return Err(invalid(format!(
                    "Duplicate transform config found for column '{column}'"
                )));
            }
            let aggregated = config
                .aggregation_configs
                .iter()
                .any(|a| a.aggregation_function.contains(column));
            if schema.field(column).is_none() && !aggregated {
                return Err(invalid(format!(
                    "The destination column '{column}' of the transform function must be present in the schema or as a \
                     source column for aggregations"
                )));
            }
            derived.push(Derived::new(schema, column, function)?);
        }
        if let Some(complex) = &config.complex_type_config {
            check_prefixes(schema, complex)?;
        }
        let filter = config
            .filter_config
            .as_ref()
            .and_then(|f| f.filter_function.as_deref())
            .map(|function| {
                if is_groovy(function) {
                    return Err(invalid(format!(
                        "Groovy filter functions are disabled for table config. Found '{function}'"
                    )));
                }
                Expression::parse(function).map_err(|e| {
                    invalid(format!(
                        "Invalid filter function '{function}', exception: {e}"
                    ))
                })
            })
            .transpose()?;
        Ok(Self {
            enrichers: [Enrichers::new(table, true)?, Enrichers::new(table, false)?],
            conforming: Conforming::new(schema, table)?,
            complex: config.complex_type_config.as_ref().map(ComplexTypes::new),
            derived: in_order(derived)?,
            filter,
            continue_on_error: config.continue_on_error,
        })
    }

    /// True where records pass unchanged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.complex.is_none()
            && self.derived.is_empty()
            && self.filter.is_none()
            && self.conforming.is_none()
            && self.enrichers.iter().all(Enrichers::is_empty)
    }

    /// Flattens and unnests: one record or several.
    pub(crate) fn unnest(
        &mut self,
        mut record: Record,
        now_ms: i64,
    ) -> Result<Vec<Record>, String> {
        self.enrichers[0].apply(&mut record, now_ms)?;
        Ok(match &self.complex {
            Some(complex) => complex.apply(record),
            None => vec![record],
        })
    }

    /// Computes the derived columns and asks the filter.
    pub(crate) fn apply(&mut self, record: &mut Record, now_ms: i64) -> Result<Fate, String> {
        let mut incomplete = false;
        self.enrichers[1].apply(record, now_ms)?;
        for derived in &mut self.derived {
            let own = record.get(&derived.column);
            let keeps = own.is_some_and(|field| {
                !field.is_null() && (!derived.replaces_collections || !field.is_collection())
            });
            if keeps {
                continue;
            }
            match derived.expression.evaluate(record, now_ms) {
                Ok(field) => record.set(&derived.column, field),
                Err(_) if self.continue_on_error => incomplete = true,
                Err(error) => {
                    return Err(format!("column `{}`: {error}", derived.column));
                }
            }
        }
        if let Some(filter) = &mut self.filter {
            match filter.evaluate_condition(record, now_ms) {
                Ok(Some(true)) => return Ok(Fate::Filtered),
                Ok(_) => {}
                Err(_) if self.continue_on_error => incomplete = true,
                Err(error) => return Err(format!("filter: {error}")),
            }
        }
        if let Some(conforming) = &self.conforming {
            *record = conforming.apply(std::mem::take(record));
        }
        Ok(Fate::Row(incomplete))
    }
}

fn invalid(text: String) -> ConfigError {
    ConfigError::Invalid(text)
}

impl Derived {
    fn new(schema: &Schema, column: &str, function: &str) -> Result<Self, ConfigError> {
        if is_groovy(function) {
            return Err(invalid(format!(
                "Groovy transform functions are disabled for table config. Found '{function}' for column '{column}'"
            )));
        }
        let expression = Expression::parse(function).map_err(|e| {
            invalid(format!(
                "Invalid transform function '{function}' for column '{column}', exception: {e}"
            ))
        })?;
        if expression.columns().contains(&column) {
            let arguments = expression.columns().join(", ");
            return Err(invalid(format!(
                "Arguments of a transform function '[{arguments}]' cannot contain the destination column '{column}'"
            )));
        }
        let field = schema.field(column);
        let replaces = field.is_some_and(|f| {
            f.single_value_field && !matches!(f.data_type, DataType::Json | DataType::Map)
        });
        Ok(Self {
            column: column.to_owned(),
            replaces_collections: replaces,
            expression,
        })
    }
}

/// A renamed field must not hide a column.
fn check_prefixes(schema: &Schema, complex: &ComplexTypeConfig) -> Result<(), ConfigError> {
    for prefix in complex.prefixes_to_rename.keys() {
        let hidden = schema
            .fields
            .iter()
            .find(|(_, field)| field.name.starts_with(prefix.as_str()));
        if let Some((_, field)) = hidden {
            return Err(invalid(format!(
                "Fields in the schema may not begin with any prefix specified in the prefixesToRename config. Name conflict \
                 with field: {} and prefix: {prefix}",
                field.name
            )));
        }
    }
    Ok(())
}

fn is_groovy(function: &str) -> bool {
    let head = function.trim_start().get(..6);
    head.is_some_and(|head| head.eq_ignore_ascii_case("groovy"))
}

/// Arguments before the columns made of them.
fn in_order(mut waiting: Vec<Derived>) -> Result<Vec<Derived>, ConfigError> {
    let mut ordered: Vec<Derived> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|candidate| {
            let arguments = candidate.expression.columns();
            !waiting
                .iter()
                .any(|other| arguments.contains(&other.column.as_str()))
        });
        let Some(ready) = ready else {
            let names: Vec<&str> = waiting.iter().map(|d| d.column.as_str()).collect();
            return Err(invalid(format!(
                "Expression cycle found among the transforms of columns: {}",
                names.join(", ")
            )));
        };
        ordered.push(waiting.remove(ready));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests;
