//! Consuming segments: which are wanted, how long they grow, what follows a committed one.
//!
//! Must not know: streams' protocols, stores. Invariant: a partition has at most one consuming segment, and it begins where the last
//! committed one ended.

use std::collections::BTreeMap;

use common::TableConfig;
use common::ids::RealtimeSegmentName;
use common::table_config::StreamConfig;
use ingest::stream::settings::{FlushRule, StreamSettings};
use proto::controller_service::{ReplicaState, Replicas, SegmentRecord, SegmentStatus};

use crate::assign;
use crate::records::{SegmentEntry, TableRecord};
use crate::state::{State, TableEntry};
use crate::streams::PARTITIONS_PER_TOPIC;
use crate::tenancy;

/// Rows after which a new segment is sealed. `last` is the partition's last committed segment.
fn flush_rows(
    stream: &StreamConfig,
    partitions_per_server: u64,
    last: Option<&SegmentRecord>,
) -> Option<u64> {
    let settings = StreamSettings::parse(stream).ok()?;
    match settings.flush {
        FlushRule::SegmentBytes {
            bytes,
            initial_rows,
        } => {
            let last = last.filter(|l| l.size_bytes > 0 && l.total_docs > 0);
            Some(last.map_or(initial_rows, |last| next_rows_by_size(last, bytes)))
        }
        _ => settings.segment_rows(partitions_per_server),
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
        flush_rows: flush_rows(&stream, load as u64, committed),
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
        moving: None,
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
    let by_size = StreamSettings::parse(&stream)
        .is_ok_and(|settings| matches!(settings.flush, FlushRule::SegmentBytes { .. }));
    if by_size {
        flush_rows(&stream, 1, Some(sealed))
    } else {
        planned
    }
}

#[cfg(test)]
mod tests {
    use common::table_config::StreamConfig;

    use super::flush_rows;

    #[test]
    fn rows_are_shared_by_the_partitions_of_a_server() {
        let map = |rows: &str| -> StreamConfig {
            [
                ("streamType", "kafka"),
                ("stream.kafka.topic.name", "t"),
                ("stream.kafka.broker.list", "h:1"),
                ("stream.kafka.decoder.class.name", "JSONMessageDecoder"),
                ("realtime.segment.flush.threshold.rows", rows),
            ]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
        };
        assert_eq!(flush_rows(&map("20"), 1, None), Some(20));
        assert_eq!(flush_rows(&map("20"), 3, None), Some(6));
        assert_eq!(flush_rows(&map("0"), 3, None), Some(100_000));
    }
}
