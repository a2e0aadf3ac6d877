//! `/instances`: who is there, and what it is tagged with.
//!
//! Must not know: segments. Invariant: ids are `Role_host_port`.

use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json as Body, Router};
use proto::controller_service::Instance;
use serde_json::{Value as Json, json as object};

use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::error::ControllerError;
use crate::state::Change;
use crate::tenancy;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/instances", get(list).post(add))
        .route("/liveinstances", get(live))
        .route("/instances/{id}", get(read).put(replace).delete(remove))
        .route("/instances/{id}/state", put(set_state).post(set_state))
        .route("/instances/{id}/updateTags", put(set_tags))
        .route(
            "/instances/{id}/updateBrokerResource",
            axum::routing::post(update_broker),
        )
}

fn unknown(id: &str) -> ControllerError {
    ControllerError::NotFound(format!("Instance {id} not found"))
}

async fn list(State(core): Shared) -> Answer {
    let ids: Vec<String> = core.read(|s| s.instances.keys().cloned().collect());
    Ok(json(&object!({"instances": ids})))
}

async fn live(State(core): Shared) -> Answer {
    let ids: Vec<String> = core.read(|s| {
        s.instances
            .values()
            .filter(|i| i.live)
            .map(|i| i.id.clone())
            .collect()
    });
    Ok(json(&object!({"instances": ids})))
}

fn shown(instance: &Instance) -> Json {
    let server = instance.role == "server";
    let port_or = |port: u16| if server { i32::from(port) } else { -1 };
    object!({
        "instanceName": instance.id,
        "hostName": instance.host,
        "enabled": instance.enabled,
        "port": instance.port.to_string(),
        "tags": instance.tags,
        "pools": null,
        "grpcPort": port_or(instance.port),
        "adminPort": port_or(instance.admin_port),
        "queryServicePort": -1,
        "queryMailboxPort": -1,
        "shutdownInProgress": false,
        "systemResourceInfo": null,
    })
}

async fn read(State(core): Shared, Path(id): Path<String>) -> Answer {
    let found = core.read(|s| s.instances.get(&id).map(shown));
    Ok(json(&found.ok_or_else(|| unknown(&id))?))
}

fn from_body(body: &Json) -> Result<Instance, Refusal> {
    let text = |key: &str| body.get(key).and_then(Json::as_str).unwrap_or_default();
    let port = |key: &str| {
        let value = body.get(key);
        let number = value.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
        number
            .and_then(|n| u16::try_from(n).ok())
            .unwrap_or_default()
    };
    let role = text("type").to_ascii_lowercase();
    if text("host").is_empty()
        || !matches!(role.as_str(), "server" | "broker" | "controller" | "minion")
    {
        return Err(Refusal::invalid(
            "an instance needs `host`, `port` and `type` (SERVER, BROKER)",
        ));
    }
    let tags = body.get("tags").and_then(Json::as_array);
    Ok(Instance {
        id: cluster::identity::instance_id(&role, text("host"), port("port")),
        host: text("host").to_owned(),
        port: port("port"),
        admin_port: port("adminPort"),
        tags: tags
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        live: false,
        enabled: true,
        role,
    })
}

async fn add(State(core): Shared, Body(body): Body<Json>) -> Answer {
    let mut instance = from_body(&body)?;
    if instance.tags.is_empty() {
        instance.tags = tenancy::default_tags(&instance.role);
    }
    let id = instance.id.clone();
    core.change(|state| {
        if state.instances.contains_key(&id) {
            return Err(ControllerError::Conflict(format!(
                "Instance {id} already exists"
            )));
        }
        Ok((vec![Change::Instance(instance)], ()))
    })
    .await?;
    Ok(status(format!("Added instance: {id}")))
}

/// Changes one instance.
async fn alter(
    core: &Core,
    id: &str,
    how: impl FnOnce(&mut Instance) + Send,
) -> Result<(), Refusal> {
    core.change(|state| {
        let mut instance = state
            .instances
            .get(id)
            .cloned()
            .ok_or_else(|| unknown(id))?;
        how(&mut instance);
        Ok((vec![Change::Instance(instance)], ()))
    })
    .await?;
    Ok(())
}

async fn replace(State(core): Shared, Path(id): Path<String>, Body(body): Body<Json>) -> Answer {
    let sent = from_body(&body)?;
    alter(&core, &id, |instance| {
        instance.host = sent.host;
        instance.port = sent.port;
        instance.tags = sent.tags;
    })
    .await?;
    Ok(status(format!("Updated instance: {id}")))
}

async fn remove(State(core): Shared, Path(id): Path<String>) -> Answer {
    core.change(|state| {
        let instance = state.instances.get(&id).ok_or_else(|| unknown(&id))?;
        let used = state
            .tables
            .values()
            .any(|t| t.segments.values().any(|s| s.ideal.contains_key(&id)));
        if instance.live || used {
            return Err(ControllerError::Conflict(format!(
                "Failed to drop instance {id} - it is live or still holds segments"
            )));
        }
        Ok((vec![Change::InstanceGone(id.clone())], ()))
    })
    .await?;
    Ok(status("Successfully dropped instance"))
}

async fn set_state(
    State(core): Shared,
    Path(id): Path<String>,
    parameters: Parameters,
    body: String,
) -> Answer {
    let wanted = parameters
        .get("state")
        .cloned()
        .unwrap_or(body)
        .trim()
        .to_ascii_uppercase();
    match wanted.as_str() {
        "ENABLE" => alter(&core, &id, |i| i.enabled = true).await?,
        "DISABLE" => alter(&core, &id, |i| i.enabled = false).await?,
        "DROP" => return remove(State(core), Path(id)).await,
        other => {
            return Err(Refusal::invalid(format!(
                "Unknown state '{other}', expected ENABLE, DISABLE or DROP"
            )));
        }
    }
    let done = wanted.to_ascii_lowercase();
    Ok(status(format!(
        "Request to {done} instance {id} is successful"
    )))
}

async fn set_tags(State(core): Shared, Path(id): Path<String>, parameters: Parameters) -> Answer {
    let tags = parameters.get("tags").filter(|t| !t.is_empty());
    let tags = tags.ok_or_else(|| Refusal::invalid("Must provide tags to update"))?;
    let list: Vec<String> = tags.split(',').map(|t| t.trim().to_owned()).collect();
    let text = list.join(", ");
    alter(&core, &id, |i| i.tags = list).await?;
    Ok(status(format!("Updated tags: [{text}] for instance: {id}")))
}

async fn update_broker(State(core): Shared, Path(id): Path<String>) -> Answer {
    if core.read(|s| !s.instances.contains_key(&id)) {
        return Err(unknown(&id).into());
    }
    Ok(status(format!("Updated broker resource for broker: {id}")))
}
