//! The HTTP endpoints of a server: health, metrics, what it holds.
//!
//! Must not know: queries' contents. Invariant: the shapes are Pinot's.

mod access;
mod debug;
mod health;
mod segments;
mod tables;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use crate::query_service::Queries;
use crate::tables::Table;

pub(crate) use access::guard_peers;

pub(crate) type State = axum::extract::State<Arc<Queries>>;

pub(crate) fn router(queries: Arc<Queries>) -> Router {
    let cors = tower_http::cors::CorsLayer::permissive();
    Router::new()
        .merge(health::routes())
        .merge(tables::routes())
        .merge(segments::routes())
        .merge(debug::routes())
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&queries),
            access::guard,
        ))
        .with_state(queries)
        .layer(cors)
}

/// A refusal in Pinot's form.
pub(crate) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"code": self.0.as_u16(), "error": self.1});
        (self.0, answer(&body)).into_response()
    }
}

pub(crate) type Answer = Result<Response, Refusal>;

pub(crate) fn answer(body: &Json) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, body.to_string()).into_response()
}

/// A table by its name with type.
pub(crate) fn table(queries: &Queries, name: &str) -> Result<Arc<Table>, Refusal> {
    queries
        .shared
        .tables
        .get(name)
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("Table: {name} is not found")))
}

pub(crate) fn not_found(what: String) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, what)
}
