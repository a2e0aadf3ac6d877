//! Replacing segments as one step: start, end, revert.
//!
//! Must not know: who builds the new segments. Invariant: until the end the old segments answer, from the end on the new ones.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json as Body, Router};
use common::ids::{split_type, with_type};
use serde_json::{Map, Value as Json, json as object};

use super::answer::table_type;
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::error::ControllerError;
use crate::records::{LineageEntry, TableRecord};
use crate::state::Change;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/segments/{table}/startReplaceSegments", post(start))
        .route("/segments/{table}/endReplaceSegments", post(end))
        .route("/segments/{table}/revertReplaceSegments", post(revert))
        .route("/segments/{table}/lineage", get(lineage))
}

fn side(core: &Core, table: &str, parameters: &Parameters) -> Result<String, Refusal> {
    let name = match (split_type(table).1, table_type(parameters, "type")?) {
        (Some(_), _) => table.to_owned(),
        (None, Some(side)) => with_type(table, side),
        (None, None) => {
            return Err(Refusal::invalid(
                "Table type should either be offline or realtime",
            ));
        }
    };
    if core.with_table(&name, |_| ()).is_none() {
        return Err(Refusal::not_found(format!("Table '{name}' not found.")));
    }
    Ok(name)
}

fn names(body: &Json, key: &str) -> Vec<String> {
    let list = body.get(key).and_then(Json::as_array).into_iter().flatten();
    list.filter_map(Json::as_str).map(str::to_owned).collect()
}

/// Changes a table's lineage.
async fn alter(
    core: &Core,
    table: &str,
    how: impl FnOnce(&mut TableRecord) -> Result<(), ControllerError> + Send,
) -> Result<(), Refusal> {
    core.change(|state| {
        let entry = state
            .table(table)
            .ok_or_else(|| ControllerError::NotFound(format!("Table '{table}' not found.")))?;
        let mut record = entry.record.clone();
        how(&mut record)?;
        Ok((vec![Change::Table(Box::new(record))], ()))
    })
    .await?;
    Ok(())
}

async fn start(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    Body(body): Body<Json>,
) -> Answer {
    let name = side(&core, &table, &parameters)?;
    let entry = LineageEntry {
        id: uuid::Uuid::new_v4().to_string(),
        from: names(&body, "segmentsFrom"),
        to: names(&body, "segmentsTo"),
        state: "IN_PROGRESS".to_owned(),
        at_ms: core.now_ms(),
    };
    let id = entry.id.clone();
    let known = core
        .with_table(&name, |t| {
            entry.from.iter().all(|s| t.segments.contains_key(s))
        })
        .unwrap_or_default();
    if !known {
        return Err(Refusal::invalid(
            "Not all segments from 'segmentsFrom' are available in the table",
        ));
    }
    alter(&core, &name, |record| {
        record.lineage.push(entry);
        Ok(())
    })
    .await?;
    Ok(json(&object!({"segmentLineageEntryId": id})))
}

async fn set_state(
    core: &Core,
    table: &str,
    parameters: &Parameters,
    word: &str,
) -> Result<String, Refusal> {
    let name = side(core, table, parameters)?;
    let id = parameters
        .get("segmentLineageEntryId")
        .cloned()
        .unwrap_or_default();
    let now_ms = core.now_ms();
    alter(core, &name, |record| {
        let entry = record.lineage.iter_mut().find(|e| e.id == id);
        let entry = entry.ok_or_else(|| {
            ControllerError::NotFound(format!(
                "Segment lineage entry '{id}' not found in table {name}"
            ))
        })?;
        word.clone_into(&mut entry.state);
        entry.at_ms = now_ms;
        Ok(())
    })
    .await?;
    Ok(id)
}

async fn end(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    set_state(&core, &table, &parameters, "COMPLETED").await?;
    Ok(status(
        "Segment lineage entry update completed successfully",
    ))
}

async fn revert(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    set_state(&core, &table, &parameters, "REVERTED").await?;
    Ok(status(
        "Segment lineage entry revert completed successfully",
    ))
}

async fn lineage(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    let mut out = Map::new();
    for name in found {
        let entries = core
            .with_table(&name, |t| t.record.lineage.clone())
            .unwrap_or_default();
        for entry in entries {
            let form = object!({
                "segmentsFrom": entry.from,
                "segmentsTo": entry.to,
                "state": entry.state,
                "timestamp": entry.at_ms,
            });
            out.insert(entry.id.clone(), form);
        }
    }
    Ok(json(&Json::Object(out)))
}
