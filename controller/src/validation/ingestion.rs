//! The rules of ingestion: transforms, filter, complex types, aggregation.
//!
//! Must not know: how an expression is evaluated. Invariant: every derived column is of the schema and made once.

use common::{DataType, FieldRole, Schema, TableConfig};

use super::{Verdict, refuse};

/// Checks the ingestion config.
pub(crate) fn check(config: &TableConfig, schema: &Schema) -> Verdict {
    if config.table_index_config.aggregate_metrics {
        aggregate_metrics(config, schema)?;
    }
    let Some(ingestion) = &config.ingestion_config else {
        return Ok(());
    };
    if let Some(filter) = ingestion
        .filter_config
        .as_ref()
        .and_then(|f| f.filter_function.as_deref())
    {
        refuse(is_groovy(filter), || {
            format!("Groovy filter functions are disabled for table config. Found '{filter}'")
        })?;
        expression(filter)
            .map_err(|why| format!("Invalid filter function '{filter}', exception: {why}"))?;
    }
    aggregations(config, schema)?;
    transforms(config, schema)?;
    if ["enrichmentConfigs", "schemaConformingTransformerConfig"]
        .iter()
        .any(|key| ingestion.extra.contains_key(*key))
    {
        ingest::transform::Transforms::new(schema, config)
            .map(drop)
            .map_err(|error| error.to_string())?;
    }
    if let Some(complex) = &ingestion.complex_type_config {
        for prefix in complex.prefixes_to_rename.keys() {
            let clash = schema
                .fields
                .iter()
                .find(|(_, f)| f.name.starts_with(prefix.as_str()));
            if let Some((_, field)) = clash {
                return Err(format!(
                    "Fields in the schema may not begin with any prefix specified in the prefixesToRename config. Name conflict with field: {} and prefix: {prefix}",
                    field.name
                ));
            }
        }
    }
    Ok(())
}

fn is_groovy(function: &str) -> bool {
    function
        .trim_start()
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("groovy"))
}

/// The columns that an expression reads, or why it is none.
fn expression(text: &str) -> Result<Vec<String>, String> {
    let expression = ingest::transform::Expression::parse(text)?;
    Ok(expression
        .columns()
        .into_iter()
        .map(str::to_owned)
        .collect())
}

fn transforms(config: &TableConfig, schema: &Schema) -> Verdict {
    let Some(ingestion) = &config.ingestion_config else {
        return Ok(());
    };
    let mut seen = std::collections::BTreeSet::new();
    for transform in &ingestion.transform_configs {
        let (column, function) = (&transform.column_name, &transform.transform_function);
        refuse(column.is_empty() || function.is_empty(), || {
            format!(
                "columnName/transformFunction cannot be null in TransformConfig {{\"columnName\":\"{column}\"}}"
            )
        })?;
        refuse(!seen.insert(column), || {
            format!("Duplicate transform config found for column '{column}'")
        })?;
        let source = ingestion
            .aggregation_configs
            .iter()
            .any(|a| a.aggregation_function.contains(column.as_str()));
        refuse(schema.field(column).is_none() && !source, || {
            format!(
                "The destination column '{column}' of the transform function must be present in the schema or as a source column for aggregations"
            )
        })?;
        refuse(is_groovy(function), || {
            format!(
                "Groovy transform functions are disabled for table config. Found '{function}' for column '{column}'"
            )
        })?;
        let arguments = expression(function).map_err(|why| {
            format!(
                "Invalid transform function '{function}' for column '{column}', exception: {why}"
            )
        })?;
        refuse(arguments.contains(column), || {
            format!(
                "Arguments of a transform function '[{}]' cannot contain the destination column '{column}'",
                arguments.join(", ")
            )
        })?;
    }
    Ok(())
}

/// Aggregations that ingestion can keep in a column.
const AGGREGATIONS: &[&str] = &[
    "count",
    "sum",
    "min",
    "max",
    "distinctcounthll",
    "distinctcounthllplus",
    "sumprecision",
];

