//! Who may use the server's paths, and its query service.
//!
//! Must not know: what a path answers. Invariant: where principals are known, only health answers without proof.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cluster::{Permission, Principal};

use super::{Refusal, State};

fn is_open(path: &str) -> bool {
    path == "/health" || path.starts_with("/health/")
}

/// The table that a path names: behind `tables`, `table` or `segments`.
fn table_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    parts
        .by_ref()
        .find(|part| matches!(*part, "tables" | "table" | "segments"))?;
    parts.next().filter(|name| !name.is_empty())
}

async fn shown(queries: &State, headers: &HeaderMap) -> Option<std::sync::Arc<Principal>> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    queries.shared.access.who(header).await
}

fn unproven() -> Response {
    let refusal = Refusal(StatusCode::UNAUTHORIZED, "HTTP 401 Unauthorized".to_owned());
    let mut response = refusal.into_response();
    let scheme = HeaderValue::from_static("Basic realm=\"touriga\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, scheme);
    response
}

fn denied() -> Response {
    Refusal(StatusCode::FORBIDDEN, "Permission is denied".to_owned()).into_response()
}

/// Lets a request through, or answers 401 or 403.
pub(super) async fn guard(queries: State, request: Request, next: Next) -> Response {
    if !queries.shared.access.is_closed() || is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let Some(principal) = shown(&queries, request.headers()).await else {
        return unproven();
    };
    let permission = Permission::of_method(request.method().as_str());
    let touches = table_of(request.uri().path()).is_none_or(|table| principal.may_touch(table));
    if !principal.may(permission) || !touches {
        return denied();
    }
    next.run(request).await
}

/// Lets brokers through: those who may do everything.
pub(crate) async fn guard_peers(queries: State, request: Request, next: Next) -> Response {
    if queries.shared.access.is_closed() {
        match shown(&queries, request.headers()).await {
            None => return unproven(),
            Some(principal) if !principal.is_unlimited() => return denied(),
            Some(_) => {}
        }
    }
    next.run(request).await
}
