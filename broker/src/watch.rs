//! Follows the controller: registers, tells that the broker lives, and swaps routing with every view.
//!
//! Must not know: queries. Invariant: without a controller the last routing stays in use.

use std::sync::Arc;
use std::time::Duration;

use proto::ControllerService;
use proto::controller_service::Instance;

use crate::execution::Core;
use crate::routing::Routing;
use crate::servers::ServerConnector;

const HEARTBEAT: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(500);

/// Registers and says again and again that the broker lives. Ends never.
pub(crate) async fn live(controller: Arc<dyn ControllerService>, instance: Instance) {
    let mut registered = false;
    loop {
        let told = if registered {
            controller.heartbeat(&instance.id).await
        } else {
            controller.register(instance.clone()).await
        };
        match told {
            Ok(()) => {
                registered = true;
                tokio::time::sleep(HEARTBEAT).await;
            }
            Err(error) => {
                // Whoever does not know us, or did not hear us, is told everything again.
                registered = false;
                tracing::debug!(%error, "the controller did not take the broker's word");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Keeps routing fresh. Ends never.
pub(crate) async fn follow(
    core: Arc<Core>,
    controller: Arc<dyn ControllerService>,
    connector: Arc<dyn ServerConnector>,
) {
    loop {
        let current = core.routing.load_full();
        match controller.watch(&core.id, current.version).await {
            // A controller that began anew counts from the start: take its whole state.
            Ok(view) if view.version < current.version => {
                let mut fresh = Routing::default().next(view, &*connector);
                fresh.version = 0;
                core.routing.store(Arc::new(fresh));
            }
            Ok(view) => {
                let same = view.version == current.version && current.loaded;
                if same
                    && view.tables.is_empty()
                    && view.removed.is_empty()
                    && view.instances.is_empty()
                {
                    continue;
                }
                core.routing
                    .store(Arc::new(current.next(view, &*connector)));
            }
            Err(error) => {
                tracing::debug!(%error, "cannot follow the controller");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
