//! `POST /tables/{table}/rows`: rows as JSON lines into a table, answered once they are durable; and the same by `INSERT INTO`.
//!
//! Must not know: streams, segments. Invariant: rows are taken all or none; a repeated idempotency key takes nothing twice.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use cluster::objects::Properties;
use common::TableType;
use serde_json::{Map, Value as Json, json as object};

use super::answer::table_type;
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::delete::{self, Delete};
use crate::insert::{self, Insert, Source};
use crate::rows;
use crate::source;
use crate::upload::{BatchConfig, ingest_file};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new().route("/tables/{table}/rows", post(add))
}

/// The side of a table that takes rows: the stream's, where there is one.
fn side(core: &Core, table: &str, only: Option<TableType>) -> Result<String, Refusal> {
    let mut found = named(core, table, only);
    found.sort();
    found
        .pop()
        .ok_or_else(|| Refusal::not_found(format!("Table '{table}' not found.")))
}

async fn add(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let name = side(&core, &table, table_type(&parameters, "type")?)?;
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .or_else(|| parameters.get("idempotencyKey").map(String::as_str));
    let rows = rows::parse(&body)?;
    Ok(json(&rows::accept(&core, &name, rows, key).await?))
}

/// Does an INSERT; the result table of the answer.
pub(crate) async fn insert(
    core: &Core,
    insert: Insert,
    options: &sql::statement::Options,
) -> Result<Json, Refusal> {
    match insert.source {
        Source::Values(columns, values) => {
            let name = side(core, &insert.table, None)?;
            let columns = if columns.is_empty() {
                schema_columns(core, &name)
            } else {
                columns
            };
            if let Some(row) = values.iter().find(|row| row.len() != columns.len()) {
                return Err(Refusal::invalid(format!(
                    "a row has {} values for the {} columns of `{}`",
                    row.len(),
                    columns.len(),
                    insert.table
                )));
            }
            let rows = insert::rows(&columns, values);
            let count = rows.len();
            rows::accept(core, &name, rows, options.get("idempotencykey")).await?;
            Ok(object!({
                "dataSchema": {"columnNames": ["tableName", "rows"], "columnDataTypes": ["STRING", "LONG"]},
                "rows": [[name, count]],
            }))
        }
        Source::Files(uris) => {
            let name = side(core, &insert.table, Some(TableType::Offline))?;
            let store = options.iter();
            let store = Properties::with_prefix(store, source::PREFIX);
            for uri in &uris {
                for file in source::list(core, uri, &store).await? {
                    let content = source::read(core, &file.uri, &store).await?;
                    let config = config_of(&file.uri, options)?;
                    ingest_file(core, &name, content, config).await?;
                }
            }
            let task = options.get("taskname").map_or_else(
                || format!("Task_SegmentGenerationAndPushTask_{}", uuid::Uuid::new_v4()),
                str::to_owned,
            );
            Ok(object!({
                "dataSchema": {"columnNames": ["tableName", "taskJobName"], "columnDataTypes": ["STRING", "STRING"]},
                "rows": [[name, task]],
            }))
        }
    }
}

/// Does a DELETE on every side of a table; the result table of the answer.
pub(crate) async fn delete(core: &Core, asked: &Delete) -> Result<Json, Refusal> {
    let tables = named(core, &asked.table, None);
    if tables.is_empty() {
        return Err(Refusal::not_found(format!(
            "Table '{}' not found.",
            asked.table
        )));
    }
    let mut rows = Vec::new();
    for table in tables {
        let done = delete::run(core, &table, &asked.condition).await?;
        rows.push(object!([table, done.rows, done.segments, done.consuming]));
    }
    Ok(object!({
        "dataSchema": {
            "columnNames": ["tableName", "rowsDeleted", "segmentsRewritten", "consumingSegmentsLeft"],
            "columnDataTypes": ["STRING", "LONG", "LONG", "LONG"],
        },
        "rows": rows,
    }))
}

fn schema_columns(core: &Core, table: &str) -> Vec<String> {
    core.read(|state| {
        let schema = state.schema_of(table);
        let fields = schema.iter().flat_map(|schema| &schema.fields);
        fields.map(|(_, field)| field.name.clone()).collect()
    })
}

/// How a file is read: as the options say, else as its name ends.
fn config_of(file: &str, options: &sql::statement::Options) -> Result<BatchConfig, Refusal> {
    let plain = file.strip_suffix(".gz").unwrap_or(file);
    let end = plain
        .rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase());
    let format = options
        .get("inputformat")
        .map(str::to_owned)
        .or(end)
        .ok_or_else(|| {
            Refusal::invalid(format!(
                "`{file}` does not tell its format, set inputFormat to json, csv, avro, parquet or orc"
            ))
        })?;
    let format = match format.as_str() {
        "jsonl" | "ndjson" => "json".to_owned(),
        _ => format,
    };
    let mut map: std::collections::BTreeMap<String, String> =
        [("inputFormat".to_owned(), format)].into();
    for (key, value) in options.iter() {
        if let Some(rest) = key.strip_prefix("recordreader.prop.") {
            map.insert(format!("recordReader.prop.{rest}"), value.to_owned());
        }
    }
    Ok(BatchConfig(map))
}

/// The whole answer of an INSERT, as queries are answered.
pub(crate) fn answered(table: Json) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("resultTable".to_owned(), table);
    out.insert("numRowsResultSet".to_owned(), Json::from(1));
    out.insert("partialResult".to_owned(), Json::Bool(false));
    out.insert("exceptions".to_owned(), object!([]));
    out
}
