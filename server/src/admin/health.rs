//! Health, uptime, metrics.
//!
//! Must not know: tables. Invariant: `OK` with 200, anything else with 503.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State as Extract};
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;

use super::{State, answer};
use crate::metrics;
use crate::query_service::Queries;

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "checkType")]
    kind: Option<String>,
}

type Verdict = (StatusCode, String);

pub(crate) fn routes() -> Router<Arc<Queries>> {
    Router::new()
        .route("/health", get(health))
        .route("/health/liveness", get(async || "OK"))
        .route("/health/readiness", get(readiness))
        .route("/metrics", get(metrics))
        .route("/uptime", get(uptime))
        .route("/start-time", get(start_time))
        .route("/instance/tags", get(tags))
}

async fn health(state: State, Query(check): Query<Check>) -> Verdict {
    match check.kind.as_deref() {
        Some("liveness") => (StatusCode::OK, "OK".to_owned()),
        _ => readiness(state).await,
    }
}

async fn readiness(Extract(queries): State) -> Verdict {
    let complaints = queries.shared.complaints();
    if complaints.is_empty() {
        (StatusCode::OK, "OK".to_owned())
    } else {
        let shown: Vec<_> = complaints.iter().take(10).map(String::as_str).collect();
        (StatusCode::SERVICE_UNAVAILABLE, shown.join("\n"))
    }
}

async fn metrics(Extract(queries): State) -> String {
    metrics::ask_streams(&queries.shared);
    metrics::render(&queries.shared)
}

async fn uptime(Extract(queries): State) -> String {
    let shared = &queries.shared;
    (shared.now_ms().saturating_sub(shared.started_ms) / 1000).to_string()
}

async fn start_time(Extract(queries): State) -> String {
    queries.shared.started_ms.to_string()
}

async fn tags(Extract(queries): State) -> axum::response::Response {
    answer(&serde_json::json!(queries.shared.tags))
}
