//! Who may use which path: the permission of a method, the table that a path, a parameter or a body names.
//!
//! Must not know: what a path does. Invariant: where principals are known, only the console's files, health and `/auth` answer
//! without proof; a refusal never says which part of a proof was wrong.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cluster::{Access, Permission, Principal};
use serde_json::Value as Json;

use super::{Refusal, Shared};

/// Paths that answer everybody.
const OPEN: &[&str] = &[
    "/",
    "/help",
    "/auth/info",
    "/auth/verify",
    "/auth/verify/v2",
    "/pinot-controller/admin",
];
/// What a path begins with that answers everybody.
const OPEN_BELOW: &[&str] = &["/health"];
/// Endings of the console's files.
const FILES: &[&str] = &[".html", ".css", ".js", ".svg", ".png", ".ico"];
/// Parts of a path behind which a table's or schema's name stands.
const COLLECTIONS: &[&str] = &["tables", "schemas", "tableConfigs", "segments", "table"];
/// Names that are no table's, where one might stand.
const NOT_TABLES: &[&str] = &[
    "validate",
    "info",
    "fieldSpec",
    "segmentReloadStatus",
    "forceCommitStatus",
    "livebrokers",
    "rebalance",
];
/// Paths of POST that only look.
const LOOKING: &[&str] = &[
    "/sql",
    "/tables/validate",
    "/schemas/validate",
    "/tableConfigs/validate",
];
/// Endings of POST paths that change what is there.
const CHANGING: &[&str] = &[
    "/reload",
    "/reset",
    "/rebalance",
    "/pauseConsumption",
    "/resumeConsumption",
    "/forceCommit",
    "/state",
    "/timeBoundary",
];
/// Endings of POST paths that remove.
const REMOVING: &[&str] = &["/delete"];
/// Bodies of definitions are read to see which table they are about.
const LARGEST_DEFINITION: usize = 8 << 20;

/// The header of a request, as text.
pub(super) fn shown(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
}

pub(super) fn is_open(path: &str) -> bool {
    let file = path.matches('/').count() == 1 && FILES.iter().any(|ending| path.ends_with(ending));
    let below = |open: &&str| {
        path.strip_prefix(*open)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    file || OPEN.contains(&path) || OPEN_BELOW.iter().any(below)
}

fn permission(method: &Method, path: &str) -> Permission {
    let path = path.trim_end_matches('/');
    let ends = |list: &[&str]| list.iter().any(|ending| path.ends_with(ending));
    if method == Method::POST {
        if LOOKING.contains(&path) {
            return Permission::Read;
        }
        if ends(CHANGING) {
            return Permission::Update;
        }
        if ends(REMOVING) {
            return Permission::Delete;
        }
    }
    Permission::of_method(method.as_str())
}

/// Where in a path the name of a table or schema stands.
pub(super) fn place_of_table(parts: &[String]) -> Option<usize> {
    let at = parts.windows(2).position(|pair| match pair {
        [collection, name] => {
            let collection = COLLECTIONS.contains(&collection.as_str());
            collection && !name.is_empty() && !NOT_TABLES.contains(&name.as_str())
        }
        _ => false,
    });
    at.map(|at| at.saturating_add(1))
}

/// The table that a path or its parameters name.
fn table_of(path: &str, query: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let named = parts.windows(2).find_map(|pair| match pair {
        [collection, name] if COLLECTIONS.contains(collection) && !NOT_TABLES.contains(name) => {
            Some((*name).to_owned())
        }
        _ => None,
    });
    named.or_else(|| {
        query.unwrap_or_default().split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            matches!(name, "tableNameWithType" | "tableName").then(|| value.to_owned())
        })
    })
}

/// The header by which the console says that it asks for a password itself, so that the browser need not.
const CONSOLE: &str = "x-touriga-console";

