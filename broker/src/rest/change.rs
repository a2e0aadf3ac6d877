//! INSERT and DELETE that come to a broker: the controller does them, the broker hands them on.
//!
//! Must not know: what they change. Invariant: a statement is sent once, never again after a failure.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use common::{ErrorCode, QueryException};
use serde_json::{Map, Value as Json};
use sql::Statement;

use super::json_text;
use crate::execution::Core;
use crate::request::QueryInput;
use crate::response::{BrokerResponse, Failure};

/// Headers that go along.
const PASSED: [header::HeaderName; 2] = [
    header::AUTHORIZATION,
    header::HeaderName::from_static("database"),
];

/// True where a statement changes rows.
pub(super) fn is_one(input: &QueryInput) -> bool {
    // Most queries are told apart by a look.
    let lower = input.sql.as_bytes();
    let has = |word: &[u8]| {
        lower
            .windows(word.len())
            .any(|w| w.eq_ignore_ascii_case(word))
    };
    if !has(b"insert") && !has(b"delete") {
        return false;
    }
    Statement::split(&input.sql, &input.options).is_ok_and(|statement| {
        let first = statement.sql.trim_start();
        let first = first
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        first.eq_ignore_ascii_case("insert") || first.eq_ignore_ascii_case("delete")
    })
}

/// The controller's answer.
pub(super) async fn forwarded(core: &Core, headers: &HeaderMap, input: &QueryInput) -> Response {
    let controller = core.routing.load().controller().map(str::to_owned);
    let Some(address) = controller else {
        return failed("no controller is known that could change rows");
    };
    let mut body = Map::new();
    body.insert("sql".to_owned(), Json::from(input.sql.as_str()));
    let options: Vec<String> = input
        .options
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if !options.is_empty() {
        body.insert("queryOptions".to_owned(), Json::from(options.join(";")));
    }
    let url = format!("{}://{address}/sql", core.scheme);
    let mut request = core.http.post(url).body(Json::Object(body).to_string());
    request = request.header(header::CONTENT_TYPE, "application/json");
    for name in PASSED {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answered = async {
        let response = request.send().await?;
        let status = response.status();
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };
    match answered.await {
        Ok((status, text)) => json_text(
            StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::OK),
            text,
        ),
        Err(error) => failed(&format!("controller {address}: {error}")),
    }
}

fn failed(why: &str) -> Response {
    let failure = Failure::named(QueryException::new(ErrorCode::QueryExecution, why));
    let response = BrokerResponse::failed(failure);
    json_text(StatusCode::OK, response.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let is = |sql: &str| is_one(&QueryInput::new(sql));
        assert!(is("INSERT INTO t VALUES (1)") && is(" set x=1; delete from t where a = 1"));
        assert!(!is("SELECT 'insert' FROM t") && !is("SELECT deleted FROM t") && !is(""));
    }
}
