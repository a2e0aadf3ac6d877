//! The Kafka gateway: what lies in a topic, and messages into it, over plain HTTP; in English and in Portuguese.
//!
//! Must not know: Kafka. Invariant: a message is answered once the brokers have it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use ingest::stream::publish::Outgoing;
use serde_json::{Value as Json, json as object};

use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::publish::{self, Seen, Wanted};

const MOST: usize = 10_000;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/status", get(status))
        .route("/mensagens/{topic}", get(messages))
        .route("/messages/{topic}", get(messages))
        .route("/publicar/{topic}", post(send))
        .route("/publish/{topic}", post(send))
}

async fn status(State(core): Shared) -> Answer {
    let stream = publish::stream_of(&core, "");
    let brokers = stream
        .as_ref()
        .ok()
        .and_then(|s| s.get("stream.kafka.broker.list").cloned());
    let topics = match &stream {
        Ok(stream) => publish::topics(&core, stream).await,
        Err(_) => Ok(Vec::new()),
    };
    let reached = brokers.is_some() && topics.is_ok();
    Ok(json(&object!({
        "status": if reached { "UP" } else { "DOWN" },
        "kafka": brokers,
        "connected": reached,
        "topics": topics.as_ref().cloned().unwrap_or_default(),
        "error": topics.err().map(|error| error.to_string()),
    })))
}

fn number<T: std::str::FromStr>(parameters: &Parameters, key: &str) -> Result<Option<T>, Refusal> {
    let Some(text) = parameters.get(key) else {
        return Ok(None);
    };
    let ill = |_| Refusal::invalid(format!("`{key}` is `{text}`, expected a number"));
    text.trim().parse().map(Some).map_err(ill)
}

fn shown(bytes: Option<&[u8]>) -> Json {
    let Some(bytes) = bytes else {
        return Json::Null;
    };
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(&text).unwrap_or_else(|_| Json::from(text.into_owned()))
}

fn form(message: &Seen) -> Json {
    let key = message.key.as_deref();
    object!({
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp_ms,
        "key": key.map(|key| String::from_utf8_lossy(key).into_owned()),
        "value": shown(message.payload.as_deref()),
    })
}

async fn messages(
    State(core): Shared,
    Path(topic): Path<String>,
    parameters: Parameters,
) -> Answer {
    let limit: Option<usize> = number(&parameters, "limit")?.or(number(&parameters, "limite")?);
    let wanted = Wanted {
        limit: limit.unwrap_or(50).clamp(1, MOST),
        partition: number(&parameters, "partition")?,
        from: number(&parameters, "offset")?,
    };
    let stream = publish::stream_of(&core, &topic)?;
    let seen = publish::look(stream, wanted).await?;
    let messages: Vec<Json> = seen.iter().map(form).collect();
    Ok(json(
        &object!({"topic": topic, "count": messages.len(), "messages": messages}),
    ))
}

/// The body as messages: an array is one message an element, everything else is one message.
fn outgoing(body: &Bytes, parameters: &Parameters) -> Result<Vec<Outgoing>, Refusal> {
    let partition = number(parameters, "partition")?;
    let key = parameters.get("key").or_else(|| parameters.get("chave"));
    let message = |payload: Vec<u8>| Outgoing {
        key: key.map(|key| key.clone().into_bytes()),
        payload,
        partition,
    };
    match serde_json::from_slice::<Json>(body) {
        Ok(Json::Array(items)) => Ok(items
            .iter()
            .map(|item| message(item.to_string().into_bytes()))
            .collect()),
        _ if body.is_empty() => Err(Refusal::invalid("the body is empty, expected a message")),
        _ => Ok(vec![message(body.to_vec())]),
    }
}

async fn send(
    State(core): Shared,
    Path(topic): Path<String>,
    parameters: Parameters,
    body: Bytes,
) -> Answer {
    let stream = publish::stream_of(&core, &topic)?;
    let messages = outgoing(&body, &parameters)?;
    let published = publish::publish(&core, &stream, &topic, messages).await?;
    let places: Vec<Json> = published
        .iter()
        .map(|at| object!({"partition": at.partition, "offset": at.offset}))
        .collect();
    Ok(json(
        &object!({"status": "OK", "topic": topic, "published": places.len(), "messages": places}),
    ))
}
