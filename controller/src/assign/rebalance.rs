//! Where every segment of a table should be: as many replicas as wanted on the servers there are, with few moves.
//!
//! Must not know: stores, time, network. Invariants: a balanced table stays as it is; no segment loses a replica that may stay while it has
//! too few; segments that go by a partition go together.

use std::collections::BTreeMap;

use super::by_partition;

/// A segment with the servers that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) name: String,
    /// The partition by which it has its servers.
    pub(crate) partition: Option<u32>,
    pub(crate) servers: Vec<String>,
}

/// The servers of each segment after a rebalance.
#[must_use]
pub(crate) fn rebalanced(
    segments: &[Placed],
    servers: &[String],
    replicas: usize,
) -> BTreeMap<String, Vec<String>> {
    let mut target = BTreeMap::new();
    let mut load: BTreeMap<&String, usize> = servers.iter().map(|id| (id, 0)).collect();
    let replicas = replicas.clamp(1, servers.len().max(1));
    let loose = segments.iter().filter(|s| s.partition.is_none()).count();
    let share = (loose * replicas).div_ceil(servers.len().max(1));
    for segment in segments {
        if let Some(partition) = segment.partition {
            target.insert(
                segment.name.clone(),
                by_partition(servers, partition, replicas),
            );
            continue;
        }
        // First those that hold it and have room, then the emptiest.
        let mut chosen: Vec<&String> = Vec::new();
        for id in servers.iter().filter(|id| segment.servers.contains(id)) {
            if chosen.len() < replicas && load.get(id).is_some_and(|n| *n < share) {
                chosen.push(id);
            }
        }
        while chosen.len() < replicas {
            let free = load.iter().filter(|(id, _)| !chosen.contains(*id));
            let Some(emptiest) = free.min_by_key(|(id, n)| (**n, **id)).map(|(id, _)| *id) else {
                break;
            };
            chosen.push(emptiest);
        }
        for id in &chosen {
            if let Some(n) = load.get_mut(*id) {
                *n += 1;
            }
        }
        target.insert(segment.name.clone(), chosen.into_iter().cloned().collect());
    }
    target
}

#[cfg(test)]
mod tests {
    use super::{Placed, rebalanced};

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("s{i}")).collect()
    }

    fn placed(count: usize, servers: &[&str]) -> Vec<Placed> {
        (0..count)
            .map(|i| Placed {
                name: format!("seg{i}"),
                partition: None,
                servers: servers.iter().map(|s| (*s).to_owned()).collect(),
            })
            .collect()
    }

    #[test]
    fn a_balanced_table_stays() {
        let mut segments = placed(4, &[]);
        for (i, segment) in segments.iter_mut().enumerate() {
            segment.servers = vec![format!("s{}", i % 2)];
        }
        let target = rebalanced(&segments, &ids(2), 1);
        assert!(segments.iter().all(|s| target[&s.name] == s.servers));
    }

    #[test]
    fn new_servers_take_their_share() {
        let target = rebalanced(&placed(9, &["s0"]), &ids(3), 1);
        for id in ids(3) {
            assert_eq!(
                target
                    .values()
                    .filter(|servers| servers.contains(&id))
                    .count(),
                3
            );
        }
        let doubled = rebalanced(&placed(3, &["s0"]), &ids(2), 2);
        assert!(doubled.values().all(|servers| servers.len() == 2));
        assert!(rebalanced(&placed(1, &["s0"]), &[], 1)["seg0"].is_empty());
    }
}
