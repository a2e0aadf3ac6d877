//! `/schemas`.
//!
//! Must not know: tables' segments. Invariant: a schema that a table uses stays, and grows only by columns unless forced.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::header;
use axum::routing::{get, post};
use common::{FieldRole, Schema};
use serde_json::{Value as Json, json as object};

use super::answer::flag;
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::error::ControllerError;
use crate::records::TableRecord;
use crate::state::Change;
use crate::{forms, tables, validation};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/schemas", get(list).post(add))
        .route("/schemas/info", get(info))
        .route("/schemas/fieldSpec", get(field_spec))
        .route("/schemas/validate", post(validate))
        .route("/schemas/{name}", get(read).put(replace).delete(remove))
        .route("/tables/{table}/schema", get(of_table))
}

/// A schema as it was sent.
pub(crate) struct Sent {
    pub(crate) schema: Schema,
    pub(crate) unrecognized: Json,
}

/// Reads a schema from text.
pub(crate) fn read_schema(text: &str) -> Result<Sent, Refusal> {
    let ill = |why: String| {
        Refusal::invalid(format!(
            "Invalid schema config json string: {text}. Reason: {why}"
        ))
    };
    let json: Json = serde_json::from_str(text).map_err(|e| ill(e.to_string()))?;
    read_schema_json(json).map_err(|(readable, why)| {
        if readable {
            Refusal::invalid(why)
        } else {
            ill(why)
        }
    })
}

/// Reads a schema from JSON; the error says whether it could be read at all.
pub(crate) fn read_schema_json(mut json: Json) -> Result<Sent, (bool, String)> {
    let unreadable = |why: String| (false, why);
    if !json.is_object() {
        return Err(unreadable("a schema must be a JSON object".to_owned()));
    }
    let named = json
        .get("schemaName")
        .and_then(Json::as_str)
        .is_some_and(|n| !n.is_empty());
    if !named {
        return Err((
            true,
            "Invalid schema. Reason: 'schemaName' should not be null or empty".to_owned(),
        ));
    }
    let unrecognized = forms::unrecognized_in_schema(&json);
    if let Some(object) = json.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    let schema: Schema = serde_json::from_value(json).map_err(|e| unreadable(e.to_string()))?;
    validation::schema::check(&schema).map_err(|why| {
        (
            true,
            format!("Invalid schema: {}. Reason: {why}", schema.name),
        )
    })?;
    Ok(Sent {
        schema,
        unrecognized,
    })
}

pub(crate) fn shown(schema: &Schema) -> Result<Json, Refusal> {
    forms::schema_form(schema).map_err(|e| Refusal::from(ControllerError::from(e)))
}

/// The text of a body that is JSON or a multipart form with one file.
pub(crate) async fn body_text(request: Request) -> Result<String, Refusal> {
    let ill = |why: String| Refusal::invalid(format!("Cannot read the body: {why}"));
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|t| t.to_str().ok())
        .is_some_and(|t| t.starts_with("multipart/form-data"));
    let bytes = if form {
        let mut parts = Multipart::from_request(request, &())
            .await
            .map_err(|e| ill(e.to_string()))?;
        let part = parts.next_field().await.map_err(|e| ill(e.to_string()))?;
        let part = part.ok_or_else(|| ill("the form has no file".to_owned()))?;
        part.bytes().await.map_err(|e| ill(e.to_string()))?
    } else {
        Bytes::from_request(request, &())
            .await
            .map_err(|e| ill(e.to_string()))?
    };
    String::from_utf8(bytes.to_vec()).map_err(|_| ill("it is not UTF-8".to_owned()))
}

async fn list(State(core): Shared) -> Answer {
    let names: Vec<String> = core.read(|s| s.schemas.keys().cloned().collect());
    Ok(json(&object!(names)))
}

async fn info(State(core): Shared) -> Answer {
    let count = |schema: &Schema, role| schema.fields.iter().filter(|(r, _)| *r == role).count();
    let infos: Vec<Json> = core.read(|s| {
        s.schemas
            .values()
            .map(|schema| {
                object!({
                    "schemaName": schema.name,
                    "numDimensionFields": count(schema, FieldRole::Dimension),
                    "numDateTimeFields": count(schema, FieldRole::DateTime),
                    "numMetricFields": count(schema, FieldRole::Metric),
                    "numComplexFields": count(schema, FieldRole::Complex),
                })
            })
            .collect()
    });
    Ok(json(
        &object!({"uncachedSchemas": [], "schemasInfo": infos}),
    ))
}

