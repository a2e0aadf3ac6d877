//! Which servers hold a segment's replicas.
//!
//! Must not know: stores, time, network: pure functions of names and counts. Invariants: no server twice for one segment; as many
//! replicas as wanted while there are servers; equal input gives equal output.

pub(crate) mod rebalance;

use std::collections::BTreeMap;

use common::{TableConfig, TableType};
use proto::controller_service::SegmentRecord;
use serde_json::Value as Json;

/// The partition by which a segment has its servers; `None` where any will do. Of a realtime table that is the stream's; of an
/// offline table the one partition of the column that its config names for it.
#[must_use]
pub(crate) fn home(config: &TableConfig, record: &SegmentRecord) -> Option<u32> {
    if config.table_type == TableType::Realtime {
        return record.partition;
    }
    let older = config
        .segments_config
        .extra
        .get("replicaGroupStrategyConfig");
    let groups = config.extra.get("instanceAssignmentConfigMap");
    let groups = groups.and_then(|all| all.get("OFFLINE")?.get("replicaGroupPartitionConfig"));
    let named = [older, groups].into_iter().flatten();
    let mut named = named.filter_map(|place| place.get("partitionColumn").and_then(Json::as_str));
    let (_, _, present) = record.partitions.get(named.next()?)?;
    match present.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// Servers for a new sealed segment: those with the fewest segments, ties by name.
#[must_use]
pub(crate) fn balanced(
    servers: &[String],
    held: &BTreeMap<String, usize>,
    replicas: usize,
) -> Vec<String> {
    let mut ordered: Vec<&String> = servers.iter().collect();
    ordered.sort_by_key(|id| (held.get(*id).copied().unwrap_or_default(), (*id).clone()));
    ordered.into_iter().take(replicas.max(1)).cloned().collect()
}

/// Servers for a partition: neighbours in the ring of names, so that a partition stays where it is.
#[must_use]
pub(crate) fn by_partition(servers: &[String], partition: u32, replicas: usize) -> Vec<String> {
    let mut ordered: Vec<&String> = servers.iter().collect();
    ordered.sort();
    let count = ordered.len();
    if count == 0 {
        return Vec::new();
    }
    let replicas = replicas.clamp(1, count);
    let first = (partition as usize).wrapping_mul(replicas) % count;
    (0..replicas)
        .filter_map(|i| ordered.get((first + i) % count))
        .map(|id| (*id).clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::{balanced, by_partition, home};

    fn servers(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("Server_h_{i}")).collect()
    }

    #[test]
    fn balanced_takes_the_emptiest() {
        let held = BTreeMap::from([("Server_h_0".to_owned(), 2), ("Server_h_1".to_owned(), 1)]);
        assert_eq!(
            balanced(&servers(3), &held, 2),
            ["Server_h_2", "Server_h_1"]
        );
        assert_eq!(balanced(&servers(1), &held, 3), ["Server_h_0"]);
        assert!(balanced(&[], &held, 1).is_empty());
    }

    #[test]
    fn an_offline_segment_has_a_home_where_the_config_names_a_column() {
        let record = |present: &[u32]| {
            serde_json::from_value(json!({
                "name": "t_0", "status": "UPLOADED", "partition": null, "sequence": null, "start_offset": null,
                "end_offset": null, "download_uri": "", "crc": 0, "total_docs": 1, "size_bytes": 1,
                "start_time_ms": null, "end_time_ms": null, "created_ms": 0, "pushed_ms": 0, "flush_rows": null,
                "partitions": {"k": ["Murmur", 4, present]},
            }))
            .unwrap()
        };
        let config = |text: serde_json::Value| serde_json::from_value(text).unwrap();
        let older = config(json!({"tableName": "t_OFFLINE", "tableType": "OFFLINE",
            "segmentsConfig": {"replicaGroupStrategyConfig": {"partitionColumn": "k"}}}));
        assert_eq!(home(&older, &record(&[3])), Some(3));
        assert_eq!(home(&older, &record(&[2, 3])), None);
        let groups = json!({"OFFLINE": {"replicaGroupPartitionConfig": {"partitionColumn": "k"}}});
        let newer = config(json!({"tableName": "t_OFFLINE", "tableType": "OFFLINE",
            "instanceAssignmentConfigMap": groups}));
        assert_eq!(home(&newer, &record(&[1])), Some(1));
        let none = config(json!({"tableName": "t_OFFLINE", "tableType": "OFFLINE"}));
        assert_eq!(home(&none, &record(&[1])), None);
    }

    #[test]
    fn partitions_spread_evenly() {
        for count in 1..6 {
            for replicas in 1..4 {
                let mut load = BTreeMap::new();
                for partition in 0..60 {
                    let chosen = by_partition(&servers(count), partition, replicas);
                    let distinct: BTreeSet<_> = chosen.iter().collect();
                    assert_eq!(distinct.len(), chosen.len());
                    assert_eq!(chosen.len(), replicas.min(count));
                    for id in chosen {
                        *load.entry(id).or_insert(0) += 1;
                    }
                }
                assert_eq!(load.len(), count);
                let (most, least) = (load.values().max(), load.values().min());
                assert!(
                    most.zip(least)
                        .is_some_and(|(m, l)| m - l <= replicas as i32)
                );
            }
        }
    }
}
