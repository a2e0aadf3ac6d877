//! `/cluster`, `/databases`, `/leader` and what else describes the cluster as a whole.
//!
//! Must not know: tables' content. Invariant: configs are text.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::routing::{delete, get};
use axum::{Json as Body, Router};
use serde_json::{Map, Value as Json, json as object};

use super::{Answer, Refusal, Shared, VERSION, json, status};
use crate::core::Core;
use crate::state::Change;

/// Configs that are there without being set.
const DEFAULTS: &[(&str, &str)] = &[
    ("allowParticipantAutoJoin", "true"),
    ("enable.case.insensitive", "true"),
    ("pinot.broker.enable.query.limit.override", "true"),
    ("default.hyperloglog.log2m", "8"),
];

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/cluster/info", get(info))
        .route("/cluster/configs", get(configs).post(set_configs))
        .route("/cluster/configs/{name}", delete(remove_config))
        .route("/databases", get(databases))
        .route("/leader/tables", get(leaders))
        .route("/leader/tables/{table}", get(leader))
        .route("/appconfigs", get(app_configs))
}

async fn info(State(core): Shared) -> Answer {
    Ok(json(&object!({"clusterName": core.cluster_name})))
}

async fn configs(State(core): Shared) -> Answer {
    let mut all: Map<String, Json> = DEFAULTS
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Json::from(*value)))
        .collect();
    core.read(|s| {
        for (key, value) in &s.configs {
            all.insert(key.clone(), Json::from(value.clone()));
        }
    });
    Ok(json(&Json::Object(all)))
}

async fn set_configs(State(core): Shared, Body(body): Body<Map<String, Json>>) -> Answer {
    core.change(|_| {
        let changes = body.into_iter().map(|(key, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            Change::Config(key, value)
        });
        Ok((changes.collect(), ()))
    })
    .await?;
    Ok(status("Updated cluster config."))
}

async fn remove_config(State(core): Shared, Path(name): Path<String>) -> Answer {
    core.change(|_| Ok((vec![Change::ConfigGone(name.clone())], ())))
        .await?;
    Ok(status(format!("Deleted cluster config: {name}")))
}

async fn databases(State(core): Shared) -> Answer {
    let mut names: BTreeSet<String> = core.read(|s| {
        let prefixes = s
            .tables
            .values()
            .filter_map(|t| t.record.name.split_once('.'));
        prefixes.map(|(database, _)| database.to_owned()).collect()
    });
    names.insert("default".to_owned());
    Ok(json(&object!(names)))
}

/// The controller that decides.
fn leading(core: &Core) -> Result<String, Refusal> {
    if core.leads() {
        return Ok(core.instance_id.clone());
    }
    let leader = core.seat.as_ref().and_then(|seat| seat.leader());
    leader
        .map(|leader| leader.id)
        .ok_or_else(|| Refusal::new(503, "no controller leads now; ask again in a few seconds"))
}

async fn leaders(State(core): Shared) -> Answer {
    let tables: Vec<String> = core.read(|s| s.tables.keys().cloned().collect());
    Ok(json(&object!({
        "leadControllerResourceEnabled": true,
        "leadControllerEntryMap": {
            "leadControllerResource_0": {"leadControllerId": leading(&core)?, "tableNames": tables},
        },
    })))
}

async fn leader(State(core): Shared, Path(table): Path<String>) -> Answer {
    if core.read(|s| s.resolve(&table).is_empty()) {
        return Err(Refusal::not_found(format!("Table '{table}' not found.")));
    }
    Ok(json(&object!({
        "leadControllerResourceEnabled": true,
        "leadControllerEntryMap": {
            "leadControllerResource_0": {"leadControllerId": leading(&core)?, "tableNames": [table]},
        },
    })))
}

async fn app_configs(State(core): Shared) -> Answer {
    Ok(json(&object!({
        "version": VERSION,
        "clusterName": core.cluster_name,
        "controller.host": core.host,
        "controller.port": core.port.to_string(),
        "controller.data.dir": core.data_dir.display().to_string(),
        "deepStore": core.deep_store.base(),
    })))
}
