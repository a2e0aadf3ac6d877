//! Objects by key, in a folder of this machine or in a bucket somewhere else.
//!
//! A kind of store is one file and one line in [`open`]. Must not know: segments, tables. Invariant: an object appears whole or not at
//! all; what fails for a moment is tried again before anybody hears of it.

mod cloud;
mod credentials;
pub(crate) mod folder;
mod retry;
mod s3;
mod sign;
mod xml;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Settings;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// What may succeed in a moment: the network, a store that is busy.
    #[error("{0}")]
    Passing(String),
    /// What does not change by trying again.
    #[error("{0}")]
    Lasting(String),
}

impl ObjectError {
    pub(crate) fn passing(error: impl std::fmt::Display) -> Self {
        Self::Passing(error.to_string())
    }

    pub(crate) fn lasting(error: impl std::fmt::Display) -> Self {
        Self::Lasting(error.to_string())
    }
}

/// An object as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// A store of objects by key; keys have `/` between their parts and none at their beginning.
#[async_trait]
pub trait Objects: std::fmt::Debug + Send + Sync {
    /// Writes an object.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError>;
    /// Writes a file as an object.
    async fn put_file(&self, key: &str, path: &Path) -> Result<(), ObjectError>;
    /// Reads an object.
    async fn get(&self, key: &str) -> Result<Bytes, ObjectError>;
    /// Reads an object into a file.
    async fn get_to(&self, key: &str, path: &Path) -> Result<(), ObjectError>;
    /// Deletes an object.
    async fn delete(&self, key: &str) -> Result<(), ObjectError>;
    /// Gives an object another key.
    async fn rename(&self, from: &str, to: &str) -> Result<(), ObjectError>;
    /// Every object whose key begins with a folder.
    async fn list(&self, folder: &str) -> Result<Vec<Listed>, ObjectError>;
}

/// A bucket and the folder in it that an address names, without slashes around the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) bucket: String,
    pub(crate) folder: String,
}

impl Address {
    pub(crate) fn parse(rest: &str) -> Option<Self> {
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self {
            bucket: bucket.to_owned(),
            folder: folder.trim_matches('/').to_owned(),
        })
    }

    pub(crate) fn key(&self, key: &str) -> String {
        if self.folder.is_empty() {
            return key.to_owned();
        }
        format!("{}/{key}", self.folder)
    }

    /// A key of the bucket as a key of the folder.
    pub(crate) fn within<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.folder.is_empty() {
            return Some(key);
        }
        key.strip_prefix(&self.folder)?.strip_prefix('/')
    }
}

/// Schemes that can be opened, folders of this machine aside.
pub const SCHEMES: &[&str] = &["s3", "s3a", "s3n", "gs", "abfs", "abfss", "adl2"];

/// Opens the store of an address such as `s3://bucket/folder` with what `properties` say of it, by names such as `region`.
///
/// # Errors
/// Where the scheme is not supported or a property is wrong.
pub fn open(uri: &str, properties: &Properties) -> Result<Arc<dyn Objects>, ObjectError> {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("file", uri));
    let address = || {
        Address::parse(rest).ok_or_else(|| {
            ObjectError::Lasting(format!(
                "`{uri}` names no bucket, expected `{scheme}://bucket/folder`"
            ))
        })
    };
    match scheme {
        "s3" | "s3a" | "s3n" => {
            let bucket = s3::S3::open(address()?, properties)?;
            Ok(Arc::new(retry::Patient::new(bucket)))
        }
        "gs" => Ok(Arc::new(cloud::google(&address()?, properties)?)),
        "abfs" | "abfss" | "adl2" => Ok(Arc::new(cloud::azure(&address()?, properties)?)),
        "file" => Ok(Arc::new(folder::Folder::open(rest)?)),
        _ => Err(ObjectError::Lasting(format!(
            "`{uri}` has the scheme `{scheme}`, expected file or one of {}",
            SCHEMES.join(", ")
        ))),
    }
}

/// What is said of a store, by names without their beginning: `region`, `accessKey`.
#[derive(Clone, Default)]
pub struct Properties(Vec<(String, String)>);

impl std::fmt::Debug for Properties {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Properties {
    /// The properties of a scheme, by Pinot's names `pinot.<role>.storage.factory.<scheme>.<name>`, whichever role they name.
    #[must_use]
    pub fn of_settings(uri: &str, settings: &Settings) -> Self {
        let scheme = uri.split_once("://").map_or("file", |(scheme, _)| scheme);
        let found = settings.iter().filter_map(|(name, value)| {
            let (role, rest) = name.strip_prefix("pinot.")?.split_once('.')?;
            let known = ["controller", "server", "minion", "broker"].contains(&role);
            let rest = rest.strip_prefix("storage.factory.").filter(|_| known)?;
            let name = rest.strip_prefix(scheme)?.strip_prefix('.')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        Self(found.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The properties of names that begin with `prefix`, as `input.fs.prop.` of a batch.
    #[must_use]
    pub fn with_prefix<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        prefix: &str,
    ) -> Self {
        let found = pairs.into_iter().filter_map(|(name, value)| {
            Some((name.strip_prefix(prefix)?.to_owned(), value.to_owned()))
        });
        Self(found.collect())
    }

    /// These, and those of `others` that these do not have.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (name, value) in others.0 {
            if self.get(&name).is_none() {
                self.0.push((name, value));
            }
        }
        self
    }

    /// A value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_properties() {
        let address = Address::parse("b/a/c/").unwrap();
        assert_eq!(address.key("t/s"), "a/c/t/s");
        assert_eq!(address.within("a/c/t/s"), Some("t/s"));
        assert_eq!(address.within("a/cc/t"), None);
        assert_eq!(Address::parse("/x"), None);
        let mut settings = Settings::default();
        settings.set("pinot.controller.storage.factory.s3.region", "sa-east-1");
        settings.set("pinot.server.storage.factory.s3.endpoint", " http://h:1 ");
        settings.set("pinot.server.storage.factory.gs.projectId", "p");
        let found = Properties::of_settings("s3://b/x", &settings);
        assert_eq!(
            (found.get("region"), found.get("endpoint")),
            (Some("sa-east-1"), Some("http://h:1"))
        );
        assert_eq!(found.get("projectId"), None);
        assert!(open("ftp://b/x", &found).is_err());
        assert!(open("s3://", &found).is_err());
    }
}
