//! What a stream map means: topic, decoder, where to begin, when to seal. Used by the controller to check a table, and by the
//! server to consume.
//!
//! Must not know: clients. Invariant: every accepted map has a topic, a known decoder name and exactly one sealing threshold
//! beside time.

use common::java_text::parse_timestamp;
use common::table_config::StreamConfig;
use common::time_format::parse_period;

use super::{CONNECTORS, OffsetCriteria};
use crate::decoder::{self, Decoder, Properties};
use crate::error::ConfigError;

const DEFAULT_ROWS: u64 = 5_000_000;
const DEFAULT_SEGMENT_BYTES: u64 = 200 << 20;
const DEFAULT_TIME_MS: i64 = 6 * 3_600_000;

/// When a consuming segment is sealed, beside its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushRule {
    /// At so many rows over all partitions that a server consumes; divide by their number.
    Rows(u64),
    /// At so many rows of a segment.
    SegmentRows(u64),
    /// At a number of rows that is expected to give a segment of so many bytes.
    SegmentBytes {
        /// Wanted size.
        bytes: u64,
        /// Rows of the first segment, before anything is known.
        initial_rows: u64,
    },
}

/// The settings of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSettings {
    /// `kafka`.
    pub stream_type: String,
    /// Topic.
    pub topic: String,
    /// Class name of the decoder, as written.
    pub decoder_class: String,
    /// Properties of the decoder.
    pub decoder_properties: Properties,
    /// Where a new partition begins.
    pub offset: OffsetCriteria,
    /// When a segment is sealed.
    pub flush: FlushRule,
    /// Age at which a segment is sealed, milliseconds.
    pub flush_time_ms: i64,
    /// Random spread of the row threshold, below 0.5.
    pub flush_variance: f64,
    /// How long a fetch waits, milliseconds.
    pub fetch_timeout_ms: u64,
    /// How long a commit may take, milliseconds.
    pub commit_timeout_ms: i64,
    /// Rows a second over the topic.
    pub topic_rate_limit: Option<f64>,
    /// Rows a second of a partition.
    pub partition_rate_limit: Option<f64>,
    /// The partitions to consume; all where `None`.
    pub partitions: Option<Vec<i32>>,
    /// Key, headers and offsets are fields of the record.
    pub with_metadata: bool,
}

fn refused(detail: impl std::fmt::Display) -> ConfigError {
    ConfigError::Invalid(format!(
        "Could not create StreamConfig using the streamConfig map: {detail}"
    ))
}

impl StreamSettings {
    /// Reads and checks a stream map.
    ///
    /// # Errors
    /// In Pinot's words, followed by what is wrong.
    pub fn parse(config: &StreamConfig) -> Result<Self, ConfigError> {
        let stream_type = config
            .get("streamType")
            .ok_or_else(|| refused("streamType cannot be null"))?
            .to_ascii_lowercase();
        if !CONNECTORS.iter().any(|(name, _)| *name == stream_type) {
            return Err(refused(format!(
                "unknown streamType `{stream_type}`, expected kafka"
            )));
        }
        let key = |name: &str| format!("stream.{stream_type}.{name}");
        let get = |name: &str| config.get(&key(name)).filter(|text| !text.is_empty());
        let topic = get("topic.name").ok_or_else(|| {
            refused(format!(
                "Stream topic name {} cannot be null",
                key("topic.name")
            ))
        })?;
        let decoder_class = get("decoder.class.name").ok_or_else(|| {
            refused(format!(
                "Must specify decoder class name {}",
                key("decoder.class.name")
            ))
        })?;
        let consumer_type = get("consumer.type").map_or("", String::as_str);
        if consumer_type.eq_ignore_ascii_case("highlevel") {
            return Err(refused(
                "consumer type highlevel is not supported, use lowlevel",
            ));
        }
        check_factory(&stream_type, get("consumer.factory.class.name"))?;
        let prefix = key("decoder.prop.");
        let decoder_properties: Properties = config
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.to_owned(), v.clone())))
            .collect();
        Ok(Self {
            offset: offset_criteria(get("consumer.prop.auto.offset.reset"))?,
            flush: flush_rule(config)?,
            flush_time_ms: flush_time(config)?,
            flush_variance: number(config, "realtime.segment.flush.threshold.variance.fraction")?
                .unwrap_or(0.0),
            fetch_timeout_ms: number(config, &key("fetch.timeout.millis"))?.unwrap_or(5000),
            commit_timeout_ms: number::<i64>(config, "realtime.segment.commit.timeoutSeconds")?
                .unwrap_or(120)
                .saturating_mul(1000),
            topic_rate_limit: number(config, "topic.consumption.rate.limit")?.filter(|r| *r > 0.0),
            partition_rate_limit: number(config, "partition.consumption.rate.limit")?
                .filter(|r| *r > 0.0),
            partitions: get("partition.ids")
                .map(|text| partition_ids(text))
                .transpose()?,
            with_metadata: get("metadata.populate").is_some_and(|v| v.eq_ignore_ascii_case("true")),
            topic: topic.clone(),
            decoder_class: decoder_class.clone(),
            decoder_properties,
            stream_type,
        })
    }

    /// The decoder of this stream.
    ///
    /// # Errors
    /// Where the class is unknown or a property is wrong.
    pub fn decoder(&self) -> Result<Box<dyn Decoder>, ConfigError> {
        decoder::make(&self.decoder_class, &self.decoder_properties)
    }

    /// Rows at which a segment is sealed, where a server consumes so many partitions; `None` in size mode.
    #[must_use]
    pub fn segment_rows(&self, partitions_on_server: u64) -> Option<u64> {
        match self.flush {
            FlushRule::Rows(rows) => Some((rows / partitions_on_server.max(1)).max(1)),
            FlushRule::SegmentRows(rows) => Some(rows),
            FlushRule::SegmentBytes { .. } => None,
        }
    }
}

