//! Who may use the broker's paths; which tables they may read is decided with the query.
//!
//! Must not know: queries. Invariant: where principals are known, only health and a browser's preflight answer without proof.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use cluster::Permission;

use super::{Shared, refusal};

const OPEN: &[&str] = &["/health", "/health/liveness", "/health/readiness"];

/// The header of a request, as text.
pub(super) fn shown(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
}

/// Lets a request through, or answers 401 or 403.
pub(super) async fn guard(State(core): Shared, request: Request, next: Next) -> Response {
    let open = OPEN.contains(&request.uri().path()) || request.method() == Method::OPTIONS;
    if open || !core.access.is_closed() {
        return next.run(request).await;
    }
    let Some(principal) = core.access.who(shown(request.headers())).await else {
        let mut response = refusal(401, "HTTP 401 Unauthorized");
        let scheme = HeaderValue::from_static("Basic realm=\"touriga\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        return response;
    };
    // Asking is reading, whatever the method.
    let permission = match request.method().as_str() {
        "DELETE" => Permission::Delete,
        _ => Permission::Read,
    };
    if !principal.may(permission) {
        let why = format!("Permission is denied for {}", permission.name());
        return refusal(403, &why);
    }
    next.run(request).await
}
