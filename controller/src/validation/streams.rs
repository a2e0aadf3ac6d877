//! The rules of stream configs.
//!
//! Must not know: the stream itself. Invariant: what passes names a topic, its brokers, a decoder and at most one flush limit.

use common::table_config::StreamConfig;
use common::time_format::parse_period;
use common::{TableConfig, TableType};
use serde_json::Value as Json;

use super::{Verdict, refuse};
use crate::consuming::{first, parse_size};
use crate::streams::{offset_reset, property, topic};

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
    let ill = || ILL.to_owned();
    let stream_type = stream.get("streamType").map(String::as_str);
    refuse(
        !stream_type.is_some_and(|t| matches!(t, "kafka" | "kinesis" | "pulsar" | "memory")),
        ill,
    )?;
    refuse(topic(stream).is_empty(), ill)?;
    if stream_type == Some("kafka") {
        refuse(
            property(stream, "broker.list").is_none_or(str::is_empty),
            ill,
        )?;
        factory(stream)?;
    }
    refuse(
        property(stream, "decoder.class.name").is_none_or(str::is_empty),
        ill,
    )?;
    refuse(
        property(stream, "consumer.type").is_some_and(|t| t.eq_ignore_ascii_case("highlevel")),
        ill,
    )?;
    flush(stream)?;
    reset(offset_reset(stream))
}

fn factory(stream: &StreamConfig) -> Verdict {
    let Some(class) = property(stream, "consumer.factory.class.name") else {
        return Ok(());
    };
    refuse(!class.ends_with("KafkaConsumerFactory"), || {
        format!(
            "Caught exception while creating StreamConsumerFactory: class `{class}` is not known"
        )
    })
}

fn reset(criterion: &str) -> Verdict {
    let known = matches!(
        criterion.to_ascii_lowercase().as_str(),
        "smallest" | "largest"
    ) || parse_period(criterion).is_ok()
        || criterion.starts_with(|c: char| c.is_ascii_digit());
    refuse(!known, || {
        format!(
            "Unknown initial offset value OffsetCriteria{{_offsetType=CUSTOM, _offsetString='{criterion}'}}"
        )
    })
}

fn flush(stream: &StreamConfig) -> Verdict {
    let rows = count(
        stream,
        &[
            "realtime.segment.flush.threshold.rows",
            "realtime.segment.flush.threshold.size",
        ],
    )?;
    let segment_rows = count(stream, &["realtime.segment.flush.threshold.segment.rows"])?;
    let size_text = first(
        stream,
        &[
            "realtime.segment.flush.threshold.segment.size",
            "realtime.segment.flush.desired.size",
        ],
    );
    let size = match size_text.map(|t| (t, parse_size(t))) {
        None => -1,
        Some((_, Some(bytes))) => i64::try_from(bytes).unwrap_or(i64::MAX),
        Some((_, None)) => return Err(ILL.to_owned()),
    };
    let set = [rows, segment_rows, size]
        .iter()
        .filter(|n| **n > 0)
        .count();
    refuse(set > 1, || {
        format!(
            "Only 1 of flush threshold (rows: {rows}, segment rows: {segment_rows}, segment size: {size}) can be set"
        )
    })?;
    if let Some(time) = first(stream, &["realtime.segment.flush.threshold.time"]) {
        let known = parse_period(time).is_ok() || time.parse::<i64>().is_ok();
        refuse(!known, || ILL.to_owned())?;
    }
    Ok(())
}

fn count(stream: &StreamConfig, keys: &[&str]) -> Result<i64, String> {
    match first(stream, keys) {
        None => Ok(-1),
        Some(text) => text.trim().parse().map_err(|_| ILL.to_owned()),
    }
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
