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
use crate::lineage;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/segments/{table}/startReplaceSegments", post(start))
        .route("/segments/{table}/endReplaceSegments", post(end))
        .route("/segments/{table}/revertReplaceSegments", post(revert))
        .route("/segments/{table}/lineage", get(entries))
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

async fn start(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    Body(body): Body<Json>,
) -> Answer {
    let name = side(&core, &table, &parameters)?;
    let id = uuid::Uuid::new_v4().to_string();
    let (from, to) = (names(&body, "segmentsFrom"), names(&body, "segmentsTo"));
    lineage::start(&core, &name, &id, from, to).await?;
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
    if word == lineage::COMPLETED {
        let to = core.with_table(&name, |t| {
            let entry = t.record.lineage.iter().find(|e| e.id == id);
            entry.map(|e| e.to.clone()).unwrap_or_default()
        });
        lineage::served(core, &name, &to.unwrap_or_default()).await?;
    }
    lineage::settle(core, &name, &id, word, Vec::new()).await?;
    Ok(id)
}

async fn end(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    set_state(&core, &table, &parameters, lineage::COMPLETED).await?;
    Ok(status(
        "Segment lineage entry update completed successfully",
    ))
}

async fn revert(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    set_state(&core, &table, &parameters, lineage::REVERTED).await?;
    Ok(status(
        "Segment lineage entry revert completed successfully",
    ))
}

async fn entries(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
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
