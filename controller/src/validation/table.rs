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
    let table = &config.table_name;
    let push = segments.extra.get("segmentPushType").and_then(Json::as_str);
    let pushes = push.filter(|_| config.table_type == TableType::Offline);
    refuse(
        pushes.is_some_and(|push| {
            let known = ["REFRESH", "APPEND"];
            !push.is_empty() && !known.iter().any(|word| push.eq_ignore_ascii_case(word))
        }),
        || {
            format!(
                "Table: {table}, invalid push type: {}",
                push.unwrap_or_default()
            )
        },
    )?;
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let known = |unit: &str| {
        unit.to_ascii_uppercase()
            .parse::<common::time_format::TimeUnit>()
            .is_ok()
    };
    if let Some(unit) = given(segments.retention_time_unit.as_deref()) {
        refuse(!known(&unit), || {
            format!("Table: {table}, invalid retention time unit: {unit}")
        })?;
    }
    let untracked = |what: &str| {
        let key = format!("untrackedSegmentsRetentionTime{what}");
        given(segments.extra.get(&key).and_then(Json::as_str))
    };
    match (untracked("Unit"), untracked("Value")) {
        (None, None) => Ok(()),
        (Some(unit), Some(value)) => {
            refuse(!known(&unit), || {
                format!("Table: {table}, invalid untracked retention time unit: {unit}")
            })?;
            refuse(!value.parse::<i64>().is_ok_and(|value| value > 0), || {
                format!("Table: {table}, invalid untracked retention time value: {value}")
            })
        }
        _ => Err(format!(
            "Table: {table}, untracked retention time unit and value must be specified together"
        )),
    }
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
        refuse(name.is_empty(), || "Tier name cannot be blank".to_owned())?;
        refuse(!seen.insert(name.to_owned()), || {
            format!("Tier name: {name} already exists in tier configs")
        })?;
        let (selector, storage) = (text("segmentSelectorType"), text("storageType"));
        let by_time = selector.eq_ignore_ascii_case("time");
        refuse(!by_time && !selector.eq_ignore_ascii_case("fixed"), || {
            format!("Unsupported segmentSelectorType: {selector} in tier: {name}")
        })?;
        refuse(!storage.eq_ignore_ascii_case("pinot_server"), || {
            format!("Unsupported storageType: {storage} in tier: {name}")
        })?;
        if by_time {
            let age = text("segmentAge");
            refuse(common::time_format::parse_period(age).is_err(), || {
                format!(
                    "segmentAge: {age} must be a valid period string (eg. 30d, 24h) in tier: {name}"
                )
            })?;
        }
        let tag = text("serverTag");
        refuse(tag.is_empty(), || {
            format!("Must provide 'serverTag' for storageType: {storage} in tier: {name}")
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
