//! `/ingestFromFile` and `/ingestFromURI`: a file becomes one segment of an OFFLINE table.
//!
//! Must not know: formats. Invariant: the answer comes after the segment was added.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Multipart, State};
use axum::routing::post;
use cluster::objects::Properties;
use common::TableType;
use common::ids::split_type;
use serde_json::{Map, Value as Json};

use super::{Answer, Parameters, Refusal, Shared, status};
use crate::core::Core;
use crate::source;
use crate::upload::{BatchConfig, ingest_file};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/ingestFromFile", post(from_file))
        .route("/ingestFromURI", post(from_uri))
}

fn asked(core: &Core, parameters: &Parameters) -> Result<(String, BatchConfig), Refusal> {
    let table = parameters.get("tableNameWithType").ok_or_else(|| {
        Refusal::invalid("Table name with type must be provided in `tableNameWithType`")
    })?;
    if split_type(table).1 != Some(TableType::Offline) {
        return Err(Refusal::invalid(format!(
            "`{table}` is not the name of an OFFLINE table with its type"
        )));
    }
    if core.with_table(table, |_| ()).is_none() {
        return Err(Refusal::not_found(format!("Table {table} does not exist")));
    }
    let text = parameters
        .get("batchConfigMapStr")
        .map_or("{}", String::as_str);
    let map: Map<String, Json> = serde_json::from_str(text)
        .map_err(|e| Refusal::invalid(format!("`batchConfigMapStr` is no JSON object: {e}")))?;
    let config: BTreeMap<String, String> = map
        .into_iter()
        .map(|(key, value)| match value {
            Json::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect();
    Ok((table.clone(), BatchConfig(config)))
}

fn done(table: &str, segment: &str) -> Answer {
    Ok(status(format!(
        "Successfully ingested file into table: {table} as segment: {segment}"
    )))
}

/// The content of the first file of a form.
pub(crate) async fn first_file(mut form: Multipart) -> Result<Bytes, Refusal> {
    let ill = |why: String| Refusal::invalid(format!("Cannot read the form: {why}"));
    let field = form.next_field().await.map_err(|e| ill(e.body_text()))?;
    let field = field.ok_or_else(|| ill("it has no file".to_owned()))?;
    field.bytes().await.map_err(|e| ill(e.body_text()))
}

async fn from_file(State(core): Shared, parameters: Parameters, form: Multipart) -> Answer {
    let (table, config) = asked(&core, &parameters)?;
    let content = first_file(form).await?;
    let segment = ingest_file(&core, &table, content, config).await?;
    done(&table, &segment)
}

async fn from_uri(State(core): Shared, parameters: Parameters) -> Answer {
    let (table, config) = asked(&core, &parameters)?;
    let uri = parameters
        .get("sourceURIStr")
        .ok_or_else(|| Refusal::invalid("`sourceURIStr` must be provided"))?;
    let content = fetch(&core, uri).await?;
    let segment = ingest_file(&core, &table, content, config).await?;
    done(&table, &segment)
}

/// The content behind a URI.
pub(crate) async fn fetch(core: &Core, uri: &str) -> Result<Bytes, Refusal> {
    Ok(source::read(core, uri, &Properties::default()).await?)
}
