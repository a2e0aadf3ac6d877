//! The controller's REST API: Pinot's paths, answers and errors, one resource a file.
//!
//! Must not know: how state is kept. Invariants: an error is `{"code", "error"}` with the HTTP status of its code; every answer carries
//! the CORS header.

mod access;
mod answer;
mod batch;
mod brokers;
mod cluster_info;
mod console;
mod database;
mod debug;
mod forward;
mod functions;
mod gateway;
mod health;
mod ingest;
mod instances;
mod jobs;
mod metrics;
mod periodic_tasks;
mod realtime;
mod rebalance;
mod replace;
mod rows;
mod schemas;
mod segments;
mod size;
mod sql;
mod table_configs;
mod table_views;
mod tables;
mod tasks;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::core::Core;

pub(crate) use answer::{Answer, Parameters, Refusal, json, status, text};
pub(crate) use table_views::servers_of;

/// Version that clients are told, Pinot's first.
pub(crate) const VERSION: &str = "1.5.1-touriga";

type Shared = State<Arc<Core>>;

/// Every route of the controller.
pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .merge(batch::routes())
        .merge(brokers::routes())
        .merge(cluster_info::routes())
        .merge(console::routes())
        .merge(debug::routes())
        .merge(gateway::routes())
        .merge(functions::routes())
        .merge(health::routes())
        .merge(ingest::routes())
        .merge(instances::routes())
        .merge(jobs::routes())
        .merge(metrics::routes())
        .merge(periodic_tasks::routes())
        .merge(realtime::routes())
        .merge(rebalance::routes())
        .merge(replace::routes())
        .merge(rows::routes())
        .merge(schemas::routes())
        .merge(segments::routes())
        .merge(size::routes())
        .merge(sql::routes())
        .merge(table_configs::routes())
        .merge(table_views::routes())
        .merge(tables::routes())
        .merge(tasks::routes())
        .merge(tenants::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&core),
            access::guard,
        ))
        .layer(middleware::from_fn(database::of_header))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&core),
            forward::to_leader,
        ))
        .layer(middleware::from_fn_with_state(Arc::clone(&core), headers))
        .layer(DefaultBodyLimit::disable())
        .with_state(core)
}

/// The service of brokers and servers, for those who prove to be of the cluster.
pub(crate) fn of_peers<S>(core: &Arc<Core>, service: S) -> Router
where
    S: tower::Service<Request, Error = std::convert::Infallible> + Clone + Send + Sync + 'static,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    Router::new()
        .route_service(proto::grpc::CONTROLLER_PATH, service)
        .layer(middleware::from_fn_with_state(
            Arc::clone(core),
            access::guard_peers,
        ))
}

async fn unknown_path() -> Refusal {
    Refusal::new(404, "HTTP 404 Not Found")
}

async fn unknown_method() -> Refusal {
    Refusal::new(405, "HTTP 405 Method Not Allowed")
}

/// Puts the headers that every answer has; answers a browser's preflight.
async fn headers(State(core): Shared, request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Ok(host) = HeaderValue::from_str(&core.host) {
        headers.insert("Pinot-Controller-Host", host);
    }
    headers.insert(
        "Pinot-Controller-Version",
        HeaderValue::from_static(VERSION),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    if preflight {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS, HEAD"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("*"),
        );
    }
    response
}

#[cfg(test)]
mod tests;
