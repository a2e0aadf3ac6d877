//! `/tableConfigs`: a schema and its tables in one document.
//!
//! Must not know: segments. Invariant: schema and configs carry one raw name; all is written or nothing.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use common::TableType;
use common::ids::{split_type, with_type};
use serde_json::{Map, Value as Json, json as object};

use super::answer::flag;
use super::schemas::{self, body_text};
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::error::ControllerError;
use crate::state::Change;
use crate::tables::{self, Sent};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tableConfigs", get(list).post(add))
        .route("/tableConfigs/validate", post(validate))
        .route(
            "/tableConfigs/{table}",
            get(read).put(replace).delete(remove),
        )
}

struct Document {
    name: String,
    schema: schemas::Sent,
    sides: Vec<(&'static str, Sent)>,
    unrecognized: Map<String, Json>,
}

fn read_document(text: &str) -> Result<Document, Refusal> {
    let json: Json = serde_json::from_str(text).map_err(|e| {
        Refusal::invalid(format!(
            "Invalid TableConfigs json string: {text}. Reason: {e}"
        ))
    })?;
    let name = json
        .get("tableName")
        .and_then(Json::as_str)
        .unwrap_or_default()
        .to_owned();
    let invalid = |why: String| Refusal::invalid(format!("Invalid TableConfigs: {name}. {why}"));
    if name.is_empty() {
        return Err(invalid(
            "'tableName' cannot be null or empty in TableConfigs".to_owned(),
        ));
    }
    let mut unrecognized = Map::new();
    let schema = json.get("schema").cloned().unwrap_or(Json::Null);
    if schema.is_null() {
        return Err(invalid(
            "Must have non-null 'schema' in TableConfigs".to_owned(),
        ));
    }
    let schema = schemas::read_schema_json(schema).map_err(|(_, why)| invalid(why))?;
    note(&mut unrecognized, "schema", &schema.unrecognized);
    if schema.schema.name != name {
        return Err(invalid(format!(
            "'tableName': {name} must be equal to 'schemaName' from 'schema': {}",
            schema.schema.name
        )));
    }
    let mut sides = Vec::new();
    for (key, table_type) in [
        ("offline", TableType::Offline),
        ("realtime", TableType::Realtime),
    ] {
        let Some(config) = json.get(key).filter(|c| !c.is_null()) else {
            continue;
        };
        let sent = tables::read_config_json(config.clone()).map_err(&invalid)?;
        if sent.config.raw_name() != name {
            return Err(invalid(format!(
                "Name in '{key}' table config: {} must be equal to 'tableName': {name}",
                sent.config.raw_name()
            )));
        }
        if sent.config.table_type != table_type {
            return Err(invalid(format!(
                "'{key}' table config must be of type {table_type}"
            )));
        }
        note(&mut unrecognized, key, &sent.unrecognized);
        sides.push((key, sent));
    }
    if sides.is_empty() {
        return Err(invalid(
            "Must have at least one of 'offline' or 'realtime' in TableConfigs".to_owned(),
        ));
    }
    Ok(Document {
        name,
        schema,
        sides,
        unrecognized,
    })
}

fn note(all: &mut Map<String, Json>, below: &str, found: &Json) {
    for (pointer, value) in found.as_object().into_iter().flatten() {
        all.insert(format!("/{below}{pointer}"), value.clone());
    }
}

fn check(core: &Core, document: &Document) -> Result<(), Refusal> {
    for (_, sent) in &document.sides {
        core.read(|s| tables::check(s, &sent.config, &document.schema.schema))
            .map_err(|why| {
                Refusal::invalid(format!("Invalid TableConfigs: {}. {why}", document.name))
            })?;
    }
    Ok(())
}

fn form(document: &Document) -> Result<Map<String, Json>, Refusal> {
    let mut out = Map::new();
    out.insert("tableName".to_owned(), Json::from(document.name.clone()));
    out.insert(
        "schema".to_owned(),
        schemas::shown(&document.schema.schema)?,
    );
    for (key, sent) in &document.sides {
        out.insert((*key).to_owned(), sent.form.clone());
    }
    Ok(out)
}

fn stored(core: &Core, name: &str) -> Vec<String> {
    core.read(|s| s.resolve(split_type(name).0))
}

async fn list(State(core): Shared) -> Answer {
    let mut names: Vec<String> = core.read(|s| {
        s.tables
            .values()
            .map(|t| t.record.raw_name().to_owned())
            .collect()
    });
    names.dedup();
    Ok(json(&object!(names)))
}

async fn validate(State(core): Shared, request: Request) -> Answer {
    let document = read_document(&body_text(request).await?)?;
    check(&core, &document)?;
    let mut out = form(&document)?;
    out.insert(
        "unrecognizedProperties".to_owned(),
        Json::Object(document.unrecognized),
    );
    Ok(json(&Json::Object(out)))
}

async fn add(State(core): Shared, request: Request) -> Answer {
    let document = read_document(&body_text(request).await?)?;
    if !stored(&core, &document.name).is_empty() {
        return Err(Refusal::invalid(format!(
            "TableConfigs: {} already exists. Use PUT to update existing config",
            document.name
        )));
    }
    check(&core, &document)?;
    let new_schema = !core.read(|s| s.schemas.contains_key(&document.name));
    schemas::put(&core, document.schema.schema.clone(), false).await?;
    let mut made: Vec<String> = Vec::new();
    for (_, sent) in document.sides {
        let name = sent.config.table_name.clone();
        if let Err(error) = tables::create(&core, sent, None).await {
            // Nothing of a refused document stays.
            tables::delete(&core, &made, Some(0)).await?;
            if new_schema {
                drop_schema(&core, &document.name).await?;
            }
            return Err(error.into());
        }
        made.push(name);
    }
    Ok(json(&object!({
        "unrecognizedProperties": document.unrecognized,
        "status": format!("TableConfigs {} successfully added", document.name),
    })))
}

async fn drop_schema(core: &Core, name: &str) -> Result<(), ControllerError> {
    core.change(|s| {
        let there = s.schemas.contains_key(name);
        let changes = there.then(|| Change::SchemaGone(name.to_owned()));
        Ok((changes.into_iter().collect(), ()))
    })
    .await
}

async fn read(State(core): Shared, Path(table): Path<String>) -> Answer {
    let raw = split_type(&table).0;
    let schema = core.read(|s| s.schemas.get(raw).cloned()).ok_or_else(|| {
        Refusal::new(
            500,
            format!("Schema does not exist for table {raw} Use POST to create it first."),
        )
    })?;
    let mut out = Map::new();
    out.insert("tableName".to_owned(), Json::from(raw));
    out.insert("schema".to_owned(), schemas::shown(&schema)?);
    for (key, side) in [
        ("offline", TableType::Offline),
        ("realtime", TableType::Realtime),
    ] {
        if let Some(form) = core.with_table(&with_type(raw, side), |t| t.record.form.clone()) {
            out.insert(key.to_owned(), form);
        }
    }
    Ok(json(&Json::Object(out)))
}

async fn replace(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    request: Request,
) -> Answer {
    let document = read_document(&body_text(request).await?)?;
    if document.name != table {
        return Err(Refusal::invalid(format!(
            "'tableName' in TableConfigs: {} must match provided tableName: {table}",
            document.name
        )));
    }
    check(&core, &document)?;
    let force = flag(&parameters, "forceTableSchemaUpdate", false);
    schemas::put(&core, document.schema.schema.clone(), force).await?;
    for (_, sent) in document.sides {
        let name = sent.config.table_name.clone();
        if core.with_table(&name, |_| ()).is_some() {
            tables::update(&core, sent, force).await?;
        } else {
            tables::create(&core, sent, None).await?;
        }
        if flag(&parameters, "reload", false) {
            tables::reload(&core, &name).await?;
        }
    }
    Ok(json(&object!({
        "unrecognizedProperties": document.unrecognized,
        "status": format!("TableConfigs updated for {table}"),
    })))
}

async fn remove(State(core): Shared, Path(table): Path<String>) -> Answer {
    let raw = split_type(&table).0.to_owned();
    let found = stored(&core, &raw);
    if found.is_empty() && core.read(|s| !s.schemas.contains_key(&raw)) {
        return Err(Refusal::not_found(format!(
            "TableConfigs {raw} does not exist"
        )));
    }
    tables::delete(&core, &found, None).await?;
    drop_schema(&core, &raw).await?;
    Ok(status(format!("Deleted TableConfigs: {raw}")))
}
