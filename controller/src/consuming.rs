//! Consuming segments: which are wanted, how long they grow, what follows a committed one.
//!
//! Must not know: streams' protocols, stores. Invariant: a partition has at most one consuming segment, and it begins where the last
//! committed one ended.

use std::collections::BTreeMap;

use common::TableConfig;
use common::ids::RealtimeSegmentName;
use common::table_config::StreamConfig;
use common::time_format::parse_period;
use proto::controller_service::{ReplicaState, Replicas, SegmentRecord, SegmentStatus};

use crate::assign;
use crate::records::{SegmentEntry, TableRecord};
use crate::state::{State, TableEntry};
use crate::streams::PARTITIONS_PER_TOPIC;
use crate::tenancy;

/// Rows of a segment where nothing is configured.
const DEFAULT_ROWS: u64 = 5_000_000;
/// Rows of the first segment where segments are limited by size.
const FIRST_ROWS_BY_SIZE: u64 = 100_000;
/// Bytes of a segment where rows are 0 and no size is given.
const DEFAULT_SIZE_BYTES: u64 = 200 << 20;

/// What limits a consuming segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// Rows of all partitions of a server together.
    RowsPerServer(u64),
    /// Rows of one segment.
    Rows(u64),
    /// Bytes of one sealed segment.
    Bytes(u64),
}

/// Bytes of `200M`, `1.5G`, `1024`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text.get(..digits)?.parse().ok()?;
    let scale: u64 = match text.get(digits..)?.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        "T" | "TB" => 1 << 40,
        _ => return None,
    };
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size limit need not be exact; the cast saturates"
    )]
    Some((number * scale as f64) as u64)
}

/// The first of some keys, with their `.llc` spelling, that is there.
pub(crate) fn first<'a>(stream: &'a StreamConfig, keys: &[&str]) -> Option<&'a str> {
    keys.iter()
        .find_map(|key| {
            stream
                .get(*key)
                .or_else(|| stream.get(&format!("{key}.llc")))
        })
        .map(String::as_str)
}

fn limit(stream: &StreamConfig) -> Limit {
    let number = |keys: &[&str]| first(stream, keys).and_then(|t| t.trim().parse::<u64>().ok());
    let bytes = first(
        stream,
        &[
            "realtime.segment.flush.threshold.segment.size",
            "realtime.segment.flush.desired.size",
        ],
    )
    .and_then(parse_size)
    .filter(|bytes| *bytes > 0);
    if let Some(rows) =
        number(&["realtime.segment.flush.threshold.segment.rows"]).filter(|r| *r > 0)
    {
        return Limit::Rows(rows);
    }
    match number(&[
        "realtime.segment.flush.threshold.rows",
        "realtime.segment.flush.threshold.size",
    ]) {
        Some(rows) if rows > 0 => Limit::RowsPerServer(rows),
        Some(_) => Limit::Bytes(bytes.unwrap_or(DEFAULT_SIZE_BYTES)),
        None => bytes.map_or(Limit::RowsPerServer(DEFAULT_ROWS), Limit::Bytes),
    }
}

/// Age at which a consuming segment is sealed, milliseconds.
pub(crate) fn flush_age_ms(stream: &StreamConfig) -> i64 {
    let text = first(stream, &["realtime.segment.flush.threshold.time"]);
    text.and_then(|t| t.parse::<i64>().ok().or_else(|| parse_period(t).ok()))
        .unwrap_or(6 * 3_600_000)
}

/// Rows after which a new segment is sealed. `last` is the partition's last committed segment.
fn flush_rows(
    stream: &StreamConfig,
    partitions_per_server: u64,
    last: Option<&SegmentRecord>,
) -> u64 {
    match limit(stream) {
        Limit::Rows(rows) => rows,
        Limit::RowsPerServer(rows) => (rows / partitions_per_server.max(1)).max(1),
        Limit::Bytes(bytes) => match last.filter(|l| l.size_bytes > 0 && l.total_docs > 0) {
            None => first(stream, &["realtime.segment.flush.autotune.initialRows"])
                .and_then(|t| t.parse().ok())
                .unwrap_or(FIRST_ROWS_BY_SIZE),
            Some(last) => next_rows_by_size(last, bytes),
        },
    }
}

/// Grows by half at most, so that a small segment's overhead does not mislead.
fn next_rows_by_size(last: &SegmentRecord, wanted_bytes: u64) -> u64 {
    let rows = u128::from(last.total_docs);
    let by_ratio =
        rows.saturating_mul(u128::from(wanted_bytes)) / u128::from(last.size_bytes.max(1));
    let bounded = by_ratio.min(rows.saturating_mul(3) / 2).max(10_000);
    u64::try_from(bounded).unwrap_or(u64::MAX)
}

