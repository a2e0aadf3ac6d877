//! `/health`, `/version` and their like.
//!
//! Must not know: tables. Invariant: bodies are exactly those that probes and clients compare with.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::{Map, Value as Json, json as object};

use cluster::Permission;

use super::{Answer, Parameters, Refusal, Shared, VERSION, access, json, text};
use crate::core::Core;

/// Components that Pinot's answer names; clients look for one of them.
const COMPONENTS: &[&str] = &[
    "pinot-controller",
    "pinot-broker",
    "pinot-server",
    "pinot-minion",
    "pinot-common",
    "pinot-core",
    "pinot-spi",
    "pinot-segment-spi",
    "pinot-segment-local",
    "pinot-segment-uploader-default",
    "pinot-query-planner",
    "pinot-query-runtime",
    "pinot-java-client",
    "pinot-kafka-3.0",
    "pinot-kafka-base",
    "pinot-json",
    "pinot-csv",
    "pinot-avro",
    "pinot-avro-base",
    "pinot-parquet",
    "pinot-protobuf",
    "pinot-s3",
    "pinot-tools",
    "pinot-batch-ingestion-standalone",
    "pinot-batch-ingestion-common",
];

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/health", get(health))
        .route("/health/liveness", get(health))
        .route("/health/readiness", get(readiness))
        .route("/pinot-controller/admin", get(admin))
        .route("/version", get(version))
        .route("/uptime", get(uptime))
        .route("/start-time", get(start_time))
        .route("/auth/info", get(auth_info))
        .route("/auth/verify", get(verified))
        .route("/auth/verify/v2", get(verified))
}

async fn health() -> Answer {
    Ok(text("OK"))
}

/// One of several controllers is ready once it has read the shared state.
async fn readiness(State(core): Shared) -> Answer {
    match &core.seat {
        Some(seat) if !seat.is_copied() => Err(Refusal::new(
            503,
            "the shared metadata store was not read yet",
        )),
        _ => Ok(text("OK")),
    }
}

async fn admin() -> Answer {
    Ok(text("GOOD"))
}

async fn version() -> Answer {
    let all: Map<String, Json> = COMPONENTS
        .iter()
        .map(|name| ((*name).to_owned(), Json::from(VERSION)))
        .collect();
    Ok(json(&Json::Object(all)))
}

async fn uptime(State(core): Shared) -> Answer {
    let seconds = core.now_ms().saturating_sub(core.started_ms) / 1000;
    Ok(json(&Json::from(seconds)))
}

async fn start_time(State(core): Shared) -> Answer {
    let started = chrono::DateTime::from_timestamp_millis(core.started_ms).unwrap_or_default();
    Ok(text(started.to_rfc3339()))
}

async fn auth_info(State(core): Shared) -> Answer {
    let workflow = if core.access.has_issuer() {
        "OIDC"
    } else if core.access.is_closed() {
        "BASIC"
    } else {
        "NONE"
    };
    Ok(json(&object!({ "workflow": workflow })))
}

async fn verified(State(core): Shared, parameters: Parameters, headers: HeaderMap) -> Answer {
    let permission = match parameters.get("accessType").map(String::as_str) {
        Some("CREATE") => Permission::Create,
        Some("UPDATE") => Permission::Update,
        Some("DELETE") => Permission::Delete,
        _ => Permission::Read,
    };
    let table = parameters.get("tableName").map(String::as_str);
    let verdict = access::verified(&core.access, &headers, table, permission).await;
    Ok(json(&Json::Bool(verdict)))
}
