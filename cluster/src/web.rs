//! An HTTP client for addresses outside the cluster: it trusts the certificates that this machine trusts.
//!
//! Must not know: who asks. Invariant: certificates are read when the first address is asked, not when a process starts.

use std::sync::OnceLock;
use std::time::Duration;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Silence after which an answer is given up.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The client, the same one for everybody.
///
/// # Errors
/// Where TLS cannot be set up.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(READ_WITHIN);
    let trusted = rustls_native_certs::load_native_certs();
    for error in trusted.errors {
        tracing::warn!(%error, "a certificate that this machine trusts cannot be read");
    }
    for certificate in trusted.certs {
        match reqwest::Certificate::from_der(&certificate) {
            Ok(certificate) => builder = builder.add_root_certificate(certificate),
            Err(error) => tracing::debug!(%error, "a certificate is passed over"),
        }
    }
    let client = builder.build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}
