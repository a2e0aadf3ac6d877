//! The Postgres protocol: psql, drivers and BI tools ask in it.
//!
//! Must not know: brokers, segments. Invariants: nobody is answered before the caller is let in; passwords are compared by whoever keeps
//! them, and never logged.

mod answer;
mod answering;
mod backend;
mod binary;
mod cancel;
mod catalog;
mod cursors;
mod failed;
mod frontend;
pub(crate) mod infer;
pub(crate) mod kind;
pub(crate) mod parameters;
mod prepared;
mod scram;
mod session;
mod settings;
mod start;
mod taking;
mod text;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ServerConfig;

use crate::source::Source;
use cancel::Cancels;

/// How long a client may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives the certificate of now.
pub type Certificate = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// How a port is secured.
#[derive(Clone, Default)]
pub struct Security {
    /// The certificate of now; none where the port has no TLS.
    pub certificate: Option<Certificate>,
    /// Whether other hosts must come by TLS.
    pub required: bool,
}

/// Answers connections until it is dropped.
pub async fn serve(listener: TcpListener, source: Arc<dyn Source>, security: Security) {
    let cancels = Arc::new(Cancels::default());
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (source, security, cancels) = (Arc::clone(&source), security.clone(), Arc::clone(&cancels));
                    sessions.spawn(session(stream, peer, source, security, cancels));
                }
                Err(error) => {
                    // Out of file handles, mostly: others must end first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn session(
    stream: TcpStream,
    peer: SocketAddr,
    source: Arc<dyn Source>,
    security: Security,
    cancels: Arc<Cancels>,
) {
    let _ = stream.set_nodelay(true);
    let ended = start::begin(stream, peer, source, security, cancels).await;
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a session ended");
    }
}
