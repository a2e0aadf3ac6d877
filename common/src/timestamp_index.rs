//! The timestamp index: hidden columns that hold a time cut to a unit, `$ts$DAY`, made and read in place of `dateTrunc('DAY', ts)`.
//!
//! Must not know: segments, queries. Invariant: adding the columns twice adds them once.

use serde_json::Value as Json;

use crate::table_config::{FieldConfig, TransformConfig};
use crate::{ColumnType, DataType, FieldRole, FieldSpec, Schema, TableConfig};

/// Units with the granularity that their columns declare.
const GRANULARITIES: [(&str, &str); 9] = [
    ("MILLISECOND", "1:MILLISECONDS"),
    ("SECOND", "1:SECONDS"),
    ("MINUTE", "1:MINUTES"),
    ("HOUR", "1:HOURS"),
    ("DAY", "1:DAYS"),
    ("WEEK", "7:DAYS"),
    ("MONTH", "30:DAYS"),
    ("QUARTER", "90:DAYS"),
    ("YEAR", "365:DAYS"),
];

/// The name of the column that holds another one's times cut to a unit.
#[must_use]
pub fn column_name(column: &str, unit: &str) -> String {
    format!("${column}${unit}")
}

/// The column and the unit of such a name; `None` for any other name.
#[must_use]
pub fn parts(name: &str) -> Option<(&str, &str)> {
    let (column, unit) = name.strip_prefix('$')?.rsplit_once('$')?;
    let known = GRANULARITIES.iter().any(|(known, _)| *known == unit);
    (known && !column.is_empty()).then_some((column, unit))
}

/// The units that an entry of `fieldConfigList` asks for, in upper case.
fn units(config: &FieldConfig) -> Vec<String> {
    let newer = config.indexes.get("timestamp");
    let newer = newer.filter(|options| options.get("disabled") != Some(&Json::Bool(true)));
    let listed = |options: Option<&Json>| {
        let list = options.and_then(|o| o.get("granularities")?.as_array());
        let texts = list.into_iter().flatten().filter_map(Json::as_str);
        texts.map(str::to_ascii_uppercase).collect::<Vec<_>>()
    };
    let mut units = listed(config.timestamp_config.as_ref());
    units.extend(listed(newer));
    units
}

/// Adds what the timestamp indexes of a table need: columns to the schema, transforms that fill them, range indexes.
pub fn add_columns(schema: &mut Schema, table: &mut TableConfig) {
    let mut wanted = Vec::new();
    for config in &table.field_config_list {
        let fits = schema
            .field(&config.name)
            .is_some_and(|f| f.single_value_field && f.data_type.stored() == DataType::Long);
        if fits {
            let units = units(config).into_iter();
            wanted.extend(units.map(|unit| (config.name.clone(), unit)));
        }
    }
    for (column, unit) in wanted {
        let known = GRANULARITIES.iter().find(|(known, _)| *known == unit);
        let name = column_name(&column, &unit);
        let Some((_, granularity)) = known.filter(|_| schema.field(&name).is_none()) else {
            continue;
        };
        let mut field = FieldSpec::new(&name, ColumnType::sv(DataType::Timestamp));
        field.format = Some("TIMESTAMP".to_owned());
        field.granularity = Some((*granularity).to_owned());
        schema.fields.push((FieldRole::DateTime, field));
        let ingestion = table.ingestion_config.get_or_insert_default();
        ingestion.transform_configs.push(TransformConfig {
            column_name: name.clone(),
            transform_function: format!("dateTrunc('{unit}', \"{column}\")"),
        });
        let ranges = &mut table.table_index_config.range_index_columns;
        if !ranges.contains(&name) {
            ranges.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_add_hidden_columns_once() {
        let read = |json: Json| serde_json::from_value(json);
        let schema: Result<Schema, _> = serde_json::from_value(serde_json::json!({
            "schemaName": "t",
            "dateTimeFieldSpecs": [
                {"name": "ts", "dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"},
                {"name": "at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]
        }));
        let table: Result<TableConfig, _> = read(serde_json::json!({
            "tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {}, "tableIndexConfig": {},
            "fieldConfigList": [
                {"name": "ts", "indexTypes": ["TIMESTAMP"], "timestampConfig": {"granularities": ["DAY", "MONTH"]}},
                {"name": "at", "indexes": {"timestamp": {"granularities": ["week", "EON"]}}}]
        }));
        let (mut schema, mut table) = (schema.unwrap(), table.unwrap());
        for _ in 0..2 {
            add_columns(&mut schema, &mut table);
        }
        let names: Vec<_> = schema.fields.iter().map(|(_, f)| f.name.as_str()).collect();
        assert_eq!(names, ["ts", "at", "$ts$DAY", "$ts$MONTH", "$at$WEEK"]);
        let transforms = table.ingestion_config.unwrap().transform_configs;
        assert_eq!(transforms.len(), 3);
        assert_eq!(
            transforms[2].transform_function,
            "dateTrunc('WEEK', \"at\")"
        );
        assert_eq!(parts("$a$b$DAY"), Some(("a$b", "DAY")));
        assert_eq!(
            (parts("$docId"), parts("$ts$"), parts("ts$DAY")),
            (None, None, None)
        );
    }
}
