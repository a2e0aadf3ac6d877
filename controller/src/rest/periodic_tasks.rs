//! `/periodictask`: names of the periodic tasks, and running one now.
//!
//! Must not know: what they do. Invariant: the answer comes after the task ran.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::json as object;

use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::periodic;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/periodictask/names", get(names))
        .route("/periodictask/run", get(run).post(run))
}

async fn names() -> Answer {
    Ok(json(&object!(periodic::NAMES)))
}

async fn run(State(core): Shared, parameters: Parameters) -> Answer {
    let name = parameters
        .get("taskname")
        .map(|n| n.trim())
        .unwrap_or_default();
    let table = parameters
        .get("tableName")
        .map(|t| t.trim())
        .filter(|t| !t.is_empty());
    if !periodic::run(&core, name, table).await? {
        return Err(Refusal::not_found(format!(
            "Periodic task '{name}' not found."
        )));
    }
    let id = uuid::Uuid::new_v4().simple().to_string();
    let id = format!("api-{}", id.get(..8).unwrap_or_default());
    Ok(json(
        &object!({"Log Request Id": id, "Controllers notified": true}),
    ))
}
