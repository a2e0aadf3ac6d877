//! Questions that only servers can answer, put to all that hold a table.
//!
//! Must not know: what is asked. Invariant: one answer or error for every server, within a few seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use proto::controller_service::{ReplicaState, SegmentStatus};
use serde_json::Value as Json;

use crate::core::Core;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Live servers that a table's segments are on.
pub(crate) fn servers_with(core: &Core, table: &str) -> BTreeSet<String> {
    core.with_table(table, crate::rest::servers_of)
        .unwrap_or_default()
}

/// Servers that consume for a table.
pub(crate) fn servers_with_consuming(core: &Core, table: &str) -> BTreeSet<String> {
    let found = core.with_table(table, |t| {
        let consuming = t
            .segments
            .values()
            .filter(|s| s.record.status == SegmentStatus::InProgress);
        let replicas = consuming.flat_map(|s| &s.ideal);
        replicas
            .filter(|(_, state)| **state == ReplicaState::Consuming)
            .map(|(id, _)| id.clone())
            .collect()
    });
    found.unwrap_or_default()
}

/// Asks each server for a path of its admin port.
pub(crate) async fn ask_servers(
    core: &Core,
    servers: &BTreeSet<String>,
    path: &str,
) -> Vec<(String, Result<Json, String>)> {
    let asked = servers.iter().map(|id| async move {
        let answer = ask(core, id, path).await;
        (id.clone(), answer)
    });
    join_all(asked).await
}

async fn ask(core: &Core, id: &str, path: &str) -> Result<Json, String> {
    let address = core.read(|s| {
        s.instances
            .get(id)
            .map(|i| format!("{}:{}", i.host, i.admin_port))
    });
    let address = address.ok_or_else(|| format!("server `{id}` is not known"))?;
    let failed = |error: reqwest::Error| format!("{id}: {error}");
    let response = core
        .peers
        .get(format!("{}://{address}{path}", core.dial.scheme()))
        .timeout(PATIENCE)
        .send()
        .await
        .map_err(failed)?;
    if !response.status().is_success() {
        return Err(format!("{id}: HTTP {}", response.status()));
    }
    response.json().await.map_err(failed)
}
