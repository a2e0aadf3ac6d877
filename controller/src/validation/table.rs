//! The rules of a table config as a whole: name, time column, retention, and then every other set of rules.
//!
//! Must not know: other tables. Invariant: rules run in Pinot's order, so that the first complaint is Pinot's.

use common::{FieldRole, Schema, TableConfig, TableType};
use serde_json::Value as Json;

use super::{Verdict, dimension, indexes, ingestion, refuse, star_tree, streams, tasks, upsert};

/// Checks a config against its schema.
pub(crate) fn check(config: &TableConfig, schema: &Schema) -> Verdict {
    name(config)?;
    time(config, schema)?;
    retention(config)?;
    peer_download(config)?;
    dimension::check(config, schema)?;
    streams::check(config)?;
    ingestion::check(config, schema)?;
    upsert::check(config, schema)?;
    indexes::check(config, schema)?;
    star_tree::check(config, schema)?;
    tasks::check(config)?;
    tiers(config)
}

fn name(config: &TableConfig) -> Verdict {
    let name = &config.table_name;
    refuse(name.matches('.').count() > 1, || {
        format!("Table name: '{name}' containing more than one '.' is not allowed")
    })?;
    refuse(name.chars().any(char::is_whitespace), || {
        format!("Table name: '{name}' containing space is not allowed")
    })
}

fn time(config: &TableConfig, schema: &Schema) -> Verdict {
    let column = config
        .segments_config
        .time_column_name
        .as_deref()
        .filter(|c| !c.is_empty());
    let Some(column) = column else {
        return refuse(config.table_type == TableType::Realtime, || {
            "'timeColumnName' cannot be null in REALTIME table config".to_owned()
        });
    };
    let is_time = schema
        .field_with_role(column)
        .is_some_and(|(role, _)| role == FieldRole::DateTime);
    refuse(!is_time, || {
        format!(
            "Cannot find valid fieldSpec for timeColumn: {column} from the table config: {}, in the schema: {}",
            config.table_name, schema.name
        )
    })
}

fn retention(config: &TableConfig) -> Verdict {
    let segments = &config.segments_config;
    if let Some(unit) = segments
        .retention_time_unit
        .as_deref()
        .filter(|u| !u.is_empty())
    {
        let known = unit
            .to_ascii_uppercase()
            .parse::<common::time_format::TimeUnit>()
            .is_ok();
        refuse(!known, || {
            format!(
                "Table: {}, invalid retention time unit: {unit}",
                config.table_name
            )
        })?;
    }
    if let Some(value) = segments
        .retention_time_value
        .as_deref()
        .filter(|v| !v.is_empty())
    {
        refuse(value.parse::<i64>().is_err(), || {
            format!(
                "Table: {}, invalid retention time value: {value}",
                config.table_name
            )
        })?;
    }
    Ok(())
}

fn peer_download(config: &TableConfig) -> Verdict {
    let scheme = config
        .segments_config
        .extra
        .get("peerSegmentDownloadScheme")
        .and_then(Json::as_str);
    let Some(scheme) = scheme else { return Ok(()) };
    let known = ["http", "https"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s));
    refuse(!known, || {
        format!(
            "Invalid value '{scheme}' for peerSegmentDownloadScheme. Must be one of http or https"
        )
    })?;
    refuse(config.segments_config.replicas() < 2, || {
        "peerSegmentDownloadScheme can't be used when replication is < 2".to_owned()
    })
}

fn tiers(config: &TableConfig) -> Verdict {
    let Some(Json::Array(tiers)) = config.extra.get("tierConfigs") else {
        return Ok(());
    };
    let mut seen = std::collections::BTreeSet::new();
    for tier in tiers {
        let text = |key: &str| tier.get(key).and_then(Json::as_str).unwrap_or_default();
        let name = text("name");
        refuse(!seen.insert(name.to_owned()), || {
            format!("Tier name: {name} already exists in tier configs")
        })?;
        if text("segmentSelectorType").eq_ignore_ascii_case("time") {
            let age = text("segmentAge");
            refuse(common::time_format::parse_period(age).is_err(), || {
                format!(
                    "segmentAge: {age} must be a valid period string (eg. 30d, 24h) in tier: {name}"
                )
            })?;
        }
        let tag = text("serverTag");
        refuse(tag.is_empty(), || {
            format!(
                "Must provide 'serverTag' for storageType: {} in tier: {name}",
                text("storageType")
            )
        })?;
        refuse(
            !tag.ends_with("_OFFLINE") && !tag.ends_with("_REALTIME"),
            || {
                format!(
                    "serverTag: {tag} must have a valid server tag format (<tenantName>_OFFLINE or <tenantName>_REALTIME) in tier: {name}"
                )
            },
        )?;
    }
    Ok(())
}
