//! TLS at the port of Postgres, by the certificate of the other ports.
//!
//! Must not know: how handshakes are done. Invariant: a client that trusts another authority does not get in.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::world::{Fallible, world};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/tests/data");
    path.join(name).display().to_string()
}

/// A stream behind a handshake that the server was asked for as libpq asks.
async fn secured(port: u16, ca: &str) -> Fallible<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await?;
    assert_eq!(stream.read_u8().await?, b'S');
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(ca))?)?;
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_behind_tls() -> Fallible {
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let world = world(&[("tls.cert", cert.as_str()), ("tls.key", key.as_str())]).await?;
    let port = world.cluster.postgres_port().unwrap_or_default();
    let mut config = world.postgres();
    config.ssl_mode(SslMode::Disable);
    let (client, connection) = config
        .connect_raw(secured(port, "cert.pem").await?, NoTls)
        .await?;
    tokio::spawn(connection);
    assert_eq!(
        client
            .query("SELECT n FROM sales LIMIT 9", &[])
            .await?
            .len(),
        3
    );
    assert!(secured(port, "other.pem").await.is_err());
    // What comes before the handshake must not be taken for what came through it.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"\0\0\0\x08\x04\xd2\x16\x2fQ\0\0\0\x0dSELECT 1\0")
        .await?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_certificate_says_no() -> Fallible {
    let world = world(&[]).await?;
    let port = world.cluster.postgres_port().unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await?;
    assert_eq!(stream.read_u8().await?, b'N');
    let mut config = world.postgres();
    config.ssl_mode(SslMode::Disable);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(connection);
    assert_eq!(
        client
            .query("SELECT n FROM sales LIMIT 9", &[])
            .await?
            .len(),
        3
    );
    world.cluster.shutdown().await;
    Ok(())
}