async fn field_spec() -> Answer {
    let single: serde_json::Map<String, Json> = [
        ("INT", "NUMERIC"),
        ("LONG", "NUMERIC"),
        ("FLOAT", "NUMERIC"),
        ("DOUBLE", "NUMERIC"),
        ("BIG_DECIMAL", "NUMERIC"),
        ("BOOLEAN", "BOOLEAN"),
        ("TIMESTAMP", "TIMESTAMP"),
        ("STRING", "STRING"),
        ("JSON", "STRING"),
        ("BYTES", "BYTES"),
    ]
    .into_iter()
    .map(|(name, kind)| (name.to_owned(), object!({"dataType": name, "kind": kind})))
    .collect();
    let all = object!({"DIMENSION": single, "METRIC": single, "DATE_TIME": single});
    Ok(json(&object!({"fieldTypes": all, "dataTypes": single})))
}

async fn read(State(core): Shared, Path(name): Path<String>) -> Answer {
    let schema = core.read(|s| s.schemas.get(&name).cloned());
    let schema = schema.ok_or_else(|| Refusal::not_found("Schema not found"))?;
    Ok(json(&shown(&schema)?))
}

async fn of_table(State(core): Shared, Path(table): Path<String>) -> Answer {
    let schema = core.read(|s| {
        let known = !s.resolve(&table).is_empty();
        s.schema_of(&table).filter(|_| known).cloned()
    });
    let schema =
        schema.ok_or_else(|| Refusal::not_found(format!("Schema not found for table: {table}")))?;
    Ok(json(&shown(&schema)?))
}

async fn validate(request: Request) -> Answer {
    let sent = read_schema(&body_text(request).await?)?;
    let mut form = shown(&sent.schema)?;
    if let Some(form) = form.as_object_mut() {
        form.insert("unrecognizedProperties".to_owned(), sent.unrecognized);
    }
    Ok(json(&form))
}

async fn add(State(core): Shared, parameters: Parameters, request: Request) -> Answer {
    let sent = read_schema(&body_text(request).await?)?;
    let name = sent.schema.name.clone();
    let overrides = flag(&parameters, "override", true);
    let exists = core.read(|s| s.schemas.contains_key(&name));
    if exists && !overrides {
        return Err(Refusal::new(409, format!("Schema: {name} already exists")));
    }
    put(&core, sent.schema, flag(&parameters, "force", false)).await?;
    Ok(added(&name, &sent.unrecognized))
}

async fn replace(
    State(core): Shared,
    Path(name): Path<String>,
    parameters: Parameters,
    request: Request,
) -> Answer {
    let sent = read_schema(&body_text(request).await?)?;
    if sent.schema.name != name {
        return Err(Refusal::invalid(format!(
            "Schema name mismatch for uploaded schema, tried to add schema with name {} as {name}",
            sent.schema.name
        )));
    }
    if !core.read(|s| s.schemas.contains_key(&name)) {
        return Err(Refusal::not_found(format!("Failed to find schema {name}")));
    }
    put(&core, sent.schema, flag(&parameters, "force", false)).await?;
    if flag(&parameters, "reload", false) {
        for table in core.read(|s| s.resolve(&name)) {
            tables::reload(&core, &table).await?;
        }
    }
    Ok(added(&name, &sent.unrecognized))
}

fn added(name: &str, unrecognized: &Json) -> axum::response::Response {
    json(&object!({
        "unrecognizedProperties": unrecognized,
        "status": format!("{name} successfully added"),
    }))
}

/// Writes a schema that is new or compatible with the old one.
pub(crate) async fn put(core: &Core, schema: Schema, force: bool) -> Result<(), Refusal> {
    let now_ms = core.now_ms();
    core.change(|state| {
        let old = state.schemas.get(&schema.name);
        let broken = old.and_then(|old| old.incompatibility(&schema));
        if broken.is_some() && !force {
            return Err(ControllerError::Invalid(format!(
                "Backward incompatible schema {}. Only allow adding new columns",
                schema.name
            )));
        }
        let mut changes = Vec::new();
        if old.is_some_and(|old| *old != schema) {
            for name in state.resolve(&schema.name) {
                let Some(entry) = state.table(&name) else {
                    continue;
                };
                let record = TableRecord {
                    schema_changed_ms: Some(now_ms),
                    ..entry.record.clone()
                };
                changes.push(Change::Table(Box::new(record)));
            }
        }
        changes.push(Change::Schema(Box::new(schema)));
        Ok((changes, ()))
    })
    .await?;
    Ok(())
}

async fn remove(State(core): Shared, Path(name): Path<String>) -> Answer {
    core.change(|state| {
        if !state.schemas.contains_key(&name) {
            return Err(ControllerError::NotFound(format!(
                "Schema {name} not found"
            )));
        }
        if let Some(table) = state.resolve(&name).first() {
            return Err(ControllerError::Conflict(format!(
                "Cannot delete schema {name}, as it is associated with table {table}"
            )));
        }
        Ok((vec![Change::SchemaGone(name.clone())], ()))
    })
    .await?;
    Ok(status(format!("Schema {name} deleted")))
}
