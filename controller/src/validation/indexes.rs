//! The rules of indexes: which columns they may be on.
//!
//! Must not know: how an index is built. Invariant: every column that a config names is of the schema.

use common::{DataType, FieldSpec, Schema, TableConfig};
use serde_json::Value as Json;

use super::{Verdict, refuse};

/// Checks every index of a config.
pub(crate) fn check(config: &TableConfig, schema: &Schema) -> Verdict {
    let index = &config.table_index_config;
    no_dictionary(config, schema)?;
    for column in &index.bloom_filter_columns {
        bloom(field(schema, column)?)?;
    }
    for column in keys(index.extra.get("bloomFilterConfigs")) {
        bloom(field(schema, column)?)?;
    }
    for column in &index.inverted_index_columns {
        field(schema, column)?;
    }
    for column in &index.range_index_columns {
        range(config, field(schema, column)?)?;
    }
    for column in index
        .json_index_columns
        .iter()
        .chain(index.json_index_configs.keys())
    {
        json(field(schema, column)?)?;
    }
    for key in ["onHeapDictionaryColumns", "varLengthDictionaryColumns"] {
        for column in texts(index.extra.get(key)) {
            field(schema, column)?;
        }
    }
    sorted(config, schema)?;
    partitions(config, schema)?;
    field_configs(config, schema)
}

fn texts(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

fn keys(map: Option<&Json>) -> impl Iterator<Item = &String> {
    map.and_then(Json::as_object)
        .into_iter()
        .flat_map(|m| m.keys())
}

fn field<'a>(schema: &'a Schema, column: &str) -> Result<&'a FieldSpec, String> {
    schema
        .field(column)
        .ok_or_else(|| format!("Failed to find column: {column} in schema"))
}

fn no_dictionary(config: &TableConfig, schema: &Schema) -> Verdict {
    let index = &config.table_index_config;
    for column in index
        .no_dictionary_columns
        .iter()
        .chain(index.no_dictionary_config.keys())
    {
        field(schema, column)?;
    }
    Ok(())
}

fn bloom(field: &FieldSpec) -> Verdict {
    let (name, kind) = (&field.name, field.data_type);
    refuse(matches!(kind, DataType::Boolean | DataType::Map), || {
        format!("Cannot create bloom filter on {kind} column: {name}")
    })
}

fn range(config: &TableConfig, field: &FieldSpec) -> Verdict {
    let name = &field.name;
    let numeric = field.data_type.stored().is_numeric();
    refuse(config.is_raw(name) && !numeric, || {
        format!("Cannot create range index on non-numeric column: {name} without dictionary")
    })
}

fn json(field: &FieldSpec) -> Verdict {
    let name = &field.name;
    refuse(!field.single_value_field, || {
        format!("Cannot create JSON index on multi-value column: {name}")
    })?;
    let textual = matches!(
        field.data_type,
        DataType::String | DataType::Json | DataType::Map
    );
    refuse(!textual, || {
        format!(
            "Cannot create JSON index on column: {name} of stored type other than STRING or MAP"
        )
    })
}

fn sorted(config: &TableConfig, schema: &Schema) -> Verdict {
    for column in &config.table_index_config.sorted_column {
        let field = schema
            .field(column)
            .ok_or_else(|| format!("Failed to find sorted column: {column} in schema"))?;
        refuse(!field.single_value_field, || {
            format!("Cannot sort on multi-value column: {column}")
        })?;
    }
    Ok(())
}

fn partitions(config: &TableConfig, schema: &Schema) -> Verdict {
    let map = config
        .table_index_config
        .segment_partition_config
        .as_ref()
        .and_then(|c| c.get("columnPartitionMap"));
    for column in keys(map) {
        let field = schema
            .field(column)
            .ok_or_else(|| format!("Failed to find partition column: {column} in schema"))?;
        refuse(!field.single_value_field, || {
            format!("Cannot partition on multi-value column: {column}")
        })?;
    }
    Ok(())
}

fn field_configs(config: &TableConfig, schema: &Schema) -> Verdict {
    let mut seen = std::collections::BTreeSet::new();
    for of_field in &config.field_config_list {
        let name = of_field.name.as_str();
        refuse(!seen.insert(name), || {
            format!("Duplicate FieldConfig for column: {name}")
        })?;
        let spec = field(schema, name)?;
        if of_field.asks_for("json") {
            json(spec)?;
        }
        if of_field.asks_for("bloom") {
            bloom(spec)?;
        }
        if of_field.asks_for("range") {
            range(config, spec)?;
        }
        of_field_config(config, spec, &|id| of_field.asks_for(id))?;
    }
    Ok(())
}

fn of_field_config(config: &TableConfig, spec: &FieldSpec, asks: &dyn Fn(&str) -> bool) -> Verdict {
    let name = &spec.name;
    let text = spec.data_type == DataType::String;
    refuse(asks("text") && !text, || {
        format!("Cannot create TEXT index on column: {name} of stored type other than STRING")
    })?;
    if asks("fst") || asks("ifst") {
        let kind = if asks("fst") { "FST" } else { "IFST" };
        refuse(config.is_raw(name), || {
            format!("Cannot create {kind} index on column: {name} without dictionary")
        })?;
        refuse(!text || !spec.single_value_field, || {
            format!(
                "Cannot create {kind} index on column: {name} that is not a single-value STRING"
            )
        })?;
    }
    refuse(
        asks("h3") && (spec.data_type != DataType::Bytes || !spec.single_value_field),
        || format!("Cannot create H3 index on column: {name} of stored type other than BYTES"),
    )?;
    let vector = spec.data_type == DataType::Float && !spec.single_value_field;
    refuse(asks("vector") && !vector, || {
        format!("Cannot create VECTOR index on column: {name} of type other than FLOAT_ARRAY")
    })?;
    refuse(
        asks("timestamp") && spec.data_type.stored() != DataType::Long,
        || {
            format!(
                "Cannot create TIMESTAMP index on column: {name} of stored type other than LONG"
            )
        },
    )
}
