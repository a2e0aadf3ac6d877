//! `/tables`: list, make, read, change, drop, state.
//!
//! Must not know: segments' content. Invariant: a name without type means every type that is there.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use common::TableType;
use common::ids::{split_type, with_type};
use serde_json::{Map, Value as Json, json as object};

use super::answer::{flag, retention, table_type};
use super::schemas::body_text;
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::tables;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tables", get(list).post(add))
        .route("/tables/validate", post(validate))
        .route("/tables/{table}", get(read).put(replace).delete(remove))
        .route("/tables/{table}/state", get(state).put(set_state))
        .route(
            "/tables/{table}/timeBoundary",
            post(set_boundary).delete(clear_boundary),
        )
}

/// Names with type behind a name and an optional type.
pub(crate) fn named(core: &Core, name: &str, only: Option<TableType>) -> Vec<String> {
    let found = core.read(|s| s.resolve(name));
    found
        .into_iter()
        .filter(|n| only.is_none_or(|only| split_type(n).1 == Some(only)))
        .collect()
}

async fn list(State(core): Shared, parameters: Parameters) -> Answer {
    let asked = parameters.get("type").map(|t| t.to_ascii_lowercase());
    let mut tables: Vec<(String, i64, i64)> = core.read(|s| {
        s.tables
            .values()
            .map(|t| &t.record)
            .filter(|r| match asked.as_deref() {
                Some("dimension") => r.config.is_dim_table,
                Some("offline") => r.config.table_type == TableType::Offline,
                Some("realtime") => r.config.table_type == TableType::Realtime,
                _ => true,
            })
            .map(|r| {
                let name = if asked.is_some() {
                    &r.name
                } else {
                    r.raw_name()
                };
                (name.to_owned(), r.created_ms, r.modified_ms)
            })
            .collect()
    });
    match parameters.get("sortType").map(String::as_str) {
        Some("creationTime") => tables.sort_by_key(|t| t.1),
        Some("lastModifiedTime") => tables.sort_by_key(|t| t.2),
        _ => tables.sort(),
    }
    if !flag(&parameters, "sortAsc", true) {
        tables.reverse();
    }
    let mut names: Vec<String> = Vec::new();
    for (name, _, _) in tables {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(json(&object!({"tables": names})))
}

async fn add(State(core): Shared, request: Request) -> Answer {
    let sent = tables::read_config(&body_text(request).await?).map_err(Refusal::invalid)?;
    let name = sent.config.table_name.clone();
    let unrecognized = sent.unrecognized.clone();
    tables::create(&core, sent, None).await?;
    Ok(json(&object!({
        "unrecognizedProperties": unrecognized,
        "status": format!("Table {name} successfully added"),
    })))
}

async fn validate(State(core): Shared, request: Request) -> Answer {
    let text = body_text(request).await?;
    let sent = tables::read_config(&text).map_err(|why| {
        Refusal::invalid(format!(
            "Invalid table config json string: {text}. Reason: {why}"
        ))
    })?;
    let name = sent.config.table_name.clone();
    core.read(|s| tables::check(s, &sent.config, tables::schema_for(s, &sent.config)?))
        .map_err(|why| {
            Refusal::invalid(format!("Invalid table config: {name} with error: {why}"))
        })?;
    let mut out = Map::new();
    out.insert(sent.config.table_type.to_string(), sent.form);
    out.insert("unrecognizedProperties".to_owned(), sent.unrecognized);
    Ok(json(&Json::Object(out)))
}

async fn read(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    let mut out = Map::new();
    for name in found {
        if let Some(form) = core.with_table(&name, |t| t.record.form.clone()) {
            let side = split_type(&name)
                .1
                .map(|t| t.to_string())
                .unwrap_or_default();
            out.insert(side, form);
        }
    }
    if out.is_empty() {
        return Err(Refusal::not_found(format!("Table {table} does not exist")));
    }
    Ok(json(&Json::Object(out)))
}

async fn replace(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    request: Request,
) -> Answer {
    let sent = tables::read_config(&body_text(request).await?).map_err(|why| {
        Refusal::invalid(format!("Invalid table config: {table} with error: {why}"))
    })?;
    let sent_name = sent.config.raw_name();
    if sent_name != split_type(&table).0 {
        return Err(Refusal::invalid(format!(
            "Request table {table} does not match table name in the body {sent_name}"
        )));
    }
    let unrecognized = sent.unrecognized.clone();
    tables::update(&core, sent, flag(&parameters, "force", false)).await?;
    Ok(json(&object!({
        "unrecognizedProperties": unrecognized,
        "status": format!("Table config updated for {table}"),
    })))
}

async fn remove(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let only = table_type(&parameters, "type")?;
    let found = named(&core, &table, only);
    if found.is_empty() {
        let only = only.map_or_else(|| "null".to_owned(), |t| t.to_string());
        return Err(Refusal::not_found(format!(
            "Table '{table}' with type {only} does not exist"
        )));
    }
    let kept_ms = retention(&parameters)?;
    tables::delete(&core, &found, kept_ms).await?;
    Ok(status(format!("Tables: [{}] deleted", found.join(", "))))
}

async fn state(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    let enabled = found
        .first()
        .and_then(|name| core.with_table(name, |t| t.record.enabled))
        .ok_or_else(|| Refusal::not_found(format!("Table {table} does not exist")))?;
    let word = if enabled { "enabled" } else { "disabled" };
    Ok(json(&object!({"state": word})))
}

async fn set_state(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let only = table_type(&parameters, "type")?;
    let wanted = parameters.get("state").map(|s| s.to_ascii_lowercase());
    let enabled = match wanted.as_deref() {
        Some("enable") => true,
        Some("disable") => false,
        other => {
            let other = other.unwrap_or("null");
            return Err(Refusal::invalid(format!(
                "Unknown state '{other}', expected enable or disable"
            )));
        }
    };
    let found = named(&core, &table, only);
    if found.is_empty() {
        return Err(Refusal::not_found(format!(
            "Table '{table}' does not exist"
        )));
    }
    for name in &found {
        tables::set_enabled(&core, name, enabled).await?;
    }
    let done = if enabled { "enabled" } else { "disabled" };
    Ok(status(format!(
        "Request to {done} table '{}' is successful",
        found.join(", ")
    )))
}

async fn set_boundary(State(core): Shared, Path(table): Path<String>) -> Answer {
    let raw = split_type(&table).0;
    let offline = with_type(raw, TableType::Offline);
    let last = core.with_table(&offline, |t| {
        t.segments
            .values()
            .filter_map(|s| s.record.end_time_ms)
            .max()
    });
    let last = last.flatten().ok_or_else(|| {
        Refusal::not_found(format!("Table {raw} has no offline segments with a time"))
    })?;
    boundary(&core, &offline, Some(last)).await?;
    Ok(status("Time boundary updated successfully"))
}

async fn clear_boundary(State(core): Shared, Path(table): Path<String>) -> Answer {
    let offline = with_type(split_type(&table).0, TableType::Offline);
    boundary(&core, &offline, None).await?;
    Ok(status("Time boundary deleted successfully"))
}

async fn boundary(core: &Core, table: &str, at_ms: Option<i64>) -> Result<(), Refusal> {
    core.change(|state| {
        let entry = state.table(table).ok_or_else(|| {
            crate::ControllerError::NotFound(format!("Table {table} does not exist"))
        })?;
        let record = crate::records::TableRecord {
            explicit_boundary_ms: at_ms,
            ..entry.record.clone()
        };
        Ok((vec![crate::state::Change::Table(Box::new(record))], ()))
    })
    .await?;
    Ok(())
}