/// Any of Pinot's Kafka factories will do; another class is a plug-in that we do not have.
fn check_factory(stream_type: &str, class: Option<&String>) -> Result<(), ConfigError> {
    match class {
        Some(class) if stream_type == "kafka" && !class.ends_with("KafkaConsumerFactory") => {
            Err(refused(format!(
                "unknown consumer factory class `{class}`, expected one that ends in KafkaConsumerFactory"
            )))
        }
        _ => Ok(()),
    }
}

fn offset_criteria(text: Option<&String>) -> Result<OffsetCriteria, ConfigError> {
    let Some(text) = text else {
        return Ok(OffsetCriteria::Largest);
    };
    match text.as_str() {
        "smallest" => return Ok(OffsetCriteria::Smallest),
        "largest" => return Ok(OffsetCriteria::Largest),
        _ => {}
    }
    if let Ok(millis) = parse_period(text) {
        return Ok(OffsetCriteria::Period(millis));
    }
    let is_date = text.len() >= 10 && text.contains('-');
    if let Some(millis) = is_date.then(|| parse_timestamp(text)).flatten() {
        return Ok(OffsetCriteria::Timestamp(millis));
    }
    Err(ConfigError::Invalid(format!(
        "Unknown initial offset value OffsetCriteria{{_offsetType=CUSTOM, _offsetString='{text}'}}"
    )))
}

/// The first of some keys that is there.
fn first<'a>(config: &'a StreamConfig, keys: &[&str]) -> Option<&'a String> {
    keys.iter()
        .find_map(|key| config.get(*key))
        .filter(|text| !text.is_empty())
}

fn number<T: std::str::FromStr>(
    config: &StreamConfig,
    key: &str,
) -> Result<Option<T>, ConfigError> {
    config
        .get(key)
        .map(|text| {
            text.trim()
                .parse()
                .map_err(|_| refused(format!("Invalid value of {key}: {text}, expected a number")))
        })
        .transpose()
}

fn flush_rule(config: &StreamConfig) -> Result<FlushRule, ConfigError> {
    let count = |keys: &[&str]| -> Result<i64, ConfigError> {
        let Some(text) = first(config, keys) else {
            return Ok(-1);
        };
        text.trim()
            .parse()
            .map_err(|_| refused(format!("Invalid flush threshold rows: {text}")))
    };
    let rows = count(&[
        "realtime.segment.flush.threshold.rows",
        "realtime.segment.flush.threshold.rows.llc",
        "realtime.segment.flush.threshold.size",
        "realtime.segment.flush.threshold.size.llc",
    ])?;
    let segment_rows = count(&["realtime.segment.flush.threshold.segment.rows"])?;
    let size = first(
        config,
        &[
            "realtime.segment.flush.threshold.segment.size",
            "realtime.segment.flush.desired.size",
        ],
    );
    let bytes = match size {
        Some(text) => data_size(text)
            .ok_or_else(|| refused(format!("Invalid flush threshold segment size: {text}")))?,
        None => -1,
    };
    if [rows, segment_rows, bytes]
        .iter()
        .filter(|v| **v > 0)
        .count()
        > 1
    {
        return Err(ConfigError::Invalid(format!(
            "Only 1 of flush threshold (rows: {rows}, segment rows: {segment_rows}, segment size: {bytes}) can be set"
        )));
    }
    let initial_rows = number::<i64>(config, "realtime.segment.flush.autotune.initialRows")?
        .filter(|rows| *rows > 0)
        .unwrap_or(100_000);
    let by_size = |bytes: i64| FlushRule::SegmentBytes {
        bytes: u64::try_from(bytes)
            .ok()
            .filter(|b| *b > 0)
            .unwrap_or(DEFAULT_SEGMENT_BYTES),
        initial_rows: initial_rows.unsigned_abs(),
    };
    Ok(match (rows, segment_rows, bytes) {
        (_, segment_rows @ 1.., _) => FlushRule::SegmentRows(segment_rows.unsigned_abs()),
        (rows @ 1.., ..) => FlushRule::Rows(rows.unsigned_abs()),
        (_, _, bytes @ 1..) => by_size(bytes),
        (0, ..) => by_size(-1),
        _ => FlushRule::Rows(DEFAULT_ROWS),
    })
}