fn unproven(headers: &HeaderMap) -> Response {
    let mut response = Refusal::new(401, "HTTP 401 Unauthorized").into_response();
    if !headers.contains_key(CONSOLE) {
        let scheme = HeaderValue::from_static("Basic realm=\"touriga\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

fn denied(permission: Permission, what: &str) -> Response {
    Refusal::new(
        403,
        format!("Permission is denied for {} {what}", permission.name()),
    )
    .into_response()
}

/// True where a path shows rows of tables without asking whose they are: messages of topics, whole segments.
fn shows_rows(principal: &Principal, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["messages" | "mensagens", ..] => {
            principal.is_limited_to_tables() || principal.has_row_filters()
        }
        ["segments", table, _] => !principal.row_filters(table).is_empty(),
        _ => false,
    }
}

/// Lets a request through, or answers 401 or 403.
pub(super) async fn guard(State(core): Shared, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if !core.access.is_closed() || is_open(&path) {
        return next.run(request).await;
    }
    let Some(principal) = core.access.who(shown(request.headers())).await else {
        return unproven(request.headers());
    };
    let permission = permission(request.method(), &path);
    if !principal.may(permission) || shows_rows(&principal, &path) {
        return denied(permission, &path);
    }
    match rights_over_table(&principal, permission, request).await {
        Ok(request) => next.run(request).await,
        Err(response) => *response,
    }
}

/// Whether the table that a request is about is one of the principal's.
async fn rights_over_table(
    principal: &Principal,
    permission: Permission,
    request: Request,
) -> Result<Request, Box<Response>> {
    if !principal.is_limited_to_tables() {
        return Ok(request);
    }
    let path = request.uri().path().to_owned();
    let no = |what: &str| Err(Box::new(denied(permission, what)));
    if let Some(table) = table_of(&path, request.uri().query()) {
        return if principal.may_touch(&table) {
            Ok(request)
        } else {
            no(&table)
        };
    }
    // What is about no table may be looked at; only those with every table change it.
    if permission == Permission::Read {
        return Ok(request);
    }
    if !matches!(
        path.trim_end_matches('/'),
        "/tables" | "/schemas" | "/tableConfigs"
    ) {
        return no(&path);
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_DEFINITION).await else {
        return Err(Box::new(StatusCode::PAYLOAD_TOO_LARGE.into_response()));
    };
    let definition: Json = serde_json::from_slice(&bytes).unwrap_or_default();
    let name = ["tableName", "schemaName"]
        .iter()
        .find_map(|key| definition[*key].as_str());
    match name {
        Some(table) if principal.may_touch(table) => {
            Ok(Request::from_parts(parts, Body::from(bytes)))
        }
        Some(table) => no(table),
        None => no(&path),
    }
}

/// Lets other roles through: those who may do everything.
pub(super) async fn guard_peers(State(core): Shared, request: Request, next: Next) -> Response {
    if core.access.is_closed() {
        match core.access.who(shown(request.headers())).await {
            None => return unproven(request.headers()),
            Some(principal) if !principal.is_unlimited() => {
                return denied(Permission::Update, "the cluster");
            }
            Some(_) => {}
        }
    }
    next.run(request).await
}

/// What `/auth/verify` answers.
pub(super) async fn verified(
    access: &Arc<Access>,
    headers: &HeaderMap,
    table: Option<&str>,
    permission: Permission,
) -> bool {
    if !access.is_closed() {
        return true;
    }
    let known = access.who(shown(headers)).await;
    known.is_some_and(|p| p.may(permission) && table.is_none_or(|table| p.may_touch(table)))
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use cluster::Permission;

    use super::{is_open, permission, table_of};

    #[test]
    fn tables_of_paths() {
        let of = |path: &str| table_of(path, None);
        assert_eq!(of("/tables/a/idealstate").as_deref(), Some("a"));
        assert_eq!(
            of("/segments/a_OFFLINE/s/metadata").as_deref(),
            Some("a_OFFLINE")
        );
        assert_eq!(of("/debug/tables/a").as_deref(), Some("a"));
        assert_eq!(of("/tables"), None);
        assert_eq!(of("/schemas/validate"), None);
        assert_eq!(
            table_of("/ingestFromFile", Some("x=1&tableNameWithType=a_OFFLINE")).as_deref(),
            Some("a_OFFLINE")
        );
    }

    #[test]
    fn permissions_of_paths() {
        assert_eq!(permission(&Method::POST, "/sql"), Permission::Read);
        assert_eq!(
            permission(&Method::POST, "/segments/a/reload"),
            Permission::Update
        );
        assert_eq!(permission(&Method::POST, "/tables"), Permission::Create);
        assert_eq!(permission(&Method::DELETE, "/tables/a"), Permission::Delete);
        assert!(is_open("/console.js") && is_open("/health/liveness") && is_open("/"));
        assert!(!is_open("/tables/x.js") && !is_open("/healthy") && !is_open("/metrics"));
    }
}
