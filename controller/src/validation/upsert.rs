//! The rules of upsert and dedup.
//!
//! Must not know: how rows are replaced. Invariant: a table with either has a key and strict replica groups.

use common::table_config::comparison_columns;
use common::{DataType, FieldRole, FieldSpec, Schema, TableConfig, TableType};
use serde_json::Value as Json;

use super::{Verdict, refuse};

/// Checks upsert and dedup; a table with neither passes.
pub(crate) fn check(config: &TableConfig, schema: &Schema) -> Verdict {
    let upsert = config
        .upsert_config
        .as_ref()
        .filter(|u| u.get("mode").and_then(Json::as_str) != Some("NONE"));
    let dedup = config
        .dedup_config
        .as_ref()
        .filter(|d| d.get("dedupEnabled") != Some(&Json::Bool(false)));
    if upsert.is_none() && dedup.is_none() {
        return Ok(());
    }
    refuse(upsert.is_some() && dedup.is_some(), || {
        "A table can have either Upsert or Dedup enabled, but not both".to_owned()
    })?;
    common(config, schema)?;
    if let Some(dedup) = dedup {
        self::dedup(config, dedup, schema)?;
    }
    match upsert {
        Some(upsert) => self::upsert(config, upsert, schema),
        None => Ok(()),
    }
}

fn common(config: &TableConfig, schema: &Schema) -> Verdict {
    refuse(schema.primary_key_columns.is_empty(), || {
        "Upsert/Dedup table must have primary key columns in the schema".to_owned()
    })?;
    for key in &schema.primary_key_columns {
        refuse(
            schema.field(key).is_some_and(|f| !f.single_value_field),
            || {
                format!(
                    "Upsert/Dedup table primary key column: {key} cannot be of multi-value type"
                )
            },
        )?;
    }
    let selector = config
        .extra
        .get("routing")
        .and_then(|r| r.get("instanceSelectorType"))
        .and_then(Json::as_str)
        .unwrap_or_default();
    let strict = selector.eq_ignore_ascii_case("strictReplicaGroup")
        || selector.eq_ignore_ascii_case("multiStageReplicaGroup");
    refuse(config.table_type == TableType::Realtime && !strict, || {
        "Upsert/Dedup table must use strict replica-group (i.e. strictReplicaGroup) based routing"
            .to_owned()
    })?;
    placement(config)
}

/// Segments of a partition stay together.
fn placement(config: &TableConfig) -> Verdict {
    if config.table_type != TableType::Realtime {
        return Ok(());
    }
    let tags = config.tenants.extra.get("tagOverrideConfig");
    let tag = |key: &str| tags.and_then(|tags| tags.get(key));
    refuse(
        ["realtimeConsuming", "realtimeCompleted"]
            .iter()
            .any(|key| tag(key).is_some_and(|value| !value.is_null())),
        || "Invalid tenant tag override used for Upsert/Dedup table".to_owned(),
    )?;
    let assigned = config.extra.get("instanceAssignmentConfigMap");
    refuse(
        assigned.is_some_and(|map| map.get("COMPLETED").is_some()),
        || "COMPLETED instance partitions can't be configured for upsert / dedup tables".to_owned(),
    )?;
    refuse(config.table_index_config.aggregate_metrics, || {
        "Metrics aggregation and upsert cannot be enabled together".to_owned()
    })
}

fn dedup(config: &TableConfig, dedup: &Json, schema: &Schema) -> Verdict {
    refuse(config.table_type != TableType::Realtime, || {
        "Dedup is not supported for OFFLINE table".to_owned()
    })?;
    let ttl = dedup
        .get("metadataTTL")
        .and_then(Json::as_f64)
        .unwrap_or_default();
    let column = dedup
        .get("dedupTimeColumn")
        .and_then(Json::as_str)
        .or(config.segments_config.time_column_name.as_deref())
        .unwrap_or_default();
    if ttl > 0.0 {
        let numeric = schema
            .field(column)
            .is_some_and(|f| f.data_type.stored().is_numeric());
        refuse(!numeric, || {
            format!("MetadataTTL must have dedupTimeColumn: {column} in numeric type")
        })?;
    }
    Ok(())
}

