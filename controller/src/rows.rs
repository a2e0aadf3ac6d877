//! Rows that clients hand over: checked against the table, then made durable, in its stream or as a segment.
//!
//! Must not know: HTTP. Invariants: a row that is accepted is in the stream or in the deep store before it is answered; rows are accepted all
//! or none; the same idempotency key is accepted once.

use std::sync::Arc;

use bytes::Bytes;
use common::table_config::StreamConfig;
use common::{Schema, TableConfig, TableType};
use ingest::stream::publish::Outgoing;
use ingest::stream::settings::StreamSettings;
use ingest::{Message, Pipeline};
use serde_json::{Map, Value as Json, json};

use crate::core::Core;
use crate::error::ControllerError;
use crate::publish;
use crate::records::JobRecord;
use crate::state::Change;
use crate::streams::topic;
use crate::upload::{BatchConfig, ingest_file};

/// The kind of jobs that remember accepted rows.
pub(crate) const KIND: &str = "ROWS";

/// Takes rows, JSON objects all of them, into a table; the answer for the client.
pub(crate) async fn accept(
    core: &Core,
    table: &str,
    rows: Vec<Map<String, Json>>,
    key: Option<&str>,
) -> Result<Json, ControllerError> {
    if rows.is_empty() {
        return Err(ControllerError::Invalid("there are no rows".to_owned()));
    }
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return take(core, table, rows, None).await;
    };
    let id = format!("rows:{table}:{key}");
    if let Some(answer) = core.read(|s| {
        s.jobs
            .get(&id)
            .and_then(|job| job.segments.first().cloned())
    }) {
        let mut answer: Json = serde_json::from_str(&answer)?;
        answer["repeated"] = Json::Bool(true);
        return Ok(answer);
    }
    if !core.rows_under_way.lock().insert(id.clone()) {
        return Err(ControllerError::Conflict(format!(
            "rows with the idempotency key `{key}` are being taken right now"
        )));
    }
    let taken = take(core, table, rows, Some(key)).await;
    let noted = match &taken {
        Ok(answer) => {
            let job = JobRecord {
                id: id.clone(),
                kind: KIND.to_owned(),
                table: table.to_owned(),
                segments: vec![answer.to_string()],
                submitted_ms: core.now_ms(),
                generation: 0,
                rebalance: None,
            };
            core.change(|_| Ok((vec![Change::Job(job)], ()))).await
        }
        Err(_) => Ok(()),
    };
    core.rows_under_way.lock().remove(&id);
    noted?;
    taken
}

async fn take(
    core: &Core,
    table: &str,
    rows: Vec<Map<String, Json>>,
    key: Option<&str>,
) -> Result<Json, ControllerError> {
    let (config, schema) = core
        .read(|state| {
            let entry = state.table(table)?;
            Some((entry.record.config.clone(), state.schema_of(table)?.clone()))
        })
        .ok_or_else(|| ControllerError::NotFound(format!("Table {table} does not exist")))?;
    let count = rows.len();
    let mut answer = match config.table_type {
        TableType::Offline => into_segment(core, &config, &rows, key).await?,
        TableType::Realtime => into_stream(core, &config, &schema, rows).await?,
    };
    answer["status"] = Json::from("OK");
    answer["tableName"] = Json::from(table);
    answer["rows"] = Json::from(count);
    answer["idempotencyKey"] = key.map_or(Json::Null, Json::from);
    Ok(answer)
}

async fn into_segment(
    core: &Core,
    config: &TableConfig,
    rows: &[Map<String, Json>],
    key: Option<&str>,
) -> Result<Json, ControllerError> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    let mut batch = StreamConfig::from([("inputFormat".to_owned(), "json".to_owned())]);
    if let Some(key) = key {
        // Rows that were added but not answered are replaced by themselves.
        let fits = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let key: String = key.chars().map(fits).collect();
        batch.insert("segmentNameGenerator.type".to_owned(), "fixed".to_owned());
        batch.insert(
            "segmentNameGenerator.configs.segment.name".to_owned(),
            format!("{}_rows_{key}", config.raw_name()),
        );
    }
    let table = config.table_name.clone();
    let segment = ingest_file(core, &table, Bytes::from(text), BatchConfig(batch)).await?;
    Ok(json!({"segment": segment}))
}

