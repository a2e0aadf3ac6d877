//! `/sql`: queries that are sent to the controller go on to a broker.
//!
//! Must not know: SQL, beyond telling INSERT and DELETE from the rest. Invariant: the broker's bytes come back unchanged, as `application/octet-stream`; a failure is a query error with
//! HTTP 200.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cluster::Permission;
use common::{ErrorCode, QueryException};
use serde_json::{Map, Value as Json, json as object};
use sql::Statement;
use sql::statement::Options;

use super::{Answer, Parameters, Refusal, Shared, access, json, rows};
use crate::core::Core;
use crate::{delete, insert};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/sql", get(asked).post(sent))
        .route("/queries", get(running))
        .route("/query/{broker}/{id}", axum::routing::delete(cancel))
        .route("/clientQuery/{id}", axum::routing::delete(cancel_of_client))
}

/// Headers that go along with a query.
const PASSED: &[&str] = &[
    "authorization",
    "database",
    "x-correlation-id",
    "pinot-use-http-status-for-errors",
];

/// Brokers take turns.
static TURN: AtomicUsize = AtomicUsize::new(0);

fn octets(body: impl Into<Body>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/octet-stream")],
        body.into(),
    )
        .into_response()
}

/// Counters of an answer that no server gave, in the order in which they are written.
const COUNTERS: &str = r#"{"numGroupsLimitReached":false,"numGroupsWarningLimitReached":false,"timeUsedMs":0,"requestId":null,"clientRequestId":null,"brokerId":null,"numDocsScanned":0,"totalDocs":0,"numEntriesScannedInFilter":0,"numEntriesScannedPostFilter":0,"numServersQueried":0,"numServersResponded":0,"numSegmentsQueried":0,"numSegmentsProcessed":0,"numSegmentsMatched":0,"numConsumingSegmentsQueried":0,"numConsumingSegmentsProcessed":0,"numConsumingSegmentsMatched":0,"minConsumingFreshnessTimeMs":0,"numSegmentsPrunedByBroker":0,"numSegmentsPrunedByServer":0,"numSegmentsPrunedInvalid":0,"numSegmentsPrunedByLimit":0,"numSegmentsPrunedByValue":0,"brokerReduceTimeMs":0,"offlineThreadCpuTimeNs":0,"realtimeThreadCpuTimeNs":0,"offlineSystemActivitiesCpuTimeNs":0,"realtimeSystemActivitiesCpuTimeNs":0,"offlineResponseSerializationCpuTimeNs":0,"realtimeResponseSerializationCpuTimeNs":0,"offlineTotalCpuTimeNs":0,"realtimeTotalCpuTimeNs":0,"explainPlanNumEmptyFilterSegments":0,"explainPlanNumMatchAllFilterSegments":0,"traceInfo":{},"tablesQueried":[],"offlineThreadMemAllocatedBytes":0,"realtimeThreadMemAllocatedBytes":0,"offlineResponseSerMemAllocatedBytes":0,"realtimeResponseSerMemAllocatedBytes":0,"offlineTotalMemAllocatedBytes":0,"realtimeTotalMemAllocatedBytes":0,"pools":[],"rlsFiltersApplied":false,"groupsTrimmed":false}"#;

fn failed(code: ErrorCode, message: &str) -> Response {
    let exception = QueryException::new(code, message);
    let mut out = Map::new();
    out.insert("numRowsResultSet".to_owned(), Json::from(0));
    out.insert("partialResult".to_owned(), Json::Bool(true));
    out.insert(
        "exceptions".to_owned(),
        object!([{"message": exception.to_string(), "errorCode": code.number()}]),
    );
    if let Ok(Json::Object(counters)) = serde_json::from_str(COUNTERS) {
        out.extend(counters);
    }
    octets(Json::Object(out).to_string())
}

/// A change of rows that the controller refused: what is wrong with the statement is told as such.
fn refused(refusal: &Refusal) -> Response {
    let code = match refusal.code() {
        400 => ErrorCode::SqlParsing,
        404 => ErrorCode::TableDoesNotExist,
        _ => ErrorCode::QueryExecution,
    };
    failed(code, refusal.text())
}

async fn sent(State(core): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(json) = serde_json::from_slice::<Json>(&body) else {
        return failed(ErrorCode::JsonParsing, "Payload is no JSON object");
    };
    if !json.get("sql").is_some_and(Json::is_string) {
        return failed(
            ErrorCode::JsonParsing,
            "JSON Payload is missing the query string field 'sql'",
        );
    }
    if let Some(answer) = changed(&core, &headers, &json).await {
        return answer;
    }
    forward(&core, &headers, body).await
}

/// Whether the sender may change rows of a table: the path itself is open to everybody who may look.
async fn may(core: &Core, headers: &HeaderMap, table: &str, permission: Permission) -> bool {
    if !core.access.is_closed() {
        return true;
    }
    let principal = core.access.who(access::shown(headers)).await;
    principal.is_some_and(|p| p.may(permission) && p.may_touch(table))
}

