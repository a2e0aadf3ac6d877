//! Paths that show routing; connectors of other engines read them.
//!
//! Must not know: how routing is made. Invariant: shapes are Pinot's.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;
use sql::{Options, Statement};

use super::{Shared, json_text, refusal};
use crate::execution::{Core, Outcome, boundary_of};
use crate::routing::{Choice, Chooser, Pruner, RoutedTable};

type Shares = BTreeMap<String, Vec<String>>;

fn database(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("database")
        .and_then(|value| value.to_str().ok())
}

pub(super) async fn time_boundary(
    State(core): Shared,
    Path(table): Path<String>,
    headers: HeaderMap,
) -> Response {
    let routing = core.routing.load();
    let raw = common::ids::split_type(&table).0;
    let found = routing.resolve(raw, database(&headers));
    let boundary = match (&found.offline, &found.realtime) {
        (Some(offline), Some(_)) => boundary_of(offline),
        _ => None,
    };
    match boundary {
        // Spark reads the first pair of names, Trino the second.
        Some((column, value)) => json_text(
            StatusCode::OK,
            json!({
                "timeColumn": column,
                "timeValue": value,
                "timeColumnName": column,
                "timeColumnValue": value,
            })
            .to_string(),
        ),
        None => refusal(
            404,
            &format!("Cannot find time boundary for table: {table}"),
        ),
    }
}

fn shares(core: &Core, table: &RoutedTable, pruner: &Pruner) -> Shares {
    let chooser = Chooser {
        turn: 0,
        now_ms: core.clock.now_ms(),
        avoided: &[],
        fixed: false,
    };
    let Choice { shares, .. } = chooser.choose(table, pruner, |_| true);
    shares
        .into_iter()
        .map(|(server, segments)| (server.instance.id.clone(), segments))
        .collect()
}

pub(super) async fn routing_of_table(
    State(core): Shared,
    Path(table): Path<String>,
    headers: HeaderMap,
) -> Response {
    let routing = core.routing.load();
    let found = routing.resolve(&table, database(&headers));
    let all: BTreeMap<String, Shares> = found
        .sides()
        .map(|side| (side.view.name.clone(), shares(&core, side, &Pruner::none())))
        .collect();
    if all.is_empty() {
        return refusal(404, &format!("Cannot find routing for table: {table}"));
    }
    json_text(StatusCode::OK, json!(all).to_string())
}

pub(super) async fn routing_of_sql(
    State(core): Shared,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let text = parameters.get("query").map_or("", String::as_str);
    let routing = core.routing.load_full();
    let compiled = Statement::split(text, &Options::default())
        .ok()
        .and_then(|statement| {
            core.compile(
                &routing,
                &statement,
                database(&headers),
                core.clock.now_ms(),
            )
            .ok()
        });
    let Some(Outcome::Planned(compiled)) = compiled else {
        return refusal(404, &format!("Cannot find routing for query: {text}"));
    };
    let all: BTreeMap<String, Shares> = compiled
        .sides
        .iter()
        .map(|side| {
            let pruner = Pruner::new(&side.plan, &side.table);
            (
                side.table.view.name.clone(),
                shares(&core, &side.table, &pruner),
            )
        })
        .collect();
    json_text(StatusCode::OK, json!(all).to_string())
}

pub(super) async fn servers(State(core): Shared) -> Response {
    let routing = core.routing.load();
    let all: BTreeMap<&str, bool> = routing
        .servers()
        .map(|s| {
            (
                s.instance.id.as_str(),
                s.instance.live && s.instance.enabled,
            )
        })
        .collect();
    json_text(StatusCode::OK, json!(all).to_string())
}
