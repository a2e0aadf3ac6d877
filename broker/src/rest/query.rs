//! Paths that answer queries, and those about running and kept ones.
//!
//! Must not know: routing. Invariant: a failed query is status 200 unless the client asks for real ones.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use common::ErrorCode;
use serde_json::json;
use sql::Statement;

use super::{Shared, access, change, header_is_true, json_string, json_text, refusal, status_of};
use crate::execution::refused_option;
use crate::request::QueryInput;
use crate::response::BrokerResponse;

static REAL_STATUS: HeaderName = HeaderName::from_static("pinot-use-http-status-for-errors");
static ERROR_CODE: HeaderName = HeaderName::from_static("x-pinot-error-code");
static DATABASE: HeaderName = HeaderName::from_static("database");

type Parameters = Query<HashMap<String, String>>;

pub(super) async fn post_sql(
    state: Shared,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    posted(state, &parameters, &headers, &body, false).await
}

pub(super) async fn post_multi(
    state: Shared,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    posted(state, &parameters, &headers, &body, true).await
}

pub(super) async fn get_sql(
    state: Shared,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    got(state, parameters, &headers, false).await
}

pub(super) async fn get_multi(
    state: Shared,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    got(state, parameters, &headers, true).await
}

async fn posted(
    state: Shared,
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
    body: &[u8],
    multi_stage: bool,
) -> Response {
    match QueryInput::from_body(body) {
        Ok(mut input) => {
            input.multi_stage = multi_stage;
            answer(state, parameters, headers, input).await
        }
        Err(message) => json_string(500, &message),
    }
}

async fn got(
    state: Shared,
    mut parameters: HashMap<String, String>,
    headers: &HeaderMap,
    multi_stage: bool,
) -> Response {
    let mut input = QueryInput::new(parameters.remove("sql").unwrap_or_default());
    if let Some(options) = parameters.get("queryOptions") {
        input.options.read(options, &[';']);
    }
    input.trace = parameters.get("trace").is_some_and(|t| t == "true");
    input.multi_stage = multi_stage;
    answer(state, &parameters, headers, input).await
}

async fn answer(
    State(core): Shared,
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
    mut input: QueryInput,
) -> Response {
    if let Some(message) = refused_option(&input) {
        return json_string(500, &message);
    }
    input.database = headers
        .get(&DATABASE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if change::is_one(&input) {
        return change::forwarded(&core, headers, &input).await;
    }
    if core.access.is_closed() {
        input.principal = core.access.who(access::shown(headers)).await;
    }
    let with_cursor = parameters.get("getCursor").is_some_and(|v| v == "true");
    let response = if with_cursor {
        let rows = parameters.get("numRows").and_then(|n| n.parse().ok());
        core.answer_with_cursor(input, rows).await
    } else {
        core.answer(input).await
    };
    respond(&response, header_is_true(headers, &REAL_STATUS)).await
}

/// Rows from which on the text is written away from the threads that wait for the network.
const MANY_ROWS: usize = 20_000;

async fn respond(response: &BrokerResponse, real_status: bool) -> Response {
    let first = response.failures.first().map(|failure| failure.code);
    let status = first
        .filter(|code| real_status || *code == ErrorCode::AccessDenied)
        .map_or(StatusCode::OK, |code| status_of(code.http_status()));
    let rows = response.table.as_ref().map_or(0, |t| t.rows.len());
    if rows > MANY_ROWS {
        tokio::task::yield_now().await;
    }
    let mut http = json_text(status, response.to_json());
    let code = first.map_or(-1, |code| i32::from(code.number()));
    http.headers_mut()
        .insert(ERROR_CODE.clone(), HeaderValue::from(code));
    http
}

pub(super) async fn validate(body: Bytes) -> Response {
    let checked = QueryInput::from_body(&body).and_then(|input| {
        let statement = Statement::split(&input.sql, &input.options).map_err(|e| e.to_string())?;
        sql::parse::single_stage_syntax(&statement.sql).map_err(|e| e.to_string())
    });
    let answer = match checked {
        Ok(_) => json!({"valid": true}),
        Err(error) => json!({"valid": false, "error": error}),
    };
    json_text(StatusCode::OK, answer.to_string())
}

/// `DELETE /query/sql`: `sql` is taken for an id, as Pinot does.
pub(super) async fn delete_sql(state: Shared, parameters: Parameters) -> Response {
    cancel(state, Path("sql".to_owned()), parameters).await
}

pub(super) async fn cancel(
    State(core): Shared,
    Path(id): Path<String>,
    Query(parameters): Parameters,
) -> Response {
    let by_client = parameters.get("client").is_some_and(|v| v == "true");
    if core.running.cancel(&id, by_client).await {
        return json_string(200, &format!("Cancelled query: {id}"));
    }
    json_string(404, &format!("Query: {id} not found on the broker"))
}

pub(super) async fn cancel_client(State(core): Shared, Path(id): Path<String>) -> Response {
    if core.running.cancel(&id, true).await {
        return json_string(200, &format!("Cancelled query: {id}"));
    }
    json_string(404, &format!("Client query: {id} not found on the broker"))
}

pub(super) async fn running(State(core): Shared) -> Response {
    json_text(StatusCode::OK, json!(core.running.list()).to_string())
}

pub(super) async fn cursors(State(core): Shared) -> Response {
    let all: Vec<String> = core
        .all_cursors()
        .iter()
        .map(BrokerResponse::to_json)
        .collect();
    json_text(StatusCode::OK, format!("[{}]", all.join(",")))
}

pub(super) async fn cursor(State(core): Shared, Path(id): Path<String>) -> Response {
    match core.cursor(&id, None) {
        Ok(response) => json_text(StatusCode::OK, response.to_json()),
        Err((status, message)) => refusal(status, &message),
    }
}

pub(super) async fn cursor_page(
    State(core): Shared,
    Path(id): Path<String>,
    Query(parameters): Parameters,
) -> Response {
    let number = |name: &str| parameters.get(name).and_then(|n| n.parse().ok());
    let offset = number("offset").unwrap_or(0);
    match core.cursor(&id, Some((offset, number("numRows")))) {
        Ok(response) => json_text(StatusCode::OK, response.to_json()),
        Err((status, message)) => refusal(status, &message),
    }
}

pub(super) async fn forget_cursor(State(core): Shared, Path(id): Path<String>) -> Response {
    if core.forget_cursor(&id) {
        return json_string(200, &format!("Query Results for {id} deleted."));
    }
    refusal(404, &format!("Query results for {id} not found."))
}
