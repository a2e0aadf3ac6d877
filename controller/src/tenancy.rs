//! Tenants: which instances may serve a table.
//!
//! Must not know: assignment. Invariant: a tenant is a tag of instances, `<tenant>_OFFLINE`, `<tenant>_REALTIME` or `<tenant>_BROKER`.

use common::TableConfig;
use serde_json::Value as Json;

use crate::state::State;

/// The tenant of tables and instances that name none.
pub(crate) const DEFAULT_TENANT: &str = "DefaultTenant";

/// What servers are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Segments that take rows.
    Consuming,
    /// Sealed segments of any table.
    Sealed,
}

/// The tenant's name of a table's servers.
pub(crate) fn server_tenant(config: &TableConfig) -> &str {
    config.tenants.server.as_deref().unwrap_or(DEFAULT_TENANT)
}

/// The tenant's name of a table's brokers.
pub(crate) fn broker_tenant(config: &TableConfig) -> &str {
    config.tenants.broker.as_deref().unwrap_or(DEFAULT_TENANT)
}

/// The tag that a table's servers carry.
pub(crate) fn server_tag(config: &TableConfig, wanted_for: Use) -> String {
    if config.table_type == common::TableType::Realtime && wanted_for == Use::Consuming {
        let override_tag = config
            .tenants
            .extra
            .get("tagOverrideConfig")
            .and_then(|o| o.get("realtimeConsuming"))
            .and_then(Json::as_str);
        if let Some(tag) = override_tag {
            return tag.to_owned();
        }
    }
    format!("{}_{}", server_tenant(config), config.table_type)
}

/// Ids of the servers that may take a table's segments, by name.
///
/// # Errors
/// Where there is none.
pub(crate) fn servers(
    state: &State,
    config: &TableConfig,
    wanted_for: Use,
) -> Result<Vec<String>, String> {
    let tag = server_tag(config, wanted_for);
    let found: Vec<String> = state
        .tagged("server", &tag)
        .into_iter()
        .filter(|i| i.enabled)
        .map(|i| i.id.clone())
        .collect();
    if found.is_empty() {
        let name = &config.table_name;
        return Err(format!(
            "Failed to calculate instance partitions for table: {name}, reason: No instance found with tag: {tag} for table: {name}"
        ));
    }
    Ok(found)
}

/// Ids of the live brokers of a table.
pub(crate) fn brokers(state: &State, config: &TableConfig) -> Vec<String> {
    let tag = format!("{}_BROKER", broker_tenant(config));
    state
        .tagged("broker", &tag)
        .into_iter()
        .filter(|i| i.live && i.enabled)
        .map(|i| i.id.clone())
        .collect()
}

/// Tags of an instance that brings none.
pub(crate) fn default_tags(role: &str) -> Vec<String> {
    let kinds: &[&str] = match role {
        "server" => &["OFFLINE", "REALTIME"],
        "broker" => &["BROKER"],
        _ => &[],
    };
    kinds
        .iter()
        .map(|kind| format!("{DEFAULT_TENANT}_{kind}"))
        .collect()
}