/// Where a new consuming segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) partition: u32,
    pub(crate) offset: String,
}

/// The partition's last segment, by sequence.
pub(crate) fn last_of(table: &TableEntry, partition: u32) -> Option<&SegmentEntry> {
    table
        .segments
        .values()
        .filter(|s| s.record.partition == Some(partition) && s.record.sequence.is_some())
        .max_by_key(|s| s.record.sequence)
}

/// The stream behind a partition's number.
pub(crate) fn stream_of(config: &TableConfig, partition: u32) -> Option<StreamConfig> {
    let topic = (partition / PARTITIONS_PER_TOPIC) as usize;
    config.streams().get(topic).map(|stream| (*stream).clone())
}

/// A new consuming segment of a partition.
///
/// # Errors
/// Where no server may take it.
pub(crate) fn begin(
    state: &State,
    record: &TableRecord,
    start: &Start,
    partitions: usize,
    now_ms: i64,
) -> Result<SegmentEntry, String> {
    let table = state.table(&record.name);
    let last = table.and_then(|t| last_of(t, start.partition));
    let replicas = record.config.segments_config.replicas();
    let servers = tenancy::servers(state, &record.config, tenancy::Use::Consuming)?;
    let sticky = last.map(|l| {
        l.ideal
            .keys()
            .filter(|id| servers.contains(*id))
            .cloned()
            .collect()
    });
    let chosen: Vec<String> = match sticky {
        Some(before) if Vec::len(&before) == replicas.min(servers.len()) => before,
        _ => assign::by_partition(&servers, start.partition, replicas),
    };
    let stream = stream_of(&record.config, start.partition).unwrap_or_default();
    let load = partitions
        .saturating_mul(replicas)
        .div_ceil(servers.len().max(1));
    let sequence = last
        .and_then(|l| l.record.sequence)
        .map_or(0, |s| s.saturating_add(1));
    let name = RealtimeSegmentName::new(record.raw_name(), start.partition, sequence, now_ms);
    let committed = last
        .map(|l| &l.record)
        .filter(|r| r.status == SegmentStatus::Done);
    let segment = SegmentRecord {
        name: name.to_string(),
        status: SegmentStatus::InProgress,
        partition: Some(start.partition),
        sequence: Some(sequence),
        start_offset: Some(start.offset.clone()),
        end_offset: None,
        download_uri: String::new(),
        crc: 0,
        total_docs: 0,
        size_bytes: 0,
        start_time_ms: None,
        end_time_ms: None,
        created_ms: now_ms,
        pushed_ms: 0,
        flush_rows: Some(flush_rows(&stream, load as u64, committed)),
        partitions: BTreeMap::new(),
    };
    let ideal: Replicas = chosen
        .into_iter()
        .map(|id| (id, ReplicaState::Consuming))
        .collect();
    Ok(SegmentEntry {
        record: segment,
        ideal,
        external: Replicas::new(),
        errors: BTreeMap::new(),
    })
}

/// Rows of the segment after a sealed one: `planned`, or where size limits, from the sealed one's rows and bytes.
pub(crate) fn rows_after(
    config: &TableConfig,
    partition: u32,
    planned: Option<u64>,
    sealed: &SegmentRecord,
) -> Option<u64> {
    let stream = stream_of(config, partition).unwrap_or_default();
    match limit(&stream) {
        Limit::Bytes(_) => Some(flush_rows(&stream, 1, Some(sealed))),
        _ => planned,
    }
}

#[cfg(test)]
mod tests {
    use common::table_config::StreamConfig;

    use super::{Limit, flush_age_ms, limit, parse_size};

    fn stream(pairs: &[(&str, &str)]) -> StreamConfig {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn limits() {
        assert_eq!(limit(&stream(&[])), Limit::RowsPerServer(5_000_000));
        let rows = stream(&[("realtime.segment.flush.threshold.rows", "20")]);
        assert_eq!(limit(&rows), Limit::RowsPerServer(20));
        let size = stream(&[
            ("realtime.segment.flush.threshold.rows", "0"),
            ("realtime.segment.flush.threshold.segment.size", "1.5M"),
        ]);
        assert_eq!(limit(&size), Limit::Bytes(3 << 19));
        let fixed = stream(&[("realtime.segment.flush.threshold.segment.rows", "7")]);
        assert_eq!(limit(&fixed), Limit::Rows(7));
        assert_eq!(
            flush_age_ms(&stream(&[(
                "realtime.segment.flush.threshold.time",
                "3600000"
            )])),
            3_600_000
        );
        assert_eq!(flush_age_ms(&stream(&[])), 21_600_000);
        assert_eq!(parse_size("12x"), None);
    }
}
