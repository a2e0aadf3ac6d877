//! `/metrics`: the controller's figures in Prometheus' text form, under Pinot's names.
//!
//! Must not know: the other roles' figures. Invariant: every figure is read from the state when it is asked for.

use std::fmt::Write;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use common::TableType;
use proto::controller_service::ReplicaState;

use super::Shared;
use crate::core::Core;
use crate::state::{State as Cluster, TableEntry};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new().route("/metrics", get(metrics))
}

/// A figure of the whole cluster or of each table.
type OfCluster = fn(&Cluster) -> usize;
type OfTable = fn(&TableEntry) -> usize;

const CLUSTER: &[(&str, OfCluster)] = &[
    ("realtimeTableCount", |s| count(s, TableType::Realtime)),
    ("offlineTableCount", |s| count(s, TableType::Offline)),
    ("LeaderPartitionCount", |_| 24),
    ("healthyBrokerCount", |s| live(s, "broker")),
    ("healthyServerCount", |s| live(s, "server")),
];

const TABLE: &[(&str, OfTable)] = &[
    ("segmentCount", |t| t.segments.len()),
    ("percentSegmentsAvailable", percent_available),
    ("percentOfReplicas", percent_replicas),
    ("segmentsInErrorState", in_error),
    ("numberOfReplicas", |t| {
        t.record.config.segments_config.replicas()
    }),
    ("tableDisabled", |t| usize::from(!t.record.enabled)),
    ("tableConsumptionPaused", |t| {
        usize::from(t.record.pause.paused)
    }),
];

fn count(state: &Cluster, side: TableType) -> usize {
    state
        .tables
        .values()
        .filter(|t| t.record.config.table_type == side)
        .count()
}

fn live(state: &Cluster, role: &str) -> usize {
    state
        .instances
        .values()
        .filter(|i| i.role == role && i.live)
        .count()
}

fn serves(state: ReplicaState) -> bool {
    matches!(state, ReplicaState::Online | ReplicaState::Consuming)
}

fn percent(part: usize, whole: usize) -> usize {
    part.saturating_mul(100).checked_div(whole).unwrap_or(100)
}

fn percent_available(table: &TableEntry) -> usize {
    let available = table
        .segments
        .values()
        .filter(|s| s.external.values().any(|r| serves(*r)));
    percent(available.count(), table.segments.len())
}

fn percent_replicas(table: &TableEntry) -> usize {
    let wanted = table.segments.values().map(|s| s.ideal.len()).sum();
    let there = table
        .segments
        .values()
        .flat_map(|s| s.external.values())
        .filter(|r| serves(**r));
    percent(there.count(), wanted)
}

fn in_error(table: &TableEntry) -> usize {
    let failed =
        |s: &&crate::records::SegmentEntry| s.external.values().any(|r| *r == ReplicaState::Error);
    table.segments.values().filter(failed).count()
}

fn written(state: &Cluster) -> String {
    let mut out = String::new();
    let mut line = |name: &str, labels: &str, value: usize| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "pinot_controller_{name}_Value{labels} {value}");
    };
    for (name, figure) in CLUSTER {
        line(name, "", figure(state));
    }
    for (name, figure) in TABLE {
        for table in state.tables.values() {
            let record = &table.record;
            let labels = format!(
                "{{database=\"default\",table=\"{}\",tableType=\"{}\"}}",
                record.raw_name(),
                record.config.table_type
            );
            line(name, &labels, figure(table));
        }
    }
    out
}

async fn metrics(State(core): Shared) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    let mut text = core.read(written);
    text.push_str(&cluster::process::metrics());
    (headers, text).into_response()
}
