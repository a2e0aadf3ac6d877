//! Being one of the cluster: register, stay in touch, follow what the controller says.
//!
//! Must not know: what following means. Invariant: while the controller is away nothing of this server stops; when it is back it hears
//! everything again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::ServiceError;
use proto::controller_service::{CLUSTER_ID, ClusterView, Instance};
use tokio::sync::Notify;

use crate::error::ServerError;
use crate::reconcile;
use crate::shared::Shared;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Whether the controller knows this server.
#[derive(Default)]
struct Registration {
    /// The view is to be asked for from the beginning.
    afresh: AtomicBool,
    done: AtomicBool,
    changed: Notify,
}

/// Starts the tasks of membership.
pub(crate) fn start(shared: &Arc<Shared>, instance: Instance, heartbeat: Duration) {
    let registration = Arc::new(Registration::default());
    let (of, seen) = (Arc::clone(shared), Arc::clone(&registration));
    shared
        .membership
        .spawn(async move { stay_registered(&of, &seen, instance, heartbeat).await });
    let of = Arc::clone(shared);
    shared
        .tasks
        .spawn(async move { watch(&of, &registration).await });
    let of = Arc::clone(shared);
    shared.tasks.spawn(async move {
        let controller = Arc::clone(&of.controller);
        of.reports.run(controller.as_ref(), &of.instance_id).await;
    });
}

async fn stay_registered(
    shared: &Shared,
    registration: &Registration,
    instance: Instance,
    heartbeat: Duration,
) {
    let mut wait = FIRST_WAIT;
    loop {
        match register(shared, &instance).await {
            Ok(()) => {
                wait = FIRST_WAIT;
                registration.afresh.store(true, Ordering::SeqCst);
                registration.done.store(true, Ordering::SeqCst);
                registration.changed.notify_waiters();
                shared.reports.resend();
                tracing::info!(id = instance.id, "registered");
                beat(shared, heartbeat).await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot register");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// Joins the cluster that the files of this server belong to.
async fn register(shared: &Shared, instance: &Instance) -> Result<(), ServiceError> {
    let cluster = shared.controller.cluster_id().await?;
    admitted(shared, &cluster)?;
    shared.controller.register(instance.clone()).await
}

fn admitted(shared: &Shared, cluster: &str) -> Result<(), ServiceError> {
    let refused = |error: ServerError| ServiceError::Refused(error.to_string());
    shared.home.admits(cluster).map_err(refused)
}

/// News of the cluster, where it is still the one that the files belong to.
async fn news(shared: &Shared, version: u64) -> Result<ClusterView, ServiceError> {
    let view = shared
        .controller
        .watch(&shared.instance_id, version)
        .await?;
    if let Some(cluster) = view.configs.get(CLUSTER_ID) {
        admitted(shared, cluster)?;
        shared.home.settle(cluster);
    }
    Ok(view)
}

/// Says that this server lives, until the controller does not know it.
async fn beat(shared: &Shared, heartbeat: Duration) {
    loop {
        tokio::time::sleep(heartbeat).await;
        match shared.controller.heartbeat(&shared.instance_id).await {
            Err(ServiceError::Refused(_)) => return,
            Ok(()) | Err(ServiceError::Unreachable(_)) => {}
        }
    }
}

async fn watch(shared: &Arc<Shared>, registration: &Registration) {
    while !registration.done.load(Ordering::SeqCst) {
        let changed = registration.changed.notified();
        if registration.done.load(Ordering::SeqCst) {
            break;
        }
        let _ = tokio::time::timeout(FIRST_WAIT, changed).await;
    }
    let (mut version, mut wait) = (0, FIRST_WAIT);
    loop {
        if registration.afresh.swap(false, Ordering::SeqCst) {
            version = 0;
        }
        let view = tokio::select! {
            view = news(shared, version) => view,
            () = registration.changed.notified() => continue,
        };
        match view {
            Ok(view) => {
                wait = FIRST_WAIT;
                shared.peers.set(&view.instances);
                let whole = version == 0;
                version = view.version;
                if whole || !view.tables.is_empty() || !view.removed.is_empty() {
                    reconcile::follow(shared, view, whole);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the cluster's state cannot be followed");
                if matches!(error, ServiceError::Refused(_)) {
                    // Versions of another cluster say nothing here.
                    version = 0;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}