/// INSERT and DELETE are done here; `None` for everything else.
async fn changed(core: &Core, headers: &HeaderMap, request: &Json) -> Option<Response> {
    let text = request.get("sql").and_then(Json::as_str)?;
    let mut options = Options::default();
    if let Some(more) = request.get("queryOptions").and_then(Json::as_str) {
        options.read(more, &[';']);
    }
    let statement = Statement::split(text, &options).ok()?;
    if let Some(parsed) = delete::parse(&statement.sql) {
        return Some(match parsed {
            Err(why) => failed(ErrorCode::SqlParsing, &why),
            Ok(asked) if !may(core, headers, &asked.table, Permission::Delete).await => {
                failed(ErrorCode::AccessDenied, "Permission is denied")
            }
            Ok(asked) => match rows::delete(core, &asked).await {
                Ok(table) => octets(Json::Object(rows::answered(table)).to_string()),
                Err(refusal) => refused(&refusal),
            },
        });
    }
    let parsed = insert::parse(&statement.sql)?;
    Some(match parsed {
        Err(why) => failed(ErrorCode::SqlParsing, &why),
        Ok(insert) if !may(core, headers, &insert.table, Permission::Create).await => {
            failed(ErrorCode::AccessDenied, "Permission is denied")
        }
        Ok(insert) => match rows::insert(core, insert, &statement.options).await {
            Ok(table) => octets(Json::Object(rows::answered(table)).to_string()),
            Err(refusal) => refused(&refusal),
        },
    })
}

async fn asked(State(core): Shared, parameters: Parameters, headers: HeaderMap) -> Response {
    let mut body = Map::new();
    for key in ["sql", "trace", "queryOptions"] {
        if let Some(value) = parameters.get(key) {
            body.insert(key.to_owned(), Json::from(value.clone()));
        }
    }
    if !body.contains_key("sql") {
        return failed(ErrorCode::JsonParsing, "Query parameter 'sql' is missing");
    }
    let body = Json::Object(body);
    if let Some(answer) = changed(&core, &headers, &body).await {
        return answer;
    }
    forward(&core, &headers, Bytes::from(body.to_string())).await
}

/// `host:port` of the live brokers.
fn live_brokers(core: &Core) -> Vec<(String, String)> {
    core.read(|s| {
        let brokers = s
            .instances
            .values()
            .filter(|i| i.role == "broker" && i.live && i.enabled);
        brokers
            .map(|i| (i.id.clone(), format!("{}:{}", i.host, i.port)))
            .collect()
    })
}

async fn forward(core: &Core, headers: &HeaderMap, body: Bytes) -> Response {
    let brokers = live_brokers(core);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let Some((_, address)) = turn.checked_rem(brokers.len()).and_then(|i| brokers.get(i)) else {
        return failed(ErrorCode::BrokerInstanceMissing, "No online broker found");
    };
    let mut request = core
        .peers
        .post(format!("{}://{address}/query/sql", core.dial.scheme()))
        .header("content-type", "application/json")
        .body(body);
    for name in PASSED {
        if let Some(value) = headers.get(*name) {
            request = request.header(*name, value.as_bytes());
        }
    }
    let unreachable = |error: reqwest::Error| {
        failed(ErrorCode::BrokerRequestSend, &format!("{address}: {error}"))
    };
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            match response.bytes().await {
                Ok(bytes) => {
                    let mut answer = octets(bytes);
                    *answer.status_mut() = status;
                    answer
                }
                Err(error) => unreachable(error),
            }
        }
        Err(error) => unreachable(error),
    }
}

/// `DELETE /query/{broker}/{id}`: the broker cancels its query.
async fn cancel(
    State(core): Shared,
    Path((broker, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let found = live_brokers(&core)
        .into_iter()
        .find(|(name, _)| *name == broker);
    let Some((_, address)) = found else {
        return Err(Refusal::not_found(format!("Broker: {broker} is not alive")));
    };
    let (status, text) = cancelled(
        &core,
        &format!("{}://{address}/query/{id}", core.dial.scheme()),
    )
    .await?;
    if status.is_success() {
        return Ok(json(&Json::from(text)));
    }
    Err(Refusal::new(status.as_u16(), text))
}

/// `DELETE /clientQuery/{id}`: whichever broker runs it cancels it.
async fn cancel_of_client(
    State(core): Shared,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    for (_, address) in live_brokers(&core) {
        let (status, text) = cancelled(
            &core,
            &format!("{}://{address}/clientQuery/{id}", core.dial.scheme()),
        )
        .await?;
        if status.is_success() {
            return Ok(json(&Json::from(text)));
        }
    }
    Err(Refusal::not_found(format!(
        "Client query: {id} not found on any broker"
    )))
}

async fn cancelled(core: &Core, url: &str) -> Result<(StatusCode, String), Refusal> {
    let failed = |error: reqwest::Error| Refusal::new(500, error.to_string());
    let response = core.peers.delete(url).send().await.map_err(failed)?;
    let status = response.status();
    let text = response.text().await.map_err(failed)?;
    Ok((status, serde_json::from_str(&text).unwrap_or(text)))
}

async fn running(State(core): Shared) -> Answer {
    let mut out = Map::new();
    for (id, address) in live_brokers(&core) {
        let asked = core
            .peers
            .get(format!("{}://{address}/queries", core.dial.scheme()))
            .send()
            .await;
        if let Ok(response) = asked {
            out.insert(id, response.json().await.unwrap_or_else(|_| object!({})));
        }
    }
    Ok(json(&Json::Object(out)))
}
