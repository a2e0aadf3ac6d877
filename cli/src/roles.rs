//! Starting roles and waiting for the end.
//!
//! Must not know: what a role does. Invariant: SIGINT and SIGTERM stop everything cleanly.

use anyhow::{Context, Result};
use touriga::{Cluster, ClusterBuilder, Role, Settings};

use crate::arguments::RoleOptions;

/// Milliseconds for which a role that shall end goes on answering.
const DRAIN_MS: &str = "1000";

/// The builder for options.
pub(crate) fn builder(
    options: &RoleOptions,
    roles: &[Role],
    mut settings: Settings,
) -> ClusterBuilder {
    if let Some(token) = &options.auth_token {
        settings.set("auth.token", token.as_str());
    }
    if let Some(name) = &options.cluster_name {
        settings.set("cluster.name", name.as_str());
    }
    for (name, port) in [
        ("postgres.port", options.postgres_port),
        ("flight.port", options.flight_port),
        ("pinot.broker.grpc.port", options.grpc_port),
    ] {
        if let Some(port) = port {
            settings.set(name, port.to_string());
        }
    }
    if let [role] = roles {
        // A role of its own is waited for: brokers and clients go elsewhere while it goes on answering.
        let name = match role {
            Role::Broker => "pinot.broker.delayShutdownTimeMs",
            _ => "pinot.server.delayShutdownTimeMs",
        };
        if settings.get(name).is_none() {
            settings.set(name, DRAIN_MS);
        }
    }
    let admin = options
        .server_admin_port
        .unwrap_or_else(|| options.server_port.saturating_sub(1));
    let mut builder = Cluster::builder()
        .roles(roles)
        .data_dir(&options.data_dir)
        .host(&options.host)
        .controller_port(options.controller_port)
        .broker_port(options.broker_port)
        .server_port(options.server_port)
        .server_admin_port(admin)
        .settings(settings);
    if let Some(url) = &options.controller {
        builder = builder.controller_url(url);
    }
    if let Some(uri) = &options.deep_store {
        builder = builder.deep_store(uri);
    }
    if let Some(members) = &options.etcd {
        builder = builder.etcd(members);
    }
    if let Some(brokers) = &options.kafka {
        builder = builder.kafka(brokers);
    }
    builder
}

/// Runs roles until a signal.
pub(crate) async fn run(options: &RoleOptions, roles: &[Role], settings: Settings) -> Result<()> {
    let start = std::time::Instant::now();
    let cluster = tokio::select! {
        started = builder(options, roles, settings).build() => started.context("cannot start")?,
        () = signal() => return Ok(()),
    };
    tracing::info!(?roles, host = options.host, controller_port = cluster.controller_port(), broker_port = cluster.broker_port(),
        server_port = cluster.server_port(), data_dir = %options.data_dir.display(), kafka = options.kafka,
        started_in_ms = start.elapsed().as_millis() as u64, "started");
    signal().await;
    tracing::info!("stopping");
    cluster.shutdown().await;
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler the system ends the process at once.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
