//! Reaching other processes: roles of this cluster, by TLS where that is set, and servers of others.
//!
//! Must not know: what is asked for. Invariants: with TLS a role talks to nobody whose certificate is not signed as settings say; files
//! that change are used for new connections without a restart; keys are never logged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::listen::{certificates, refused, stamp};
use crate::settings::{Settings, SettingsError};

const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(tokio_rustls::rustls::crypto::ring::default_provider())
}

/// What is made of files, made again when one of them changes.
struct Reloaded<T> {
    files: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<Arc<T>, SettingsError> + Send + Sync>,
    current: Mutex<(Arc<T>, Vec<Option<SystemTime>>, Instant)>,
}

impl<T> std::fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.files).finish()
    }
}

impl<T> Reloaded<T> {
    fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<Arc<T>, SettingsError> + Send + Sync + 'static,
    ) -> Result<Self, SettingsError> {
        let stamps = files.iter().map(|file| stamp(file)).collect();
        Ok(Self {
            current: Mutex::new((make()?, stamps, Instant::now())),
            files,
            make: Box::new(make),
        })
    }

    /// As the files are now; those that are broken leave the old in place.
    fn now(&self) -> Arc<T> {
        let mut current = self.current.lock();
        if current.2.elapsed() >= LOOK_EVERY {
            current.2 = Instant::now();
            let stamps: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
            if stamps != current.1 {
                match (self.make)() {
                    Ok(made) => {
                        current.0 = made;
                        current.1 = stamps;
                        tracing::info!(files = ?self.files, "new certificates are used");
                    }
                    Err(error) => tracing::error!(%error, "the new certificates cannot be used"),
                }
            }
        }
        Arc::clone(&current.0)
    }
}

/// Checks certificates of peers against the roots of now.
#[derive(Debug)]
struct Roots(Reloaded<WebPkiServerVerifier>);

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0
            .now()
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.now().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.now().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.now().supported_verify_schemes()
    }
}

/// Shows the certificate of now.
#[derive(Debug)]
struct Own(Reloaded<CertifiedKey>);

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.now())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// How this process reaches the other roles.
#[derive(Clone, Default)]
pub struct Dial {
    tls: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.scheme())
    }
}

impl Dial {
    /// What settings say: `tls.peers=true` reaches roles by TLS, whose certificates one of `tls.ca` has signed; `tls.peers.cert` and
    /// `tls.peers.key` are shown to them, those of the ports where absent.
    ///
    /// # Errors
    /// Where a file cannot be read or holds no certificate or key.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        if settings.get("tls.peers") != Some("true") {
            return Ok(Self::default());
        }
        let Some(roots) = settings.get("tls.ca").map(PathBuf::from) else {
            return Err(SettingsError::Value {
                name: "tls.ca".to_owned(),
                why: "missing; with `tls.peers` it names the certificates that have signed those of the roles".to_owned(),
            });
        };
        let cert = settings.first(&["tls.peers.cert", "tls.cert"]);
        let key = settings.first(&["tls.peers.key", "tls.key"]);
        let config = client_config(&Files {
            ca: ("tls.ca", roots),
            cert: cert.map(|cert| ("tls.peers.cert", PathBuf::from(cert))),
            key: key.map(|key| ("tls.peers.key", PathBuf::from(key))),
        })?;
        Ok(Self {
            tls: Some(Arc::new(config)),
        })
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// For gRPC; `None` where roles speak plainly.
    #[must_use]
    pub fn grpc(&self) -> Option<Arc<ClientConfig>> {
        let mut config = ClientConfig::clone(self.tls.as_ref()?);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Some(Arc::new(config))
    }

    /// A client for HTTP between roles.
    pub fn http(&self) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIME);
        match &self.tls {
            None => builder,
            Some(tls) => {
                let mut config = ClientConfig::clone(tls);
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                builder.use_preconfigured_tls(config)
            }
        }
    }
}

/// Files of a client's TLS, each with the setting that names it.
pub(crate) struct Files {
    /// What has signed the certificates of the other side.
    pub(crate) ca: (&'static str, PathBuf),
    /// What is shown to the other side.
    pub(crate) cert: Option<(&'static str, PathBuf)>,
    /// Its key; in the same file where absent.
    pub(crate) key: Option<(&'static str, PathBuf)>,
}

/// A client that trusts what files name; they are read again when they change.
pub(crate) fn client_config(files: &Files) -> Result<ClientConfig, SettingsError> {
    let (name, roots) = files.ca.clone();
    let verifier = Roots(Reloaded::new(vec![roots.clone()], move || {
        verifier(name, &roots)
    })?);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| refused(name, Path::new(""), &e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some(cert) = files.cert.clone() else {
        return Ok(builder.with_no_client_auth());
    };
    let key = files.key.clone().unwrap_or_else(|| cert.clone());
    let both = vec![cert.1.clone(), key.1.clone()];
    let own = Own(Reloaded::new(both, move || certified(&cert, &key))?);
    Ok(builder.with_client_cert_resolver(Arc::new(own)))
}

fn store(name: &str, path: &Path) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(name, path)? {
        roots.add(root).map_err(|e| refused(name, path, &e))?;
    }
    Ok(roots)
}

fn verifier(name: &str, path: &Path) -> Result<Arc<WebPkiServerVerifier>, SettingsError> {
    let roots = Arc::new(store(name, path)?);
    WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|e| refused(name, path, &e))
}

/// A certificate and a key, each with the setting that names its file.
fn certified(
    cert: &(&'static str, PathBuf),
    key: &(&'static str, PathBuf),
) -> Result<Arc<CertifiedKey>, SettingsError> {
    let chain = certificates(cert.0, &cert.1)?;
    let unusable = |e: &dyn std::fmt::Display| refused(key.0, &key.1, e);
    let secret = PrivateKeyDer::from_pem_file(&key.1).map_err(|e| unusable(&e))?;
    let made = CertifiedKey::from_der(chain, secret, &provider());
    made.map(Arc::new).map_err(|e| unusable(&e))
}

/// A client for servers of others, whose certificates the system trusts, or one of a file has signed.
///
/// # Errors
/// Where the file cannot be read.
pub fn client_to_others(
    ca: Option<&str>,
    limit: Duration,
) -> Result<reqwest::Client, SettingsError> {
    let mut roots = match ca {
        Some(path) => store("auth.oidc.ca", Path::new(path))?,
        None => RootCertStore::empty(),
    };
    // What the system has and cannot be read is left out; without any root only plain HTTP works.
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| refused("auth.oidc.ca", Path::new(ca.unwrap_or_default()), &e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIME)
        .timeout(limit)
        .use_preconfigured_tls(config)
        .build()
        .map_err(|e| refused("auth.oidc.ca", Path::new(ca.unwrap_or_default()), &e))
}
