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
use tonic::transport::{Channel, Endpoint};

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
            let stream = connected(&connector, &uri, LIMIT).await?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// One connection, by which the other side has proven who it is.
async fn connected(
    connector: &TlsConnector,
    uri: &Uri,
    limit: Duration,
) -> io::Result<TlsStream<TcpStream>> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(443);
    let connecting = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        connector.connect(name, stream).await
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(stream) => stream,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("`{host}:{port}` did not shake hands in time"),
        )),
    }
}

/// How long one of several members may take.
const MEMBER_LIMIT: Duration = Duration::from_secs(1);

/// Connects to the first of several members that takes the connection.
#[derive(Clone)]
struct FirstOf {
    tls: Arc<ClientConfig>,
    members: Arc<[Uri]>,
}

impl Service<Uri> for FirstOf {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Connecting {
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let members = Arc::clone(&self.members);
        Box::pin(async move {
            let mut last = io::Error::other("no member is named");
            for member in members.iter() {
                match connected(&connector, member, MEMBER_LIMIT).await {
                    Ok(stream) => return Ok(TokioIo::new(stream)),
                    Err(error) => last = io::Error::new(error.kind(), format!("{member}: {error}")),
                }
            }
            Err(last)
        })
    }
}

/// A channel behind TLS to a service of several members, which connects with the first call to the first that takes it. `endpoint` tells
/// how connections are looked after.
#[must_use]
pub fn first_of(endpoint: &Endpoint, members: Arc<[Uri]>, tls: Arc<ClientConfig>) -> Channel {
    endpoint.connect_with_connector_lazy(FirstOf { tls, members })
}
