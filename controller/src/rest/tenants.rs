//! `/tenants`: instances by tag.
//!
//! Must not know: tables' segments. Invariant: a tenant is there while an instance carries its tag.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json as Body, Router};
use serde_json::{Value as Json, json as object};

use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::error::ControllerError;
use crate::state::{Change, State as Cluster};
use crate::tenancy;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tenants", get(list).post(put).put(put))
        .route("/tenants/{tenant}", get(read).delete(remove))
        .route("/tenants/{tenant}/tables", get(tables))
        .route("/tenants/{tenant}/metadata", get(read))
}

fn names(state: &Cluster, role: &str, suffixes: &[&str]) -> BTreeSet<String> {
    let tags = state
        .instances
        .values()
        .filter(|i| i.role == role)
        .flat_map(|i| &i.tags);
    tags.filter_map(|tag| suffixes.iter().find_map(|s| tag.strip_suffix(s)))
        .map(str::to_owned)
        .collect()
}

fn members(state: &Cluster, role: &str, tenant: &str, suffixes: &[&str]) -> Vec<String> {
    let carries = |tags: &[String]| {
        tags.iter()
            .any(|tag| suffixes.iter().any(|s| tag.strip_suffix(s) == Some(tenant)))
    };
    let found = state
        .instances
        .values()
        .filter(|i| i.role == role && carries(&i.tags));
    found.map(|i| i.id.clone()).collect()
}

const SERVER: &[&str] = &["_OFFLINE", "_REALTIME"];
const BROKER: &[&str] = &["_BROKER"];

async fn list(State(core): Shared, parameters: Parameters) -> Answer {
    let (servers, brokers) =
        core.read(|s| (names(s, "server", SERVER), names(s, "broker", BROKER)));
    let kind = parameters.get("type").map(|t| t.to_ascii_uppercase());
    let out = match kind.as_deref() {
        Some("SERVER") => object!({"SERVER_TENANTS": servers}),
        Some("BROKER") => object!({"BROKER_TENANTS": brokers}),
        _ => object!({"SERVER_TENANTS": servers, "BROKER_TENANTS": brokers}),
    };
    Ok(json(&out))
}

async fn read(State(core): Shared, Path(tenant): Path<String>) -> Answer {
    let (servers, brokers) = core.read(|s| {
        (
            members(s, "server", &tenant, SERVER),
            members(s, "broker", &tenant, BROKER),
        )
    });
    if servers.is_empty() && brokers.is_empty() {
        return Err(Refusal::not_found(format!(
            "Failed to find any instances for tenant {tenant}"
        )));
    }
    Ok(json(&object!({
        "ServerInstances": servers,
        "BrokerInstances": brokers,
        "tenantName": tenant,
    })))
}

async fn tables(State(core): Shared, Path(tenant): Path<String>) -> Answer {
    let found: Vec<String> = core.read(|s| {
        let uses = |c: &common::TableConfig| {
            tenancy::server_tenant(c) == tenant || tenancy::broker_tenant(c) == tenant
        };
        let tables = s.tables.values().filter(|t| uses(&t.record.config));
        tables.map(|t| t.record.name.clone()).collect()
    });
    Ok(json(&object!({"tables": found})))
}

/// Tags free instances, those of the default tenant, until a tenant has as many as wanted.
async fn put(State(core): Shared, Body(body): Body<Json>) -> Answer {
    let text = |key: &str| {
        body.get(key)
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number = |key: &str| {
        body.get(key)
            .and_then(Json::as_u64)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or_default()
    };
    let (name, role) = (text("tenantName"), text("tenantRole").to_ascii_lowercase());
    if name.is_empty() || !matches!(role.as_str(), "server" | "broker") {
        return Err(Refusal::invalid(
            "a tenant needs `tenantName` and `tenantRole` (SERVER, BROKER)",
        ));
    }
    let total =
        number("numberOfInstances").max(number("offlineInstances") + number("realtimeInstances"));
    let suffixes = if role == "server" { SERVER } else { BROKER };
    core.change(|state| {
        let held = members(state, &role, &name, suffixes).len();
        let free = members(state, &role, tenancy::DEFAULT_TENANT, suffixes);
        let wanted = total.saturating_sub(held);
        if free.len() < wanted {
            return Err(ControllerError::Invalid(format!(
                "Failed to allocate {wanted} {role} instances to tenant {name}, only {} are free",
                free.len()
            )));
        }
        let mut changes = Vec::new();
        for id in free.into_iter().take(wanted) {
            let Some(mut instance) = state.instances.get(&id).cloned() else {
                continue;
            };
            instance.tags = suffixes.iter().map(|s| format!("{name}{s}")).collect();
            changes.push(Change::Instance(instance));
        }
        Ok((changes, ()))
    })
    .await?;
    Ok(status("Successfully created tenant"))
}

async fn remove(State(core): Shared, Path(tenant): Path<String>, parameters: Parameters) -> Answer {
    let role = parameters
        .get("type")
        .map(|t| t.to_ascii_lowercase())
        .unwrap_or_default();
    let suffixes = if role == "broker" { BROKER } else { SERVER };
    core.change(|state| {
        let used = state.tables.values().any(|t| {
            let c = &t.record.config;
            let of = if role == "broker" {
                tenancy::broker_tenant(c)
            } else {
                tenancy::server_tenant(c)
            };
            of == tenant
        });
        if used {
            return Err(ControllerError::Conflict(format!(
                "Tenant {tenant} is used by a table"
            )));
        }
        let mut changes = Vec::new();
        for id in members(state, &role, &tenant, suffixes) {
            let Some(mut instance) = state.instances.get(&id).cloned() else {
                continue;
            };
            instance.tags = tenancy::default_tags(&role);
            changes.push(Change::Instance(instance));
        }
        Ok((changes, ()))
    })
    .await?;
    Ok(status(format!("Successfully deleted tenant {tenant}")))
}
