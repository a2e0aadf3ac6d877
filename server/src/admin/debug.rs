//! What went wrong, and what runs.
//!
//! Must not know: why. Invariant: nothing here changes anything, except for cancelling a query by its id.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Path, State as Extract};
use axum::routing::{delete, get};
use serde_json::{Value as Json, json};

use super::{Answer, State, answer, not_found, table};
use crate::query_service::Queries;

pub(crate) fn routes() -> Router<Arc<Queries>> {
    Router::new()
        .route("/debug/tables/{table}", get(table_state))
        .route("/queries/id", get(ids))
        .route("/queries", get(ids))
        .route("/query/{id}", delete(cancel))
}

async fn table_state(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let errors = &table.errors;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let recent: Vec<Json> = errors
        .recent()
        .into_iter()
        .map(|e| json!({"timestampMs": e.at_ms, "segmentName": e.segment, "message": e.message}))
        .collect();
    let me = &queries.shared.instance_id;
    let segments: Vec<Json> = table
        .view()
        .ideal
        .iter()
        .filter(|(_, replicas)| replicas.contains_key(me))
        .map(|(segment, replicas)| {
            let (state, error) = queries.shared.reports.get(&name, segment).unzip();
            json!({
                "segmentName": segment,
                "wanted": replicas.get(me),
                "state": state,
                "error": error.flatten(),
                "rows": table.segments.get(segment).map(|held| held.doc_count()),
            })
        })
        .collect();
    let consumers: Vec<Json> = table
        .consumers
        .lock()
        .values()
        .map(|consumer| {
            let (phase, why) = consumer.phase();
            json!({
                "segmentName": consumer.segment,
                "partition": consumer.partition,
                "offset": consumer.position().to_string(),
                "phase": format!("{phase:?}").to_ascii_uppercase(),
                "problem": why,
            })
        })
        .collect();
    Ok(answer(&json!({
        "tableName": table.name,
        "rowsConsumed": count(&errors.rows),
        "rowsFiltered": count(&errors.filtered),
        "rowsMalformed": count(&errors.malformed),
        "rowsIncomplete": count(&errors.incomplete),
        "tombstones": count(&errors.tombstones),
        "recentErrors": recent,
        "consumers": consumers,
        "segments": segments,
    })))
}

async fn ids(Extract(queries): State) -> Answer {
    Ok(answer(&json!(queries.pool.ids())))
}

async fn cancel(Extract(queries): State, Path(id): Path<u64>) -> Answer {
    if queries.pool.cancel(id) {
        Ok(answer(&json!(format!("Cancelled query: {id}"))))
    } else {
        Err(not_found(format!("Query: {id} not found on the server")))
    }
}
