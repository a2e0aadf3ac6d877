//! Where an etcd is, and how it is reached: members, certificates, user and password.
//!
//! Must not know: keys and values. Invariants: members are reached all plainly or all by TLS; a password is never shown.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use crate::dial::{Files, client_config};
use crate::settings::{Settings, SettingsError};

const CA: &str = "etcd.tls.ca";
const CERT: &str = "etcd.tls.cert";
const KEY: &str = "etcd.tls.key";
const USER: &str = "etcd.user";
const PASSWORD: &str = "etcd.password";

/// Where etcd is, and below what its keys lie.
#[derive(Debug, Clone)]
pub struct EtcdSettings {
    /// `host:port`, `http://host:port` or `https://host:port` of each member.
    pub members: Vec<String>,
    /// What every key begins with; one etcd may hold several clusters.
    pub prefix: String,
    /// Certificates, where members are reached by TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) user: Option<User>,
}

/// A user of etcd.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("User").field(&self.name).finish()
    }
}

fn wrong(name: &str, why: impl Into<String>) -> SettingsError {
    SettingsError::Value {
        name: name.to_owned(),
        why: why.into(),
    }
}

impl EtcdSettings {
    /// Members out of a list with commas, for the cluster of a name, reached plainly.
    #[must_use]
    pub fn new(members: &str, cluster_name: &str) -> Self {
        let parts = members.split(',').map(str::trim).filter(|m| !m.is_empty());
        Self {
            members: parts.map(str::to_owned).collect(),
            prefix: format!("/touriga/{cluster_name}/"),
            tls: None,
            user: None,
        }
    }

    /// The same with what settings say: `etcd.tls.ca` (PEM file: what has signed the members' certificates), `etcd.tls.cert` and
    /// `etcd.tls.key` (shown to the members), `etcd.user` and `etcd.password`.
    ///
    /// # Errors
    /// Where members are reached by TLS and `etcd.tls.ca` is missing, where a file cannot be used, or settings contradict each other.
    pub fn from_settings(
        members: &str,
        cluster_name: &str,
        settings: &Settings,
    ) -> Result<Self, SettingsError> {
        let mut made = Self::new(members, cluster_name);
        made.tls = made.secured(settings)?;
        made.user = match (settings.get(USER), settings.get(PASSWORD)) {
            (None, None) => None,
            (Some(name), Some(password)) => Some(User {
                name: name.to_owned(),
                password: password.to_owned(),
            }),
            (Some(_), None) => return Err(wrong(PASSWORD, "missing; `etcd.user` needs one")),
            (None, Some(_)) => return Err(wrong(USER, "missing; `etcd.password` is somebody's")),
        };
        if made.user.is_some() && made.tls.is_none() {
            tracing::warn!("the password of `etcd.user` goes over plain connections");
        }
        Ok(made)
    }

    fn secured(&self, settings: &Settings) -> Result<Option<Arc<ClientConfig>>, SettingsError> {
        let ca = settings.get(CA);
        let is_secured = |member: &&String| match member.split_once("://") {
            Some((scheme, _)) => scheme == "https",
            None => ca.is_some(),
        };
        let secured = self.members.iter().find(is_secured);
        let plain = self.members.iter().find(|member| !is_secured(member));
        match (secured, plain, ca) {
            (Some(one), Some(other), _) => Err(wrong(
                "etcd",
                format!(
                    "`{one}` is reached by TLS and `{other}` is not; expected all of them alike"
                ),
            )),
            (Some(member), None, None) => Err(wrong(
                CA,
                format!(
                    "missing; `{member}` is reached by TLS, and this PEM file holds the certificates that have signed those of the members"
                ),
            )),
            (None, Some(member), Some(_)) => Err(wrong(
                CA,
                format!("set, and `{member}` is not reached by TLS; expected `https://` members"),
            )),
            (Some(_), None, Some(ca)) => by_tls(settings, ca).map(Some),
            (None, _, _) if settings.first(&[CERT, KEY]).is_some() => Err(wrong(
                CERT,
                "set, and no member is reached by TLS; expected `https://` members and `etcd.tls.ca`",
            )),
            (None, _, _) => Ok(None),
        }
    }
}

fn by_tls(settings: &Settings, ca: &str) -> Result<Arc<ClientConfig>, SettingsError> {
    let (cert, key) = (settings.get(CERT), settings.get(KEY));
    if key.is_some() && cert.is_none() {
        return Err(wrong(CERT, "missing; `etcd.tls.key` is the key of one"));
    }
    let mut config = client_config(&Files {
        ca: (CA, PathBuf::from(ca)),
        cert: cert.map(|cert| (CERT, PathBuf::from(cert))),
        key: key.map(|key| (KEY, PathBuf::from(key))),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::EtcdSettings;
    use crate::settings::Settings;

    fn file(name: &str) -> String {
        format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn made(members: &str, more: &[(&str, &str)]) -> Result<EtcdSettings, String> {
        let mut settings = Settings::default();
        more.iter()
            .for_each(|(name, value)| settings.set(*name, *value));
        EtcdSettings::from_settings(members, "c", &settings).map_err(|e| e.to_string())
    }

    #[test]
    fn what_tls_needs_is_asked_for() -> Result<(), String> {
        let (ca, cert, key) = (file("cert.pem"), file("cert.pem"), file("key.pem"));
        let all = [
            ("etcd.tls.ca", ca.as_str()),
            ("etcd.tls.cert", &cert),
            ("etcd.tls.key", &key),
        ];
        assert!(made("a:1,b:1", &[])?.tls.is_none());
        assert!(made("https://a:1,b:1", &all[..1])?.tls.is_some());
        assert!(made("https://a:1,https://b:1", &all)?.tls.is_some());
        for (members, settings, named) in [
            ("https://a:1", &[][..], "etcd.tls.ca"),
            ("https://a:1,http://b:1", &all[..1], "`http://b:1` is not"),
            ("http://a:1", &all[..1], "etcd.tls.ca"),
            ("a:1", &all[1..], "etcd.tls.cert"),
            ("https://a:1", &[all[0], all[2]], "etcd.tls.cert"),
            ("https://a:1", &[("etcd.tls.ca", "/no/file")], "/no/file"),
            ("a:1", &[("etcd.user", "u")], "etcd.password"),
            ("a:1", &[("etcd.password", "secret")], "etcd.user"),
        ] {
            let why = made(members, settings).err().unwrap_or_default();
            assert!(why.contains(named), "{members}: {why}");
        }
        Ok(())
    }

    #[test]
    fn a_password_is_not_shown() -> Result<(), String> {
        let made = made("a:1", &[("etcd.user", "u"), ("etcd.password", "hidden")])?;
        assert!(!format!("{made:?}").contains("hidden"));
        Ok(())
    }
}
