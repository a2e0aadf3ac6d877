//! Serving HTTP until told to stop, without a request that is lost on its way.
//!
//! Must not know: what is served. Invariant: whoever got a connection before the port was freed is answered, if the request comes
//! within the time for last ones, and told then to ask elsewhere.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::middleware::map_response;
use axum::response::Response;
use http::header::{CONNECTION, HeaderValue};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::TaskGroup;
use crate::listen::{Connection, Listener};

/// Time for the requests of connections that were just made; a server closes those without a request when it stops.
pub const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// Ends a listener that [`serve_in`] began; one that is dropped ends it too.
#[derive(Debug)]
pub struct Stop(oneshot::Sender<()>);

impl Stop {
    /// Frees the port; what runs is waited for by the group.
    pub fn stop(self) {
        // Nobody hears it where the listener failed before.
        let _ = self.0.send(());
    }
}

/// Serves as a task of a group, until it is told to stop; `who` is named where the listener fails.
pub fn serve_in(
    group: &TaskGroup,
    who: &'static str,
    listener: Listener,
    router: axum::Router,
    last_requests: Duration,
) -> Stop {
    let (stop, stopped) = oneshot::channel::<()>();
    group.spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        if let Err(error) = serve(listener, router, stopped, last_requests).await {
            tracing::error!(%error, who, "a listener ended");
        }
    });
    Stop(stop)
}

/// Serves until `stopped`: then the port is freed, connections are read for the time of `last_requests`, and what runs is waited for.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    listener: Listener,
    router: axum::Router,
    stopped: impl Future<Output = ()> + Send + 'static,
    last_requests: Duration,
) -> io::Result<()> {
    let (settled, all_begun) = oneshot::channel();
    let last = Arc::new(AtomicBool::new(false));
    let ending = Ending {
        listener,
        stopped: Box::pin(stopped),
        last_requests,
        until: None,
        last: Arc::clone(&last),
        settled: Some(settled),
    };
    axum::serve(ending, closing(router, last))
        .with_graceful_shutdown(async {
            let _ = all_begun.await;
        })
        .await
}

/// A router whose answers close their connections once the last requests are read: a client that kept one would send its next request
/// while it is closed, and could not know whether that was read.
fn closing(router: axum::Router, last: Arc<AtomicBool>) -> axum::Router {
    router.layer(map_response(move |mut response: Response| {
        if last.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        std::future::ready(response)
    }))
}

/// A listener that ends in two steps: first the port, then, when the last requests are there, the connections.
struct Ending {
    listener: Listener,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    last_requests: Duration,
    /// Set when it was stopped.
    until: Option<Instant>,
    /// True from then on.
    last: Arc<AtomicBool>,
    settled: Option<oneshot::Sender<()>>,
}

impl axum::serve::Listener for Ending {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let Some(until) = self.until else {
                tokio::select! {
                    accepted = self.listener.accept() => return accepted,
                    () = &mut self.stopped => {
                        if let Err(error) = self.listener.close() {
                            tracing::warn!(%error, "cannot accept the last connections");
                        }
                        self.last.store(true, Ordering::Relaxed);
                        self.until = Some(Instant::now() + self.last_requests);
                    }
                }
                continue;
            };
            tokio::select! {
                biased;
                accepted = self.listener.accept() => return accepted,
                () = tokio::time::sleep_until(until), if self.settled.is_some() => {
                    if let Some(settled) = self.settled.take() {
                        let _ = settled.send(());
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }
}
