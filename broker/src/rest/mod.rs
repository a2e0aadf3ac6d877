//! The broker's HTTP interface.
//!
//! Must not know: how queries are answered. Invariant: what is not there is 404 as `{"code":404,"error":"HTTP 404 Not Found"}`.

mod access;
mod change;
mod debug;
mod query;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, head, post};
use serde_json::json;
use tower_http::cors::{Any, CorsLayer};

use crate::execution::Core;
use crate::request::QueryInput;

type Shared = State<Arc<Core>>;

/// True where a statement changes rows, which the controller does.
pub(crate) fn is_change(input: &QueryInput) -> bool {
    change::is_one(input)
}

/// Every path.
pub(crate) fn router(core: Arc<Core>, request_bytes_limit: usize) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any);
    let single = || post(query::post_sql).get(query::get_sql);
    let multi = || post(query::post_multi).get(query::get_multi);
    Router::new()
        .route("/query/sql", single().delete(query::delete_sql))
        .route("/query/sql/", single())
        .route("/query", multi())
        .route("/query/", multi())
        .route("/query/sql/validateSyntax", post(query::validate))
        .route("/query/{id}", delete(query::cancel))
        .route("/clientQuery/{id}", delete(query::cancel_client))
        .route("/queries", get(query::running))
        .route("/responseStore", get(query::cursors))
        .route("/responseStore/", get(query::cursors))
        .route(
            "/responseStore/{id}",
            get(query::cursor).delete(query::forget_cursor),
        )
        .route(
            "/responseStore/{id}/",
            get(query::cursor).delete(query::forget_cursor),
        )
        .route("/responseStore/{id}/results", get(query::cursor_page))
        .route("/debug/timeBoundary/{table}", get(debug::time_boundary))
        .route("/debug/routingTable/sql", get(debug::routing_of_sql))
        .route("/debug/routingTable/{table}", get(debug::routing_of_table))
        .route("/debug/serverRoutingStats", get(debug::servers))
        .route("/health", get(health))
        .route("/health/liveness", get(async || "OK"))
        .route("/health/readiness", get(health))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .route("/timeseries/api/v1/query_range", head(not_found))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(request_bytes_limit))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&core),
            access::guard,
        ))
        .layer(cors)
        .with_state(core)
}

/// JSON with its content type.
fn json_text(status: StatusCode, text: String) -> Response {
    let mut response = (status, text).into_response();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A bare JSON string.
fn json_string(status: u16, text: &str) -> Response {
    json_text(status_of(status), json!(text).to_string())
}

/// `{"code":..,"error":..}`.
fn refusal(status: u16, message: &str) -> Response {
    json_text(
        status_of(status),
        json!({"code": status, "error": message}).to_string(),
    )
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// True where a header says `true`.
fn header_is_true(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers
        .get(name)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

async fn not_found() -> Response {
    refusal(404, "HTTP 404 Not Found")
}

async fn not_allowed() -> Response {
    refusal(405, "HTTP 405 Method Not Allowed")
}

async fn health(State(core): Shared) -> Response {
    if core.leaving.load(std::sync::atomic::Ordering::Acquire) {
        refusal(503, "Pinot broker status is SHUTTING_DOWN")
    } else if core.routing.load().loaded {
        (StatusCode::OK, "OK").into_response()
    } else {
        refusal(503, "Pinot broker status is STARTING")
    }
}

async fn version() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    json_text(StatusCode::OK, json!({"touriga": version}).to_string())
}

async fn metrics(State(core): Shared) -> Response {
    let mut response = core.metrics.text(core.clock.now_ms()).into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
