//! `enrichmentConfigs`: fields that are made before anything else looks at a record, whatever it holds already.
//!
//! Must not know: columns. Invariant: functions are evaluated in the order of their config, and a later one sees what an earlier one made.

use common::TableConfig;
use serde_json::Value as Json;

use super::{Expression, invalid, is_groovy};
use crate::error::ConfigError;
use crate::record::Record;

/// The enrichers of a table that run at the same point.
#[derive(Debug, Default)]
pub(super) struct Enrichers(Vec<(String, Expression)>);

impl Enrichers {
    /// Those that run before (`early`) or after flattening.
    pub(super) fn new(table: &TableConfig, early: bool) -> Result<Self, ConfigError> {
        let configured = table
            .ingestion_config
            .as_ref()
            .and_then(|ingestion| ingestion.extra.get("enrichmentConfigs"))
            .and_then(Json::as_array);
        let mut made = Vec::new();
        for config in configured.into_iter().flatten() {
            let is_early = config.get("preComplexTypeTransform") == Some(&Json::Bool(true));
            if is_early == early {
                add(config, &mut made)?;
            }
        }
        Ok(Self(made))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the fields.
    pub(super) fn apply(&mut self, record: &mut Record, now_ms: i64) -> Result<(), String> {
        for (field, expression) in &mut self.0 {
            let value = expression
                .evaluate(record, now_ms)
                .map_err(|error| format!("field `{field}`: {error}"))?;
            record.set(field, value);
        }
        Ok(())
    }
}

fn add(config: &Json, made: &mut Vec<(String, Expression)>) -> Result<(), ConfigError> {
    let kind = config.get("enricherType").and_then(Json::as_str);
    if kind != Some("generateColumn") {
        return Err(invalid(format!(
            "No record enricher found for type: {}, expected generateColumn",
            kind.unwrap_or("null")
        )));
    }
    let functions = config
        .get("properties")
        .and_then(|properties| properties.get("fieldToFunctionMap"))
        .and_then(Json::as_object);
    for (field, function) in functions.into_iter().flatten() {
        let function = function.as_str().unwrap_or_default();
        if is_groovy(function) {
            return Err(invalid(
                "Groovy expression is not allowed for enrichment".to_owned(),
            ));
        }
        let expression = Expression::parse(function).map_err(|error| {
            invalid(format!(
                "Invalid enrichment function '{function}' for field '{field}', exception: {error}"
            ))
        })?;
        made.push((field.clone(), expression));
    }
    Ok(())
}
