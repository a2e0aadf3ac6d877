//! gRPC behind TLS: the connection that a channel uses.
//!
//! Must not know: whose certificates are good. Invariant: nothing is sent before the other side has proven who it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

/// How long a connection with its handshake may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Connects, and shakes hands.
#[derive(Clone)]
pub(super) struct Secure(pub(super) Arc<ClientConfig>);

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TlsStream<TcpStream>>>> + Send>>;

impl Service<Uri> for Secure {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let connector = TlsConnector::from(Arc::clone(&self.0));
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let port = uri.port_u16().unwrap_or(443);
            let connecting = async {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                connector.connect(name, stream).await
            };
            match tokio::time::timeout(LIMIT, connecting).await {
                Ok(stream) => stream.map(TokioIo::new),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("`{host}:{port}` did not shake hands in time"),
                )),
            }
        })
    }
}
