//! `GET /functions`: every function that queries may call.
//!
//! Must not know: how functions work. Invariant: the answer is the table that queries are bound with.

use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::get;
use functions::catalogue::{Call, Entry, entries};
use serde_json::{Value as Json, json};

use super::answer::{Answer, Parameters, Refusal, json as answered};
use crate::core::Core;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/functions", get(list))
        .route("/functions/{name}", get(one))
}

/// All of them, or those of a `kind`.
async fn list(Query(parameters): Parameters) -> Answer {
    let kind = parameters.get("kind");
    let all: Vec<Json> = entries()
        .iter()
        .filter(|entry| kind.is_none_or(|kind| kind.eq_ignore_ascii_case(entry.kind)))
        .map(shown)
        .collect();
    Ok(answered(&Json::from(all)))
}

async fn one(Path(name): Path<String>) -> Answer {
    let wanted = functions::canonical_name(&name);
    entries()
        .iter()
        .find(|entry| entry.name == wanted || entry.aliases.contains(&wanted.as_str()))
        .map(|entry| answered(&shown(entry)))
        .ok_or_else(|| Refusal::not_found(format!("there is no function `{name}`")))
}

fn shown(entry: &Entry) -> Json {
    json!({
        "name": entry.name,
        "aliases": entry.aliases,
        "kind": entry.kind,
        "family": entry.family,
        "calls": entry.calls.iter().map(call).collect::<Vec<_>>(),
    })
}

fn call(call: &Call) -> Json {
    json!({
        "parameters": call.parameters,
        "repeats": call.repeats,
        "returns": call.returns,
        "only": call.only,
        "doc": call.doc,
        "example": call.example.map(|(text, answer)| json!({"call": text, "answer": answer})),
    })
}
