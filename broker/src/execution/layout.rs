//! What servers are asked for of a leaf, and how its rows lie on them by the partitions of a column.
//!
//! Must not know: plans of the multi-stage engine. Invariant: a partition is believed where pruning believes it: of segments whose
//! record has it by the function of the table's config, so of none that still grows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use common::partition::PartitionFunction;
use multistage::{Layout, Partitioned, Place, Share, Slot};
use proto::QueryRequest;
use sql::Statement;

use super::compile::Side;
use super::{Core, Job};
use crate::routing::{RoutedSegment, RoutedTable, Selector, Server, present};

/// Who asks servers, and for what.
pub(super) struct Asker {
    pub(super) core: Arc<Core>,
    pub(super) job: Job,
    pub(super) statement: Statement,
}

impl Asker {
    /// The request for some segments of a side.
    pub(super) fn request(&self, side: &Side, segments: &[String]) -> QueryRequest {
        let job = &self.job;
        let options = self.statement.options.iter();
        QueryRequest {
            request_id: job.request_id,
            broker_id: self.core.id.clone(),
            table: side.table.view.name.clone(),
            segments: segments.to_vec(),
            sql: job.input.sql.clone(),
            options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            time_boundary: side.boundary.clone(),
            timeout_ms: job.left_ms(),
            now_ms: job.now_ms,
            plan: Some(Arc::clone(&side.plan) as _),
        }
    }

    /// The same for the stages of a server.
    pub(super) fn share(
        &self,
        side: &Side,
        server: &Arc<Server>,
        segments: &[String],
    ) -> Option<(Place, Share)> {
        let instance = &server.instance;
        let url = format!("http://{}:{}", instance.host, instance.port);
        let place = Place {
            id: instance.id.clone(),
            url: url.parse().ok()?,
            here: server.stages.clone(),
        };
        let mut request = self.request(side, segments);
        request.plan = None;
        let running = &self.core.running;
        running.works_on(request.request_id, std::iter::once(Arc::clone(server)));
        let share = Share {
            server: instance.id.clone(),
            url,
            request: proto::grpc::request_bytes(request),
        };
        Some((place, share))
    }
}

/// The sides of a leaf with the segments that are read of each.
pub(super) struct Sides {
    pub(super) asker: Arc<Asker>,
    pub(super) sides: Vec<(Side, Vec<String>)>,
}

/// The segments of a side by partition.
struct Parts<'a> {
    function: PartitionFunction,
    segments: BTreeMap<u32, Vec<&'a RoutedSegment>>,
}

/// None where the partition of some segment is not known, or is not one.
fn parts<'a>(table: &'a RoutedTable, segments: &[String], column: &str) -> Option<Parts<'a>> {
    let (name, settings, count) = table.view.config.partition_of(column)?;
    let function = PartitionFunction::new(name, count, settings)?;
    let read: HashSet<&str> = segments.iter().map(String::as_str).collect();
    let mut by_partition: BTreeMap<u32, Vec<&RoutedSegment>> = BTreeMap::new();
    let routed = table.segments.iter();
    for segment in routed.filter(|segment| read.contains(segment.name.as_str())) {
        let record = segment.record.as_ref()?;
        let [one] = present(record, column, (name, count))? else {
            return None;
        };
        // Rows of one key are judged by one server: both sorts of partition must be one.
        if table.selector == Selector::StrictReplicaGroup && segment.partition != Some(*one) {
            return None;
        }
        by_partition.entry(*one).or_default().push(segment);
    }
    Some(Parts {
        function,
        segments: by_partition,
    })
}

impl Parts<'_> {
    /// By partition: the servers that have all of its segments.
    fn servers(&self, table: &RoutedTable) -> BTreeMap<u32, BTreeSet<String>> {
        let strict = table.selector == Selector::StrictReplicaGroup;
        let of = self.segments.iter().map(|(partition, read)| {
            // Who judges rows has to know all of their partition, whatever is read of it.
            let judged = table.segments.iter();
            let judged = judged.filter(|s| strict && s.partition == Some(*partition));
            let mut all = read.iter().copied().chain(judged);
            let first = all.next().map(|s| s.candidates.clone());
            let mut able: BTreeSet<u32> = first.unwrap_or_default().into_iter().collect();
            for segment in all {
                able.retain(|server| segment.candidates.contains(server));
            }
            let ids = able.into_iter().filter_map(|at| {
                let server = table.servers.get(at as usize)?;
                Some(server.instance.id.clone())
            });
            (*partition, ids.collect())
        });
        of.collect()
    }
}

impl Layout for Sides {
    fn partitioned(&self, column: &str) -> Option<Partitioned> {
        let mut all: Option<Partitioned> = None;
        for (side, segments) in &self.sides {
            let parts = parts(&side.table, segments, column)?;
            let found = Partitioned {
                servers: parts.servers(&side.table),
                function: parts.function,
                column_type: side.table.schema.field(column)?.column_type(),
                nullable: side.plan.null_handling,
            };
            let Some(known) = &mut all else {
                all = Some(found);
                continue;
            };
            if known.function != found.function || known.column_type != found.column_type {
                return None;
            }
            for (partition, servers) in found.servers {
                let here = known.servers.entry(partition);
                let here = here.or_insert_with(|| servers.clone());
                here.retain(|server| servers.contains(server));
            }
        }
        all
    }

