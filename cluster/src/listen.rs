//! Listening: plain connections, and TLS on the same port where a certificate is set; the first byte of a connection tells which.
//!
//! Must not know: what is served. Invariants: a slow or broken handshake holds up nobody else; a changed certificate is used for new
//! connections without a restart; keys are never logged; a connection that the system took before [`Listener::close`] is not lost.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::settings::{Settings, SettingsError};

/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 0x16;
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How often files of certificates are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Connections that wait to be served.
const WAITING: usize = 256;

/// A certificate with its key, and whom it lets in.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    /// Plain connections are taken from this host only.
    required: bool,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    stamps: [Option<SystemTime>; 3],
    looked: Instant,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

pub(crate) fn refused(name: &str, path: &Path, why: &dyn std::fmt::Display) -> SettingsError {
    SettingsError::Value {
        name: name.to_owned(),
        why: format!("file `{}`: {why}", path.display()),
    }
}

pub(crate) fn stamp(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn stamps(cert: &Path, key: &Path, client_ca: Option<&Path>) -> [Option<SystemTime>; 3] {
    [stamp(cert), stamp(key), client_ca.and_then(stamp)]
}

impl Tls {
    /// What settings say: `tls.cert`, `tls.key` (PEM files), `tls.client.ca` (only clients with a certificate of these), `tls.required`.
    ///
    /// # Errors
    /// Where a file cannot be read or holds no certificate or key.
    pub fn from_settings(settings: &Settings) -> Result<Option<Arc<Self>>, SettingsError> {
        let Some(cert) = settings.get("tls.cert").map(PathBuf::from) else {
            return Ok(None);
        };
        let key = settings
            .get("tls.key")
            .map_or_else(|| cert.clone(), PathBuf::from);
        let client_ca = settings.get("tls.client.ca").map(PathBuf::from);
        let config = config(&cert, &key, client_ca.as_deref())?;
        Ok(Some(Arc::new(Self {
            required: settings.get("tls.required") == Some("true"),
            current: Mutex::new(Current {
                config,
                stamps: stamps(&cert, &key, client_ca.as_deref()),
                looked: Instant::now(),
            }),
            cert,
            key,
            client_ca,
        })))
    }

    /// Whether other hosts must come by TLS.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// The certificate of now; a file that changed is read again, and one that is broken leaves the old one in place.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock();
        if current.looked.elapsed() >= LOOK_EVERY {
            current.looked = Instant::now();
            let now = stamps(&self.cert, &self.key, self.client_ca.as_deref());
            if now != current.stamps {
                match config(&self.cert, &self.key, self.client_ca.as_deref()) {
                    Ok(config) => {
                        current.config = config;
                        current.stamps = now;
                        tracing::info!(cert = %self.cert.display(), "a new certificate is used");
                    }
                    Err(error) => tracing::error!(%error, "the new certificate cannot be used"),
                }
            }
        }
        Arc::clone(&current.config)
    }
}

pub(crate) fn certificates(
    name: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|e| refused(name, path, &e))?;
    let all = found
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| refused(name, path, &e))?;
    if all.is_empty() {
        return Err(refused(name, path, &"no certificate, expected PEM"));
    }
    Ok(all)
}

