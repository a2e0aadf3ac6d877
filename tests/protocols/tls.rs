//! TLS at the ports of Postgres and Flight SQL, by the certificate of the other ports.
//!
//! Must not know: how handshakes are done. Invariant: a client that trusts another authority does not get in.

use std::path::Path;
use std::sync::Arc;

use arrow_flight::sql::client::FlightSqlServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tonic::transport::Endpoint;

use crate::flight::asked;
use crate::world::{Fallible, world};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/tests/data");
    path.join(name).display().to_string()
}

/// A client that trusts one authority.
fn trusting(ca: &str) -> Fallible<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(ca))?)?;
    let provider = Arc::new(crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A stream behind a handshake that the server was asked for as libpq asks.
async fn secured(port: u16, ca: &str) -> Fallible<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await?;
    assert_eq!(stream.read_u8().await?, b'S');
    let config = trusting(ca)?;
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
async fn flight_is_behind_tls() -> Fallible {
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let world = world(&[("tls.cert", cert.as_str()), ("tls.key", key.as_str())]).await?;
    let port = world.cluster.flight_port().unwrap_or_default();
    let address = format!("http://localhost:{port}");
    let through = |ca: &str| -> Fallible<_> {
        let mut config = trusting(ca)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let endpoint = Endpoint::from_shared(address.clone())?;
        let members = vec![endpoint.uri().clone()];
        let channel = proto::grpc::first_of(&endpoint, members.into(), Arc::new(config));
        Ok(FlightSqlServiceClient::new(channel))
    };
    let sql = "SELECT n, city FROM sales ORDER BY n LIMIT 9";
    let batches = asked(&mut through("cert.pem")?, sql).await?;
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 3);
    assert!(asked(&mut through("other.pem")?, sql).await.is_err());
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
