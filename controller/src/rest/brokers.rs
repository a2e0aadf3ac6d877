//! Broker discovery: `/brokers`, `/v2/brokers`, `/tables/livebrokers`.
//!
//! Must not know: routing. Invariant: `/v2/brokers/tables` is keyed by raw names, `/tables/livebrokers` by names with type; every item has
//! a host and port that a client can connect to.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use proto::controller_service::Instance;
use serde_json::{Map, Value as Json, json as object};

use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::state::State as Cluster;
use crate::tenancy;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/brokers", get(all))
        .route("/brokers/tenants", get(tenants))
        .route("/brokers/tenants/{tenant}", get(tenant))
        .route("/brokers/tables", get(tables))
        .route("/brokers/tables/{table}", get(table))
        .route("/v2/brokers", get(all_objects))
        .route("/v2/brokers/tenants", get(tenants_objects))
        .route("/v2/brokers/tenants/{tenant}", get(tenant_objects))
        .route("/v2/brokers/tables", get(tables_objects))
        .route("/v2/brokers/tables/{table}", get(table_objects))
        .route("/tables/livebrokers", get(live))
}

/// How a broker is written.
type Form = fn(&Instance) -> Json;

fn id(broker: &Instance) -> Json {
    Json::from(broker.id.clone())
}

fn whole(broker: &Instance) -> Json {
    object!({"host": broker.host, "port": broker.port, "instanceName": broker.id, "grpcPort": -1})
}

fn brokers<'a>(state: &'a Cluster, parameters: &Parameters) -> Vec<&'a Instance> {
    let wanted = parameters.get("state").map(|s| s.to_ascii_uppercase());
    state
        .instances
        .values()
        .filter(|i| i.role == "broker")
        .filter(|i| match wanted.as_deref() {
            Some("OFFLINE") => !i.live || !i.enabled,
            Some("ALL") => true,
            _ => i.live && i.enabled,
        })
        .collect()
}

fn by_tenant(state: &Cluster, parameters: &Parameters, form: Form) -> BTreeMap<String, Vec<Json>> {
    let mut out = BTreeMap::<String, Vec<Json>>::new();
    for broker in brokers(state, parameters) {
        for tenant in broker.tags.iter().filter_map(|t| t.strip_suffix("_BROKER")) {
            out.entry(tenant.to_owned()).or_default().push(form(broker));
        }
    }
    out
}

fn by_table(state: &Cluster, parameters: &Parameters, form: Form) -> BTreeMap<String, Vec<Json>> {
    let tenants = by_tenant(state, parameters, form);
    let of = |tenant: &str| tenants.get(tenant).cloned().unwrap_or_default();
    let mut out = BTreeMap::new();
    for table in state.tables.values() {
        let brokers = of(tenancy::broker_tenant(&table.record.config));
        out.insert(table.record.raw_name().to_owned(), brokers);
    }
    out
}

fn everything(state: &Cluster, parameters: &Parameters, form: Form) -> Json {
    object!({
        "tenants": by_tenant(state, parameters, form),
        "tables": by_table(state, parameters, form),
    })
}

async fn all(State(core): Shared, p: Parameters) -> Answer {
    Ok(json(&core.read(|s| everything(s, &p, id))))
}

async fn all_objects(State(core): Shared, p: Parameters) -> Answer {
    Ok(json(&core.read(|s| everything(s, &p, whole))))
}

async fn tenants(State(core): Shared, p: Parameters) -> Answer {
    Ok(json(&object!(core.read(|s| by_tenant(s, &p, id)))))
}

async fn tenants_objects(State(core): Shared, p: Parameters) -> Answer {
    Ok(json(&object!(core.read(|s| by_tenant(s, &p, whole)))))
}

async fn tables(State(core): Shared, p: Parameters) -> Answer {
    Ok(json(&object!(core.read(|s| by_table(s, &p, id)))))
}

async fn tables_objects(State(core): Shared, p: Parameters) -> Answer {
    Ok(json(&object!(core.read(|s| by_table(s, &p, whole)))))
}

async fn tenant(State(core): Shared, Path(name): Path<String>, p: Parameters) -> Answer {
    one_tenant(&core, &name, &p, id)
}

async fn tenant_objects(State(core): Shared, Path(name): Path<String>, p: Parameters) -> Answer {
    one_tenant(&core, &name, &p, whole)
}

fn one_tenant(core: &Core, name: &str, parameters: &Parameters, form: Form) -> Answer {
    let found = core.read(|s| by_tenant(s, parameters, form).remove(name));
    let found = found.ok_or_else(|| Refusal::not_found(format!("Tenant '{name}' not found.")))?;
    Ok(json(&Json::Array(found)))
}

async fn table(State(core): Shared, Path(name): Path<String>, p: Parameters) -> Answer {
    one_table(&core, &name, &p, id)
}

async fn table_objects(State(core): Shared, Path(name): Path<String>, p: Parameters) -> Answer {
    one_table(&core, &name, &p, whole)
}

fn one_table(core: &Core, name: &str, parameters: &Parameters, form: Form) -> Answer {
    let raw = common::ids::split_type(name).0;
    let found = core.read(|s| by_table(s, parameters, form).remove(raw));
    let found = found.ok_or_else(|| Refusal::not_found(format!("Table '{name}' not found.")))?;
    Ok(json(&Json::Array(found)))
}

async fn live(State(core): Shared, p: Parameters) -> Answer {
    let wanted: Option<Vec<&str>> = p
        .get("tables")
        .filter(|t| !t.is_empty())
        .map(|t| t.split(',').map(str::trim).collect());
    let out: Map<String, Json> = core.read(|state| {
        let tenants = by_tenant(state, &p, whole);
        state
            .tables
            .values()
            .filter(|t| {
                let names = [t.record.name.as_str(), t.record.raw_name()];
                wanted
                    .as_ref()
                    .is_none_or(|w| names.iter().any(|n| w.contains(n)))
            })
            .map(|t| {
                let tenant = tenancy::broker_tenant(&t.record.config);
                let brokers = tenants.get(tenant).cloned().unwrap_or_default();
                (t.record.name.clone(), Json::Array(brokers))
            })
            .collect()
    });
    Ok(json(&Json::Object(out)))
}
