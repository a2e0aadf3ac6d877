//! What routing does with servers that come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::controller_service::{ClusterView, Instance, ReplicaState, TableView};
use serde_json::json;

use super::{Chooser, Pruner, Routing};
use crate::servers::GrpcServers;

const NOW_MS: i64 = 1_700_000_000_000;

fn server(id: &str, live: bool) -> Instance {
    Instance {
        id: id.to_owned(),
        role: "server".to_owned(),
        host: "localhost".to_owned(),
        port: 8098,
        admin_port: 8097,
        tags: Vec::new(),
        live,
        enabled: true,
    }
}

/// A table of one segment on server `a`, created a second ago.
fn table(reported: Option<ReplicaState>) -> TableView {
    let mut external = BTreeMap::new();
    if let Some(state) = reported {
        let replicas = BTreeMap::from([("a".to_owned(), state)]);
        external.insert("t_0".to_owned(), replicas);
    }
    serde_json::from_value(json!({
        "name": "t_OFFLINE", "version": 1, "enabled": true,
        "config": {"tableName": "t_OFFLINE", "tableType": "OFFLINE"},
        "schema": {"schemaName": "t"},
        "segments": {"t_0": {
            "name": "t_0", "status": "UPLOADED", "partition": null, "sequence": null, "start_offset": null,
            "end_offset": null, "download_uri": "", "crc": 0, "total_docs": 1, "size_bytes": 1,
            "start_time_ms": null, "end_time_ms": null, "created_ms": NOW_MS - 1000, "pushed_ms": NOW_MS - 1000,
            "flush_rows": null
        }},
        "ideal": {"t_0": {"a": "ONLINE"}},
        "external": external,
        "paused": false, "force_commit": [], "reload_generation": 0, "time_boundary_ms": null
    }))
    .unwrap()
}

fn view(instances: Vec<Instance>, table: TableView) -> ClusterView {
    ClusterView {
        version: 1,
        instances,
        tables: vec![table],
        ..ClusterView::default()
    }
}

fn routing(view: ClusterView) -> Routing {
    Routing::default().next(view, &GrpcServers::default())
}

/// Servers asked, and segments named as unavailable.
fn chosen(live: bool, reported: Option<ReplicaState>) -> (usize, Vec<String>) {
    chosen_of(&routing(view(vec![server("a", live)], table(reported))))
}

fn chosen_of(routing: &Routing) -> (usize, Vec<String>) {
    let table = routing.table("t_OFFLINE").unwrap();
    let chooser = Chooser {
        turn: 0,
        now_ms: NOW_MS,
        avoided: &[],
        fixed: false,
    };
    let choice = chooser.choose(&Arc::clone(&table), &Pruner::none(), |_| true);
    (choice.shares.len(), choice.unavailable)
}

#[tokio::test]
async fn a_young_segment_is_awaited_while_its_server_lives() {
    assert_eq!(chosen(true, Some(ReplicaState::Online)), (1, Vec::new()));
    assert_eq!(chosen(true, None), (0, Vec::new()));
}

#[tokio::test]
async fn a_young_segment_of_a_dead_server_is_named() {
    let named = (0, vec!["t_0".to_owned()]);
    assert_eq!(chosen(false, Some(ReplicaState::Online)), named);
    assert_eq!(chosen(false, None), named);
}

#[tokio::test]
async fn a_young_segment_that_answered_before_is_named() {
    let named = (0, vec!["t_0".to_owned()]);
    assert_eq!(chosen(true, Some(ReplicaState::Offline)), named);
}

#[tokio::test]
async fn a_young_segment_is_awaited_of_the_replica_that_lives() {
    let mut two = table(None);
    let ideal = two.ideal.get_mut("t_0").unwrap();
    ideal.insert("b".to_owned(), ReplicaState::Online);
    let servers = vec![server("a", false), server("b", true)];
    assert_eq!(chosen_of(&routing(view(servers, two))), (0, Vec::new()));
}

#[tokio::test]
async fn a_server_that_just_left_answers_for_what_nobody_else_has() {
    let reported = table(Some(ReplicaState::Online));
    let before = routing(view(vec![server("a", true)], reported.clone()));
    let gone = view(vec![server("a", false)], reported);
    let after = before.next(gone, &GrpcServers::default());
    assert_eq!(chosen_of(&after), (1, Vec::new()));
}
