//! `/tasks`: there is no task runner yet, and lists say so.
//!
//! Must not know: anything else. Invariant: reading answers with empty lists, asking for work is refused.

use axum::Router;
use axum::routing::{get, post};
use serde_json::json as object;

use super::{Answer, Refusal, json};
use crate::core::Core;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tasks/tasktypes", get(types))
        .route("/tasks/summary", get(summary))
        .route("/tasks/schedule", post(refused))
        .route("/tasks/execute", post(refused))
}

async fn types() -> Answer {
    Ok(json(&object!([])))
}

async fn summary() -> Answer {
    Ok(json(
        &object!({"totalRunningTasks": 0, "totalWaitingTasks": 0, "taskBreakdown": []}),
    ))
}

async fn refused() -> Refusal {
    Refusal::new(501, "Tasks are not supported")
}
