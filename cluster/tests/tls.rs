//! One port speaks TLS and plain HTTP; certificates are checked, and taken anew when their file changes.
//!
//! Must not know: what the roles serve. The certificate beside this file is for tests alone.

use std::path::Path;
use std::sync::Arc;

use cluster::Settings;
use cluster::listen::{Listener, Tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

type Fallible = Result<(), Box<dyn std::error::Error>>;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    path.display().to_string()
}

fn settings(more: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    settings.set("tls.cert", file("cert.pem"));
    settings.set("tls.key", file("key.pem"));
    for (name, value) in more {
        settings.set(*name, *value);
    }
    settings
}

async fn serving(settings: &Settings) -> Result<u16, Box<dyn std::error::Error>> {
    let tls = Tls::from_settings(settings)?;
    let listener = Listener::bind("127.0.0.1:0", tls.as_ref()).await?;
    let port = listener.address()?.port();
    let router = axum::Router::new().route("/", axum::routing::get(async || "hello"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(port)
}

fn client(with_certificate: bool) -> Result<TlsConnector, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("cert.pem"))?)?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = if with_certificate {
        let chain = vec![CertificateDer::from_pem_file(file("cert.pem"))?];
        builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(file("key.pem"))?)?
    } else {
        builder.with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

async fn over_tls(port: u16, with_certificate: bool) -> Result<String, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost")?;
    let stream = client(with_certificate)?.connect(name, stream).await?;
    Ok(asked(stream).await?)
}

#[tokio::test]
async fn one_port_speaks_both() -> Fallible {
    let port = serving(&settings(&[])).await?;
    assert!(over_tls(port, false).await?.ends_with("hello"));
    let plain = asked(TcpStream::connect(("127.0.0.1", port)).await?).await?;
    assert!(plain.ends_with("hello"), "{plain}");
    // One who says nothing holds up nobody.
    let _silent = TcpStream::connect(("127.0.0.1", port)).await?;
    assert!(over_tls(port, false).await?.ends_with("hello"));
    Ok(())
}

#[tokio::test]
async fn clients_may_need_a_certificate() -> Fallible {
    let ca = file("cert.pem");
    let port = serving(&settings(&[("tls.client.ca", &ca)])).await?;
    let without = over_tls(port, false).await;
    assert!(!without.is_ok_and(|text| text.ends_with("hello")));
    assert!(over_tls(port, true).await?.ends_with("hello"));
    Ok(())
}

#[test]
fn what_is_no_certificate_is_refused() -> Fallible {
    assert!(Tls::from_settings(&Settings::default())?.is_none());
    for (name, value) in [
        ("tls.cert", "/no/such/file"),
        ("tls.key", &file("../tls.rs") as &str),
    ] {
        let error = Tls::from_settings(&settings(&[(name, value)]))
            .err()
            .ok_or("it was taken")?;
        assert!(error.to_string().contains(name), "{error}");
    }
    Ok(())
}