fn upsert(config: &TableConfig, upsert: &Json, schema: &Schema) -> Verdict {
    let text = |key: &str| upsert.get(key).and_then(Json::as_str);
    let index = &config.table_index_config;
    let partial = text("mode") == Some("PARTIAL");
    refuse(partial && config.table_type == TableType::Offline, || {
        "Partial upsert is not supported for OFFLINE table".to_owned()
    })?;
    refuse(
        config.extra.get("tierConfigs").is_some_and(Json::is_array),
        || "The upsert table cannot have multi-tiers".to_owned(),
    )?;
    refuse(
        !index.star_tree_index_configs.is_empty() || index.enable_default_star_tree,
        || "The upsert table cannot have star-tree index.".to_owned(),
    )?;
    let comparisons = comparison_columns(upsert);
    for column in &comparisons {
        refuse(schema.field(column).is_none(), || {
            "The comparison column does not exist on schema".to_owned()
        })?;
    }
    if let Some(column) = text("deleteRecordColumn") {
        delete_column(column, schema)?;
    }
    let drops = upsert.get("dropOutOfOrderRecord") == Some(&Json::Bool(true));
    let out_of_order = text("outOfOrderRecordColumn");
    refuse(drops && out_of_order.is_some(), || {
        "outOfOrderRecordColumn and dropOutOfOrderRecord shouldn't exist together for upsert table"
            .to_owned()
    })?;
    if let Some(column) = out_of_order {
        let boolean = |f: &FieldSpec| f.single_value_field && f.data_type == DataType::Boolean;
        refuse(!schema.field(column).is_some_and(boolean), || {
            "The outOfOrderRecordColumn must be a single-valued BOOLEAN column".to_owned()
        })?;
    }
    compaction_consistency(config, upsert)?;
    consistency_mode(upsert, drops, out_of_order.is_some())?;
    ttl(config, upsert, &comparisons, schema)?;
    if partial {
        partial_rules(config, upsert, &comparisons, schema)?;
    }
    Ok(())
}

fn compaction_consistency(config: &TableConfig, upsert: &Json) -> Verdict {
    const NAME: &str = "enableDeletedKeysCompactionConsistency";
    if upsert.get(NAME) != Some(&Json::Bool(true)) {
        return Ok(());
    }
    let number = |key: &str| upsert.get(key).and_then(Json::as_f64).unwrap_or_default();
    let is = |key: &str, value: &str| upsert.get(key).and_then(Json::as_str) == Some(value);
    let beside =
        |other: &str| format!("{NAME} and {other} shouldn't exist together for upsert table");
    let needs = |other: &str| format!("{NAME} should exist with {other} for upsert table");
    refuse(number("metadataTTL") > 0.0, || beside("metadataTTL"))?;
    refuse(is("preload", "ENABLE"), || beside("preload"))?;
    refuse(number("deletedKeysTTL") <= 0.0, || needs("deletedKeysTTL"))?;
    refuse(is("snapshot", "DISABLE"), || needs("snapshot"))?;
    let tasks = config.extra.get("task");
    let tasks = tasks.and_then(|task| task.get("taskTypeConfigsMap"));
    let compacts = ["UpsertCompactionTask", "UpsertCompactMergeTask"]
        .iter()
        .any(|name| tasks.is_some_and(|tasks| tasks.get(name).is_some()));
    refuse(!compacts, || {
        needs("UpsertCompactionTask / UpsertCompactMergeTask")
    })
}

fn consistency_mode(upsert: &Json, drops: bool, marks: bool) -> Verdict {
    let mode = upsert.get("consistencyMode").and_then(Json::as_str);
    let Some(mode) = mode.filter(|mode| *mode != "NONE") else {
        return Ok(());
    };
    let tracking = upsert
        .get("newSegmentTrackingTimeMs")
        .and_then(Json::as_i64);
    refuse(tracking.is_some_and(|ms| ms <= 0), || {
        format!("Positive newSegmentTrackingTimeMs is required to enable consistency mode: {mode}")
    })?;
    refuse(drops, || {
        format!(
            "dropOutOfOrderRecord cannot be enabled when consistencyMode is {mode}. Out-of-order records can only be dropped in NONE consistency mode."
        )
    })?;
    refuse(marks, || {
        format!(
            "outOfOrderRecordColumn cannot be configured when consistencyMode is {mode}. Out-of-order record marking is only supported in NONE consistency mode."
        )
    })
}

