//! The rules of stream configs.
//!
//! Must not know: the stream itself. Invariant: what passes names a topic, its brokers, a decoder and at most one flush limit.

use common::table_config::StreamConfig;
use common::{TableConfig, TableType};
use ingest::ConfigError;
use ingest::stream::settings::StreamSettings;
use serde_json::Value as Json;

use super::{Verdict, refuse};
use crate::streams::topic;

const ILL: &str = "Could not create StreamConfig using the streamConfig map";

/// Checks the streams of a realtime table.
pub(crate) fn check(config: &TableConfig) -> Verdict {
    if config.table_type != TableType::Realtime {
        return Ok(());
    }
    let newer = config
        .ingestion_config
        .as_ref()
        .and_then(|i| i.stream_ingestion_config.as_ref());
    let older = config.table_index_config.stream_configs.is_some();
    refuse(newer.is_some() && older, || {
        "Should not use indexingConfig#getStreamConfigs if ingestionConfig#StreamIngestionConfig is provided".to_owned()
    })?;
    refuse(newer.is_none() && !older, || {
        format!("Cannot find streamConfigs for table: {}", config.table_name)
    })?;
    let streams = config.streams();
    refuse(streams.is_empty(), || {
        "Must have at least 1 stream in REALTIME table".to_owned()
    })?;
    for stream in &streams {
        one(stream)?;
    }
    several(config, &streams)
}

fn one(stream: &StreamConfig) -> Verdict {
    let settings = StreamSettings::parse(stream).map_err(|e| e.to_string())?;
    let ill = |error: ConfigError| format!("{ILL}: {error}");
    settings.decoder().map_err(ill)?;
    ingest::stream::connect(stream).map(drop).map_err(ill)
}

fn several(config: &TableConfig, streams: &[&StreamConfig]) -> Verdict {
    if streams.len() < 2 {
        return Ok(());
    }
    let mode = config
        .upsert_config
        .as_ref()
        .and_then(|u| u.get("mode"))
        .and_then(Json::as_str);
    refuse(mode.is_some_and(|m| m != "NONE"), || {
        "Multiple stream configs are not supported for upsert table".to_owned()
    })?;
    let pauseless = config
        .ingestion_config
        .as_ref()
        .and_then(|i| i.stream_ingestion_config.as_ref())
        .and_then(|s| s.extra.get("pauselessConsumptionEnabled"))
        == Some(&Json::Bool(true));
    refuse(pauseless, || {
        "Multiple stream configs are not supported with pauseless consumption enabled".to_owned()
    })?;
    let limits =
        |stream: &StreamConfig| StreamSettings::parse(stream).map(|s| (s.flush, s.flush_time_ms));
    let first = streams.first().map(|stream| limits(stream).ok());
    refuse(
        streams
            .iter()
            .any(|stream| Some(limits(stream).ok()) != first),
        || "Segment flush parameters must be consistent across all streamConfigs".to_owned(),
    )?;
    let mut types = std::collections::BTreeSet::new();
    let mut topics = std::collections::BTreeSet::new();
    for stream in streams {
        types.insert(stream.get("streamType"));
        refuse(!topics.insert(topic(stream)), || {
            "Duplicate topic names found in streamConfigs".to_owned()
        })?;
    }
    refuse(types.len() > 1, || {
        "All streamConfigs must have the same stream type".to_owned()
    })
}
