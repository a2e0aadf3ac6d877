//! `POST /segments` and `/v2/segments`: pushed segment files.
//!
//! Must not know: formats beyond their first bytes. Invariant: a file that cannot be read changes nothing.

use axum::Router;
use axum::extract::{Multipart, State};
use axum::http::HeaderMap;
use axum::routing::post;
use common::TableType;
use common::ids::{split_type, with_type};
use ingest::batch::pinot::is_archive;

use super::answer::table_type;
use super::ingest::first_file;
use super::{Answer, Parameters, Refusal, Shared, status};
use crate::core::Core;
use crate::upload::{add_file, ingest_archive, scratch};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/segments", post(push))
        .route("/v2/segments", post(push))
}

async fn push(
    State(core): Shared,
    parameters: Parameters,
    headers: HeaderMap,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Answer {
    let kind = headers
        .get("UPLOAD_TYPE")
        .and_then(|v| v.to_str().ok())
        .unwrap_or("SEGMENT");
    if kind != "SEGMENT" {
        return Err(Refusal::new(
            501,
            format!("Upload type {kind} is not supported, send the segment file itself"),
        ));
    }
    let form = form.map_err(|e| Refusal::invalid(e.body_text()))?;
    let content = first_file(form).await?;
    let side = table_type(&parameters, "tableType")?.unwrap_or(TableType::Offline);
    let named = parameters.get("tableName");
    if is_archive(&content) {
        let table = |of_segment: &str| {
            let raw = named.map_or(of_segment, String::as_str);
            with_type(split_type(raw).0, side)
        };
        let (table, name) = ingest_archive(&core, table, content).await?;
        return Ok(status(format!(
            "Successfully uploaded segment: {name} of table: {table}"
        )));
    }
    let raw =
        named.ok_or_else(|| Refusal::invalid("Table name must be provided in `tableName`"))?;
    let table = with_type(split_type(raw).0, side);
    if core.with_table(&table, |_| ()).is_none() {
        return Err(Refusal::not_found(format!("Failed to find table: {table}")));
    }
    let path = scratch(&core)?;
    let written = tokio::fs::write(&path, &content).await;
    let added = match written {
        Ok(()) => add_file(&core, &table, &path).await.map_err(Refusal::from),
        Err(error) => Err(Refusal::new(500, format!("Cannot keep the file: {error}"))),
    };
    let _ = tokio::fs::remove_file(&path).await;
    let name = added?;
    Ok(status(format!(
        "Successfully uploaded segment: {name} of table: {table}"
    )))
}