fn aggregations(config: &TableConfig, schema: &Schema) -> Verdict {
    let Some(ingestion) = config
        .ingestion_config
        .as_ref()
        .filter(|i| !i.aggregation_configs.is_empty())
    else {
        return Ok(());
    };
    refuse(config.table_index_config.aggregate_metrics, || {
        "aggregateMetrics cannot be set with AggregationConfig".to_owned()
    })?;
    refuse(
        config.upsert_config.is_some() || config.dedup_config.is_some(),
        || "Metrics aggregation and upsert/dedup cannot be enabled together".to_owned(),
    )?;
    let mut seen = std::collections::BTreeSet::new();
    for one in &ingestion.aggregation_configs {
        let (column, function) = (&one.column_name, &one.aggregation_function);
        refuse(column.is_empty() || function.is_empty(), || {
            "columnName/aggregationFunction cannot be null in AggregationConfig".to_owned()
        })?;
        let metric = schema.field_with_role(column);
        let Some((role, field)) = metric else {
            return Err(format!(
                "The destination column '{column}' of the aggregation function must be present in the schema"
            ));
        };
        refuse(role != FieldRole::Metric, || {
            format!(
                "The destination column '{column}' of the aggregation function must be a metric column"
            )
        })?;
        refuse(!seen.insert(column), || {
            format!("Duplicate aggregation config found for column '{column}'")
        })?;
        let name = function
            .split('(')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
            .replace('_', "");
        refuse(!AGGREGATIONS.contains(&name.as_str()), || {
            format!("Invalid aggregation function name: {name}")
        })?;
        sketch(&name, column, field.data_type)?;
        arguments(&name, function)?;
        refuse(!config.is_raw(column), || {
            format!("Aggregated column: {column} must be a no-dictionary column")
        })?;
    }
    let all = schema
        .fields
        .iter()
        .filter(|(role, _)| *role == FieldRole::Metric)
        .all(|(_, f)| seen.contains(&f.name));
    refuse(!all, || "all metric columns must be aggregated".to_owned())
}

/// How many arguments an aggregation takes; the first is a column.
fn arguments(name: &str, function: &str) -> Verdict {
    let inner = function.split_once('(').map(|(_, rest)| rest.trim_end());
    let Some(inner) = inner.and_then(|rest| rest.strip_suffix(')')) else {
        return Err(format!(
            "aggregation function must be a function for: {function}"
        ));
    };
    let given: Vec<&str> = inner.split(',').map(str::trim).collect();
    let (least, most) = match name {
        "distinctcounthll" => (1, 2),
        "distinctcounthllplus" => (1, 3),
        "sumprecision" => (2, 3),
        _ => (1, 1),
    };
    refuse(given.len() < least || given.len() > most, || {
        format!("{name} takes {least} to {most} arguments: {function}")
    })?;
    let first = given.first().copied().unwrap_or_default().trim_matches('"');
    let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '*' | ' ' | '-');
    let number = first.parse::<f64>().is_ok();
    refuse(
        first.is_empty() || number || !first.chars().all(named),
        || {
            format!(
                "First argument of aggregation function: {name} must be identifier, got: {first}"
            )
        },
    )?;
    let digits = |text: &&&str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    refuse(!given.iter().skip(1).all(|text| digits(&text)), || {
        format!("Arguments of {name} after the first must be numbers: {function}")
    })
}

fn sketch(name: &str, column: &str, data_type: DataType) -> Verdict {
    let bytes = name.starts_with("distinctcount");
    refuse(bytes && data_type != DataType::Bytes, || {
        format!("Aggregated column: {column} must be of type BYTES for {name}")
    })
}

fn aggregate_metrics(config: &TableConfig, schema: &Schema) -> Verdict {
    for (role, field) in &schema.fields {
        let name = &field.name;
        if *role == FieldRole::Metric {
            refuse(!config.is_raw(name), || {
                format!(
                    "Metric column: {name} must be a no-dictionary column when metrics aggregation is enabled"
                )
            })?;
        } else {
            refuse(!field.single_value_field, || {
                format!(
                    "Metrics aggregation cannot be enabled with multi-value dimension column: {name}"
                )
            })?;
        }
    }
    Ok(())
}