async fn into_stream(
    core: &Core,
    config: &TableConfig,
    schema: &Schema,
    rows: Vec<Map<String, Json>>,
) -> Result<Json, ControllerError> {
    let streams = config.streams();
    let stream = *streams.first().ok_or_else(|| {
        ControllerError::Invalid(format!("table `{}` has no stream", config.table_name))
    })?;
    let messages: Vec<Outgoing> = rows
        .iter()
        .map(|row| {
            Ok(Outgoing {
                key: message_key(schema, row),
                payload: serde_json::to_vec(row)?,
                partition: None,
            })
        })
        .collect::<Result<_, ControllerError>>()?;
    check(core, config, schema, stream, &messages)?;
    let topic = topic(stream);
    let published = publish::publish(core, stream, &topic, messages).await?;
    let mut partitions = Map::new();
    for at in published {
        let entry = partitions
            .entry(at.partition.to_string())
            .or_insert_with(|| json!({"first": at.offset, "last": at.offset}));
        let (first, last) = (entry["first"].as_i64(), entry["last"].as_i64());
        entry["first"] = Json::from(first.map_or(at.offset, |first| first.min(at.offset)));
        entry["last"] = Json::from(last.map_or(at.offset, |last| last.max(at.offset)));
    }
    Ok(json!({"topic": topic, "partitions": partitions}))
}

/// Rows of one key go to one partition.
fn message_key(schema: &Schema, row: &Map<String, Json>) -> Option<Vec<u8>> {
    let columns = &schema.primary_key_columns;
    let text = |value: Option<&Json>| match value {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "null".to_owned(),
    };
    match columns.as_slice() {
        [] => None,
        [only] => Some(text(row.get(only)).into_bytes()),
        several => {
            let parts: Vec<String> = several.iter().map(|c| text(row.get(c))).collect();
            serde_json::to_vec(&parts).ok()
        }
    }
}

/// Refuses what a server could not take from the stream.
fn check(
    core: &Core,
    config: &TableConfig,
    schema: &Schema,
    stream: &StreamConfig,
    messages: &[Outgoing],
) -> Result<(), ControllerError> {
    let ill = |why: String| ControllerError::Invalid(why);
    let settings = StreamSettings::parse(stream).map_err(|e| ill(e.to_string()))?;
    let decoder = settings.decoder().map_err(|e| ill(e.to_string()))?;
    if !decoder.is_json() {
        return Err(ill(format!(
            "table `{}` does not read JSON from its stream, so that rows cannot be added this way",
            config.table_name
        )));
    }
    let clock = Arc::clone(&core.clock);
    let mut pipeline =
        Pipeline::new(schema, config, decoder, clock).map_err(|e| ill(e.to_string()))?;
    let mut batch = pipeline.new_batch();
    let rows = messages.iter().zip(0..).map(|(message, number)| Message {
        offset: number,
        key: message.key.as_deref(),
        ..Message::of(&message.payload)
    });
    let outcome = pipeline.decode_into(rows, &mut batch);
    if outcome.malformed > 0 {
        let errors: Vec<String> = outcome
            .errors
            .iter()
            .map(|error| error.replacen("offset", "row", 1))
            .collect();
        return Err(ill(format!(
            "{} of {} rows do not fit the table: {}",
            outcome.malformed,
            messages.len(),
            errors.join("; ")
        )));
    }
    Ok(())
}

/// Rows of a body: JSON lines, one object, or an array of objects.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Map<String, Json>>, ControllerError> {
    let object = |number: usize, json: Json| match json {
        Json::Object(row) => Ok(row),
        other => Err(ControllerError::Invalid(format!(
            "row {number} is `{other}`, expected a JSON object"
        ))),
    };
    if let Ok(Json::Array(items)) = serde_json::from_slice::<Json>(body) {
        return (0..)
            .zip(items)
            .map(|(at, item)| object(at, item))
            .collect();
    }
    let values = serde_json::Deserializer::from_slice(body).into_iter::<Json>();
    (0..)
        .zip(values)
        .map(|(number, value)| {
            let value = value
                .map_err(|e| ControllerError::Invalid(format!("row {number} is no JSON: {e}")))?;
            object(number, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() -> Result<(), ControllerError> {
        assert_eq!(parse(b"{\"a\":1}\n{\"a\":2}\n")?.len(), 2);
        assert_eq!(parse(b"[{\"a\":1},{\"a\":2},{}]")?.len(), 3);
        assert!(parse(b"{\"a\":1}\n7").is_err());
        assert!(parse(b"{\"a\":").is_err());
        Ok(())
    }
}