    fn shares(&self, column: &str, slots: &[Slot]) -> Option<Vec<Vec<Share>>> {
        let mut shares = vec![Vec::new(); slots.len()];
        for (side, segments) in &self.sides {
            let parts = parts(&side.table, segments, column)?;
            for (slot, shares) in slots.iter().zip(&mut shares) {
                let own = slot.partitions.iter();
                let own = own.filter_map(|partition| parts.segments.get(partition));
                let names: Vec<String> = own.flatten().map(|s| s.name.clone()).collect();
                if names.is_empty() {
                    continue;
                }
                let servers = &side.table.servers;
                let server = servers.iter().find(|s| s.instance.id == slot.server)?;
                shares.push(self.asker.share(side, server, &names)?.1);
            }
        }
        Some(shares)
    }
}

#[cfg(test)]
mod tests {
    use proto::controller_service::{ClusterView, Instance};
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::routing::Routing;
    use crate::servers::GrpcServers;

    /// A segment's name, its partitions of `k`, its stream partition and its servers.
    type Segment = (
        &'static str,
        &'static [u32],
        Option<u32>,
        &'static [&'static str],
    );

    fn table(config: Json, segments: &[Segment]) -> Arc<RoutedTable> {
        let instances = ["a", "b", "c"].map(|id| Instance {
            id: id.to_owned(),
            role: "server".to_owned(),
            host: "localhost".to_owned(),
            port: 8098,
            admin_port: 8097,
            tags: Vec::new(),
            live: true,
            enabled: true,
        });
        let (mut records, mut replicas) = (json!({}), json!({}));
        for (name, present, partition, servers) in segments {
            let known = match present {
                [] => json!({}),
                some => json!({"k": ["Murmur", 4, some]}),
            };
            records[name] = json!({
                "name": name, "status": "UPLOADED", "partition": partition, "sequence": null, "start_offset": null,
                "end_offset": null, "download_uri": "", "crc": 0, "total_docs": 1, "size_bytes": 1,
                "start_time_ms": null, "end_time_ms": null, "created_ms": 0, "pushed_ms": 0, "flush_rows": null,
                "partitions": known,
            });
            let states = servers.iter().map(|id| ((*id).to_owned(), json!("ONLINE")));
            replicas[name] = Json::Object(states.collect());
        }
        let view = json!({
            "name": "t_OFFLINE", "version": 1, "enabled": true, "config": config,
            "schema": {"schemaName": "t", "dimensionFieldSpecs": [{"name": "k", "dataType": "INT"}]},
            "segments": records, "ideal": replicas, "external": replicas,
            "paused": false, "force_commit": [], "reload_generation": 0, "time_boundary_ms": null
        });
        let view = ClusterView {
            version: 1,
            instances: instances.into(),
            tables: vec![serde_json::from_value(view).unwrap()],
            ..ClusterView::default()
        };
        let routing = Routing::default().next(view, &GrpcServers::default());
        routing.table("t_OFFLINE").unwrap()
    }

    fn config(more: Json) -> Json {
        let mut config = json!({"tableName": "t_OFFLINE", "tableType": "OFFLINE", "tableIndexConfig":
            {"segmentPartitionConfig": {"columnPartitionMap": {"k": {"functionName": "murmur", "numPartitions": 4}}}}});
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        config
    }

    /// Partitions of some segments with the servers that have all of each.
    fn found(table: &RoutedTable, read: &[&str], column: &str) -> Option<Vec<(u32, String)>> {
        let read: Vec<String> = read.iter().map(|name| (*name).to_owned()).collect();
        let servers = parts(table, &read, column)?.servers(table);
        let text = |ids: BTreeSet<String>| ids.into_iter().collect::<String>();
        Some(servers.into_iter().map(|(p, ids)| (p, text(ids))).collect())
    }

    #[tokio::test]
    async fn a_partition_is_where_all_its_segments_are() {
        let segments: [Segment; 5] = [
            ("t_0", &[1], None, &["a", "b"]),
            ("t_1", &[1], None, &["b", "c"]),
            ("t_2", &[3], None, &["a"]),
            ("t_3", &[2, 3], None, &["a"]),
            ("t_4", &[], Some(3), &["a"]),
        ];
        let table = table(config(json!({})), &segments);
        let both = vec![(1, "b".to_owned()), (3, "a".to_owned())];
        assert_eq!(found(&table, &["t_0", "t_1", "t_2"], "k"), Some(both));
        assert_eq!(
            found(&table, &["t_0"], "k"),
            Some(vec![(1, "ab".to_owned())])
        );
        // Two partitions; none that is known, as of a segment that still grows; no such column.
        assert_eq!(found(&table, &["t_0", "t_3"], "k"), None);
        assert_eq!(found(&table, &["t_0", "t_4"], "k"), None);
        assert_eq!(found(&table, &["t_0"], "v"), None);
    }

    #[tokio::test]
    async fn who_judges_rows_has_all_of_their_partition() {
        let strict = json!({"routing": {"instanceSelectorType": "strictReplicaGroup"}});
        let segments: [Segment; 3] = [
            ("t_0", &[1], Some(1), &["a", "b"]),
            ("t_1", &[1], Some(1), &["b"]),
            ("t_2", &[2], Some(3), &["a"]),
        ];
        let table = table(config(strict), &segments);
        assert_eq!(
            found(&table, &["t_0"], "k"),
            Some(vec![(1, "b".to_owned())])
        );
        assert_eq!(found(&table, &["t_2"], "k"), None);
    }
}