fn delete_column(column: &str, schema: &Schema) -> Verdict {
    let field = schema
        .field(column)
        .ok_or_else(|| format!("Column {column} specified in deleteRecordColumn does not exist"))?;
    refuse(!field.single_value_field, || {
        format!("The deleteRecordColumn - {column} must be a single-valued column")
    })?;
    let kind = field.data_type;
    let fits = kind != DataType::Timestamp && kind.stored().is_numeric()
        || matches!(kind, DataType::Boolean | DataType::String);
    refuse(!fits, || {
        format!("The deleteRecordColumn - {column} must be of type: String / Boolean / Numeric")
    })
}

fn ttl(config: &TableConfig, upsert: &Json, comparisons: &[String], schema: &Schema) -> Verdict {
    let number = |key: &str| upsert.get(key).and_then(Json::as_f64).unwrap_or_default();
    let (metadata, deleted) = (number("metadataTTL"), number("deletedKeysTTL"));
    if metadata <= 0.0 && deleted <= 0.0 {
        return Ok(());
    }
    refuse(comparisons.len() > 1, || {
        "MetadataTTL / DeletedKeysTTL does not work with multiple comparison columns".to_owned()
    })?;
    let time = config
        .segments_config
        .time_column_name
        .clone()
        .unwrap_or_default();
    let column = comparisons.first().unwrap_or(&time);
    let numeric = schema
        .field(column)
        .is_some_and(|f| f.data_type.stored().is_numeric());
    refuse(!numeric, || {
        format!(
            "MetadataTTL / DeletedKeysTTL must have comparison column: {column} in numeric type"
        )
    })?;
    refuse(
        metadata > 0.0 && upsert.get("snapshot").and_then(Json::as_str) == Some("DISABLE"),
        || "Upsert TTL must have snapshot enabled".to_owned(),
    )?;
    refuse(
        deleted > 0.0 && upsert.get("deleteRecordColumn").is_none(),
        || "Deleted Keys TTL can only be enabled with deleteRecordColumn set.".to_owned(),
    )
}

fn partial_rules(
    config: &TableConfig,
    upsert: &Json,
    comparisons: &[String],
    schema: &Schema,
) -> Verdict {
    refuse(
        !config.table_index_config.null_handling_enabled && !schema.column_based_null_handling,
        || "Null handling must be enabled for partial upsert tables".to_owned(),
    )?;
    let strategies = upsert
        .get("partialUpsertStrategies")
        .and_then(Json::as_object);
    let strategies = strategies.into_iter().flatten();
    let mut any = false;
    for (column, strategy) in strategies {
        any = true;
        refuse(schema.primary_key_columns.contains(column), || {
            "Merger cannot be applied to primary key columns".to_owned()
        })?;
        refuse(comparisons.contains(column), || {
            "Merger cannot be applied to comparison column".to_owned()
        })?;
        let field = schema
            .field(column)
            .ok_or_else(|| format!("Merger cannot be applied to non-existing column: {column}"))?;
        merger(field, strategy.as_str().unwrap_or_default())?;
        let is_time = config.segments_config.time_column_name.as_deref() == Some(column);
        refuse(is_time && comparisons.is_empty(), || {
            "Merger cannot be applied to time column".to_owned()
        })?;
        let of_time = schema
            .field_with_role(column)
            .is_some_and(|(role, _)| role == FieldRole::DateTime);
        refuse(of_time && strategy.as_str() == Some("INCREMENT"), || {
            format!("INCREMENT merger cannot be applied to date time column: {column}")
        })?;
    }
    refuse(
        any && upsert
            .get("partialUpsertMergerClass")
            .is_some_and(Json::is_string),
        || {
            "If partialUpsertMergerClass is provided then partialUpsertStrategies should be empty"
                .to_owned()
        },
    )
}

fn merger(field: &FieldSpec, strategy: &str) -> Verdict {
    let column = &field.name;
    match strategy {
        "INCREMENT" => refuse(!field.data_type.stored().is_numeric(), || {
            format!("INCREMENT merger cannot be applied to non-numeric column: {column}")
        }),
        "APPEND" | "UNION" => refuse(field.single_value_field, || {
            format!("{strategy} merger cannot be applied to single-value column: {column}")
        }),
        _ => Ok(()),
    }
}
