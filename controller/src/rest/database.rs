//! The header `database`: names of tables and schemas in paths, parameters and definitions are of that database.
//!
//! Must not know: what a path does. Invariant: rights are looked at after it, for the names that are meant.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Uri, header, uri::PathAndQuery};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;

use super::{Refusal, access};

/// Lists whose names are of one database, where it is named.
const LISTS: &[&str] = &["/tables", "/schemas", "/tableConfigs"];
/// Parameters that name a table.
const PARAMETERS: &[&str] = &["tableName", "tableNameWithType", "schemaName"];
/// Members of a definition that name what is defined.
const NAMES: &[&str] = &["tableName", "schemaName"];
/// Definitions within a definition.
const PARTS: &[&str] = &["schema", "offline", "realtime"];
const LARGEST: usize = 8 << 20;

/// A name of a database, as tables have it.
fn full(name: &str, database: &str) -> Result<String, Refusal> {
    match name.split_once('.') {
        None => Ok(format!("{database}.{name}")),
        Some((prefix, _)) if prefix == database => Ok(name.to_owned()),
        Some((prefix, _)) => Err(Refusal::invalid(format!(
            "Database name '{prefix}' from table prefix does not match database name '{database}' from header"
        ))),
    }
}

fn rewritten(uri: &Uri, database: &str) -> Result<Uri, Refusal> {
    let mut parts: Vec<String> = uri.path().split('/').map(str::to_owned).collect();
    let place = access::place_of_table(&parts);
    if let Some(name) = place.and_then(|at| parts.get_mut(at)) {
        *name = full(name, database)?;
    }
    let mut text = parts.join("/");
    let mut between = '?';
    for pair in uri.query().into_iter().flat_map(|query| query.split('&')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        text.push(between);
        if PARAMETERS.contains(&name) && !value.is_empty() {
            text.push_str(&format!("{name}={}", full(value, database)?));
        } else {
            text.push_str(pair);
        }
        between = '&';
    }
    let path: PathAndQuery = text
        .parse()
        .map_err(|_| Refusal::invalid(format!("`{text}` is no path")))?;
    Ok(Uri::from(path))
}

/// Names within a definition, its parts too.
fn define(definition: &mut Json, database: &str) -> Result<(), Refusal> {
    for name in NAMES {
        if let Some(Json::String(text)) = definition.get_mut(name) {
            *text = full(text, database)?;
        }
    }
    for part in PARTS {
        if let Some(inner) = definition.get_mut(part) {
            define(inner, database)?;
        }
    }
    Ok(())
}

async fn whole(body: Body) -> Result<Vec<u8>, Refusal> {
    let bytes = to_bytes(body, LARGEST).await;
    let bytes = bytes.map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok(bytes.to_vec())
}

/// The request with every name of that database.
async fn translated(request: Request, database: &str) -> Result<Request, Refusal> {
    let (mut parts, mut body) = request.into_parts();
    let defines = matches!(parts.method, Method::POST | Method::PUT)
        && LISTS.iter().any(|list| parts.uri.path().starts_with(list));
    let is_json = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| !kind.as_bytes().starts_with(b"multipart"));
    parts.uri = rewritten(&parts.uri, database)?;
    if defines && is_json {
        let bytes = whole(body).await?;
        body = match serde_json::from_slice::<Json>(&bytes) {
            Ok(mut definition) if definition.is_object() => {
                define(&mut definition, database)?;
                parts.headers.remove(header::CONTENT_LENGTH);
                Body::from(definition.to_string())
            }
            // What is wrong with it is said by whoever reads it.
            _ => Body::from(bytes),
        };
    }
    Ok(Request::from_parts(parts, body))
}

/// Of a list of names those of that database.
fn only(list: &mut Json, database: &str) {
    let of_it = |name: &Json| {
        let prefix = name.as_str().and_then(|name| name.split_once('.'));
        prefix.is_some_and(|(prefix, _)| prefix == database)
    };
    match list {
        Json::Array(names) => names.retain(of_it),
        Json::Object(members) => members.values_mut().for_each(|inner| only(inner, database)),
        _ => {}
    }
}

async fn listed(response: Response, database: &str) -> Result<Response, Refusal> {
    let (mut parts, body) = response.into_parts();
    let bytes = whole(body).await?;
    let Ok(mut list) = serde_json::from_slice::<Json>(&bytes) else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    only(&mut list, database);
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(list.to_string())))
}

/// Reads names as those of the database that the header names.
pub(super) async fn of_header(request: Request, next: Next) -> Response {
    let named = request.headers().get("database");
    let database = named.and_then(|value| value.to_str().ok()).unwrap_or("");
    if database.is_empty() || database.eq_ignore_ascii_case("default") {
        return next.run(request).await;
    }
    let database = database.to_owned();
    let lists = request.method() == Method::GET && LISTS.contains(&request.uri().path());
    let request = match translated(request, &database).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let response = next.run(request).await;
    if !lists || !response.status().is_success() {
        return response;
    }
    let listed = listed(response, &database).await;
    listed.unwrap_or_else(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use serde_json::json;

    use super::{define, only, rewritten};

    #[test]
    fn names_are_of_the_database() -> Result<(), Box<dyn std::error::Error>> {
        let of = |text: &str| -> Result<String, Box<dyn std::error::Error>> {
            let uri: Uri = text.parse()?;
            Ok(rewritten(&uri, "db")
                .map_err(|r| r.text().to_owned())?
                .to_string())
        };
        assert_eq!(
            of("/tables/t/size?verbose=true")?,
            "/tables/db.t/size?verbose=true"
        );
        assert_eq!(
            of("/segments/db.t/s/metadata")?,
            "/segments/db.t/s/metadata"
        );
        assert_eq!(
            of("/ingestFromFile?tableNameWithType=t_OFFLINE")?,
            "/ingestFromFile?tableNameWithType=db.t_OFFLINE"
        );
        assert_eq!(of("/tables")?, "/tables");
        assert_eq!(of("/cluster/info")?, "/cluster/info");
        assert!(of("/tables/other.t").is_err_and(|e| e.to_string().contains("'other'")));
        let mut both = json!({"tableName": "t", "schema": {"schemaName": "t"}, "offline": {"tableName": "t_OFFLINE"}});
        define(&mut both, "db").map_err(|r| r.text().to_owned())?;
        assert_eq!(both["schema"]["schemaName"], "db.t");
        assert_eq!(both["offline"]["tableName"], "db.t_OFFLINE");
        let mut list = json!({"tables": ["db.a", "b", "other.c"]});
        only(&mut list, "db");
        assert_eq!(list, json!({"tables": ["db.a"]}));
        Ok(())
    }
}