fn config(
    cert: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, SettingsError> {
    let chain = certificates("tls.cert", cert)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| refused("tls.key", key, &e))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| refused("tls.cert", cert, &e))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("tls.client.ca", path)? {
                roots
                    .add(root)
                    .map_err(|e| refused("tls.client.ca", path, &e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|e| refused("tls.client.ca", path, &e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, secret)
        .map_err(|e| refused("tls.key", key, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection.
#[derive(Debug)]
pub enum Connection {
    /// As it came.
    Plain(TcpStream),
    /// Behind a handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A listener of an HTTP server.
pub enum Listener {
    /// Without a certificate.
    Plain(TcpListener),
    /// With one: connections come when their handshake is done.
    Tls {
        /// Connections that are ready.
        ready: mpsc::Receiver<(Connection, SocketAddr)>,
        /// Where it listens.
        address: SocketAddr,
        /// Accepts; ends with the listener.
        accepting: JoinSet<()>,
        /// Until it closes.
        open: Option<oneshot::Sender<Infallible>>,
    },
    /// Closed, with what the system had taken by then.
    Closed {
        /// Connections that nobody has accepted yet.
        last: VecDeque<(Connection, SocketAddr)>,
        /// Where it listened.
        address: SocketAddr,
    },
}

impl Listener {
    /// Listens. Call it within a runtime.
    ///
    /// # Errors
    /// Where the address cannot be taken.
    pub async fn bind(address: &str, tls: Option<&Arc<Tls>>) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let Some(tls) = tls else {
            return Ok(Self::Plain(tcp));
        };
        let (done, ready) = mpsc::channel(WAITING);
        let address = tcp.local_addr()?;
        let (open, closed) = oneshot::channel();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_all(tcp, Arc::clone(tls), done, closed));
        Ok(Self::Tls {
            ready,
            address,
            accepting,
            open: Some(open),
        })
    }

    /// Frees the port. Connections that the system has taken already can still be accepted.
    ///
    /// # Errors
    /// Where the system fails; the port is free nevertheless.
    pub fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => {
                let address = tcp.local_addr()?;
                let last = VecDeque::new();
                let open = std::mem::replace(self, Self::Closed { last, address });
                let (Self::Plain(tcp), Self::Closed { last, .. }) = (open, self) else {
                    return Ok(());
                };
                let left = backlog(tcp)?.into_iter();
                last.extend(left.map(|(stream, peer)| (Connection::Plain(stream), peer)));
            }
            Self::Tls { open, .. } => drop(open.take()),
            Self::Closed { .. } => {}
        }
        Ok(())
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(tcp) => tcp.local_addr(),
            Self::Tls { address, .. } | Self::Closed { address, .. } => Ok(*address),
        }
    }
}

/// What the system has taken of a listener that ends here: closing it with them would reset them.
fn backlog(tcp: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    // Asked of the system itself: the runtime may not have heard of the last ones.
    let tcp = tcp.into_std()?;
    let mut left = Vec::new();
    while let Ok((stream, peer)) = tcp.accept() {
        stream.set_nonblocking(true)?;
        left.push((TcpStream::from_std(stream)?, peer));
    }
    Ok(left)
}

async fn accept_all(
    tcp: TcpListener,
    tls: Arc<Tls>,
    done: mpsc::Sender<(Connection, SocketAddr)>,
    mut closed: oneshot::Receiver<Infallible>,
) {
    loop {
        let accepted = tokio::select! {
            _ = &mut closed => break,
            accepted = tcp.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => begin(stream, peer, &tls, &done),
            Err(error) => {
                // Out of file handles, mostly: others must end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    match backlog(tcp) {
        Ok(left) => {
            for (stream, peer) in left {
                begin(stream, peer, &tls, &done);
            }
        }
        Err(error) => tracing::warn!(%error, "cannot accept the last connections"),
    }
}

fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    tls: &Arc<Tls>,
    done: &mpsc::Sender<(Connection, SocketAddr)>,
) {
    let (tls, done) = (Arc::clone(tls), done.clone());
    tokio::spawn(async move {
        match tokio::time::timeout(HANDSHAKE_TIME, begun(stream, peer, &tls)).await {
            Ok(Ok(connection)) => {
                // Nobody takes it where the listener is gone.
                let _ = done.send((connection, peer)).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection was not begun"),
            Err(_) => tracing::debug!(%peer, "a connection was not begun in time"),
        }
    });
}

async fn begun(stream: TcpStream, peer: SocketAddr, tls: &Tls) -> io::Result<Connection> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first == [HANDSHAKE] {
        let accepted = TlsAcceptor::from(tls.config()).accept(stream).await?;
        return Ok(Connection::Tls(Box::new(accepted)));
    }
    if tls.required && !peer.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "TLS is required",
        ));
    }
    Ok(Connection::Plain(stream))
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let accepted = match self {
                Self::Plain(tcp) => TcpListener::accept(tcp)
                    .await
                    .map(|(stream, peer)| (Connection::Plain(stream), peer)),
                Self::Tls { ready, .. } => match ready.recv().await {
                    Some(connection) => Ok(connection),
                    None => std::future::pending().await,
                },
                Self::Closed { last, .. } => match last.pop_front() {
                    Some(connection) => Ok(connection),
                    None => std::future::pending().await,
                },
            };
            match accepted {
                Ok((connection, peer)) => {
                    if let Connection::Plain(stream) = &connection {
                        // Answers are small and waited for.
                        let _ = stream.set_nodelay(true);
                    }
                    return (connection, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