fn flush_time(config: &StreamConfig) -> Result<i64, ConfigError> {
    let keys = [
        "realtime.segment.flush.threshold.time",
        "realtime.segment.flush.threshold.time.llc",
    ];
    let Some(text) = first(config, &keys) else {
        return Ok(DEFAULT_TIME_MS);
    };
    parse_period(text)
        .ok()
        .or_else(|| text.trim().parse().ok())
        .filter(|millis| *millis > 0)
        .ok_or_else(|| refused(format!("Invalid flush threshold time: {text}")))
}

/// `200M`, `1.5G`, `512K` or plain bytes.
fn data_size(text: &str) -> Option<i64> {
    let text = text.trim().trim_end_matches(['b', 'B']);
    let (digits, unit) = match text.chars().last()?.to_ascii_uppercase() {
        'K' => (&text[..text.len() - 1], 1_i64 << 10),
        'M' => (&text[..text.len() - 1], 1 << 20),
        'G' => (&text[..text.len() - 1], 1 << 30),
        'T' => (&text[..text.len() - 1], 1 << 40),
        _ => (text, 1),
    };
    let count: f64 = digits.trim().parse().ok().filter(|c: &f64| c.is_finite())?;
    Some((count * unit as f64) as i64)
}

/// `0,2,5-7`.
fn partition_ids(text: &str) -> Result<Vec<i32>, ConfigError> {
    let wrong = || refused(format!("Invalid partition ids: {text}"));
    let mut ids = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let low: i32 = low.trim().parse().map_err(|_| wrong())?;
        let high: i32 = high.trim().parse().map_err(|_| wrong())?;
        if low < 0 || high < low || high - low > 100_000 {
            return Err(wrong());
        }
        ids.extend(low..=high);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &[(&str, &str)]) -> Result<StreamSettings, String> {
        let mut config: StreamConfig = [
            ("streamType", "kafka"),
            ("stream.kafka.topic.name", "t"),
            ("stream.kafka.decoder.class.name", "a.b.JSONMessageDecoder"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        for (key, value) in extra {
            config.insert((*key).to_owned(), (*value).to_owned());
        }
        StreamSettings::parse(&config).map_err(|e| e.to_string())
    }

    #[test]
    fn thresholds_exclude_each_other() {
        let prefix = "realtime.segment.flush.threshold";
        let rows = format!("{prefix}.rows");
        let size = format!("{prefix}.segment.size");
        assert_eq!(parse(&[]).map(|s| s.flush), Ok(FlushRule::Rows(5_000_000)));
        assert_eq!(
            parse(&[(&rows, "20")]).map(|s| s.segment_rows(2)),
            Ok(Some(10))
        );
        let both = parse(&[(&rows, "100"), (&size, "10M")]);
        let message = "Only 1 of flush threshold (rows: 100, segment rows: -1, segment size: 10485760) can be set";
        assert_eq!(both, Err(message.to_owned()));
        let sized = FlushRule::SegmentBytes {
            bytes: 3 << 29,
            initial_rows: 100_000,
        };
        assert_eq!(
            parse(&[(&rows, "0"), (&size, "1.5G")]).map(|s| s.flush),
            Ok(sized)
        );
        assert!(parse(&[(&rows, "muitas")]).is_err());
        assert!(parse(&[(&format!("{prefix}.time"), "depois")]).is_err());
        assert_eq!(
            parse(&[(&format!("{prefix}.time"), "90m")]).map(|s| s.flush_time_ms),
            Ok(5_400_000)
        );
    }

    #[test]
    fn beginnings_are_named_or_dated() {
        let key = "stream.kafka.consumer.prop.auto.offset.reset";
        assert_eq!(parse(&[]).map(|s| s.offset), Ok(OffsetCriteria::Largest));
        assert_eq!(
            parse(&[(key, "2d")]).map(|s| s.offset),
            Ok(OffsetCriteria::Period(172_800_000))
        );
        assert_eq!(
            parse(&[(key, "2024-05-01T00:00:00.000Z")]).map(|s| s.offset),
            Ok(OffsetCriteria::Timestamp(1_714_521_600_000))
        );
        assert!(parse(&[(key, "earliest")]).is_err_and(|e| e.contains("'earliest'")));
        assert_eq!(
            parse(&[("stream.kafka.partition.ids", "0, 4-6")]).map(|s| s.partitions),
            Ok(Some(vec![0, 4, 5, 6]))
        );
    }

    #[test]
    fn what_is_missing_is_refused() {
        for (key, value) in [
            ("streamType", "coelho"),
            ("stream.kafka.topic.name", ""),
            ("stream.kafka.decoder.class.name", ""),
            ("stream.kafka.consumer.factory.class.name", "a.b.NaoExiste"),
            ("stream.kafka.consumer.type", "highlevel"),
        ] {
            let answer = parse(&[(key, value)]);
            assert!(answer.is_err_and(|e| e.contains("StreamConfig")), "{key}");
        }
    }
}
