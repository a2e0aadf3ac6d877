//! The deep store: where sealed segments live, in a folder or a bucket.
//!
//! Must not know: segment formats, kinds of stores. Invariant: a URI that [`DeepStore::uri`] made names the same bytes for every process of the
//! cluster; an upload appears whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;

use crate::Settings;
use crate::objects::folder::Folder;
use crate::objects::{self, ObjectError, Objects, Properties};

/// Why the deep store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeepStoreError {
    /// The URI is not of this store.
    #[error("`{uri}` is not in the deep store `{base}`")]
    Foreign {
        /// What was asked for.
        uri: String,
        /// What the store is.
        base: String,
    },
    /// The store failed.
    #[error("deep store cannot {doing}: {source}")]
    Failed {
        /// What it was doing.
        doing: String,
        /// Why not.
        source: ObjectError,
    },
}

/// Folder of what was deleted and is still kept, as Pinot names it.
const ASIDE: &str = "Deleted_Segments";
/// Stands between the name and the time until which it is kept.
const UNTIL: &str = "__RETENTION_UNTIL__";

/// A deep store.
#[derive(Debug, Clone)]
pub struct DeepStore {
    objects: Arc<dyn Objects>,
    /// Every URI of the store begins with it; no slash at the end.
    base: String,
    folder: Option<PathBuf>,
}

fn failed(doing: String) -> impl FnOnce(ObjectError) -> DeepStoreError {
    move |source| DeepStoreError::Failed { doing, source }
}

/// What is not there is no error.
fn unless_missing(result: Result<(), ObjectError>) -> Result<(), ObjectError> {
    match result {
        Err(ObjectError::Missing) => Ok(()),
        other => other,
    }
}

impl DeepStore {
    /// Opens a store by URI: `file:///folder`, a plain path, or a bucket as `s3://bucket/folder`; a folder is made where it is not there.
    ///
    /// # Errors
    /// Where the folder cannot be made, or the scheme is not supported.
    pub fn open(uri: &str) -> Result<Self, DeepStoreError> {
        Self::open_with(uri, &Settings::default())
    }

    /// The same with settings such as `pinot.controller.storage.factory.s3.region`.
    ///
    /// # Errors
    /// As [`DeepStore::open`].
    pub fn open_with(uri: &str, settings: &Settings) -> Result<Self, DeepStoreError> {
        let doing = || format!("open `{uri}`");
        if let Some((scheme, _)) = uri.split_once("://")
            && scheme != "file"
        {
            let properties = Properties::of_settings(uri, settings);
            return Ok(Self {
                objects: objects::open(uri, &properties).map_err(failed(doing()))?,
                base: uri.trim_end_matches('/').to_owned(),
                folder: None,
            });
        }
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        let path = path.strip_prefix("file:").unwrap_or(path);
        let (objects, folder) = Folder::of(path).map_err(failed(doing()))?;
        Ok(Self {
            objects: Arc::new(objects),
            base: format!("file://{}", folder.display()),
            folder: Some(folder),
        })
    }

    /// A store over any object store; URIs begin with `base`.
    #[must_use]
    pub fn over(objects: Arc<dyn ObjectStore>, base: &str) -> Self {
        Self {
            objects: Arc::new(Folder(objects)),
            base: base.trim_end_matches('/').to_owned(),
            folder: None,
        }
    }

    /// Where the store is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The URI of a table's segment.
    #[must_use]
    pub fn uri(&self, table: &str, segment: &str) -> String {
        format!("{}/{table}/{segment}", self.base)
    }

    fn key<'a>(&self, uri: &'a str) -> Result<&'a str, DeepStoreError> {
        uri.strip_prefix(&self.base)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|key| !key.split('/').any(|part| part == ".."))
            .ok_or_else(|| DeepStoreError::Foreign {
                uri: uri.to_owned(),
                base: self.base.clone(),
            })
    }

    /// The file behind a URI, where the store is a folder of this machine: it can be mapped without a copy.
    #[must_use]
    pub fn local_path(&self, uri: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let location = object_store::path::Path::from_iter(self.key(uri).ok()?.split('/'));
        Some(folder.join(location.as_ref()))
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// Where the URI is foreign or the store fails.
    pub async fn put(&self, uri: &str, bytes: bytes::Bytes) -> Result<(), DeepStoreError> {
        let put = self.objects.put(self.key(uri)?, bytes).await;
        put.map_err(failed(format!("write `{uri}`")))
    }

    /// Uploads a file.
    ///
    /// # Errors
    /// Where the file cannot be read, the URI is foreign or the store fails.
    pub async fn put_file(&self, uri: &str, path: &Path) -> Result<(), DeepStoreError> {
        let put = self.objects.put_file(self.key(uri)?, path).await;
        put.map_err(failed(format!("write `{uri}`")))
    }

    /// Reads everything.
    ///
    /// # Errors
    /// Where the URI is foreign, nothing is there, or the store fails.
    pub async fn get(&self, uri: &str) -> Result<bytes::Bytes, DeepStoreError> {
        let found = self.objects.get(self.key(uri)?).await;
        found.map_err(failed(format!("read `{uri}`")))
    }

    /// Downloads to a file.
    ///
    /// # Errors
    /// Where reading or writing fails.
    pub async fn get_to(&self, uri: &str, path: &Path) -> Result<(), DeepStoreError> {
        let got = self.objects.get_to(self.key(uri)?, path).await;
        got.map_err(failed(format!("read `{uri}`")))
    }

    /// Deletes; what is not there is no error.
    ///
    /// # Errors
    /// Where the URI is foreign or the store fails.
    pub async fn delete(&self, uri: &str) -> Result<(), DeepStoreError> {
        let deleted = self.objects.delete(self.key(uri)?).await;
        unless_missing(deleted).map_err(failed(format!("delete `{uri}`")))
    }

    /// Moves what is deleted aside, where it stays until a time; what is not there is no error.
    ///
    /// # Errors
    /// Where the URI is foreign or the store fails.
    pub async fn set_aside(&self, uri: &str, until_ms: i64) -> Result<(), DeepStoreError> {
        let from = self.key(uri)?;
        let to = format!("{ASIDE}/{from}{UNTIL}{until_ms}");
        let renamed = self.objects.rename(from, &to).await;
        unless_missing(renamed).map_err(failed(format!("set `{uri}` aside")))
    }

    /// Deletes what was set aside and whose time has come; how many that were.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn sweep(&self, now_ms: i64) -> Result<usize, DeepStoreError> {
        let mut swept = 0;
        for uri in self.list(ASIDE).await? {
            let until = uri.rsplit_once(UNTIL).and_then(|(_, ms)| ms.parse().ok());
            if until.is_some_and(|until: i64| until <= now_ms) {
                self.delete(&uri).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// The URIs of everything below a table.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn list(&self, table: &str) -> Result<Vec<String>, DeepStoreError> {
        let found = self.objects.list(table).await;
        let found = found.map_err(failed(format!("list `{table}`")))?;
        let uris = found
            .into_iter()
            .map(|object| format!("{}/{}", self.base, object.key));
        Ok(uris.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::DeepStore;

    #[tokio::test]
    async fn round_trip() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = DeepStore::open(&format!("file://{}", folder.path().display()))?;
        let uri = store.uri("t_OFFLINE", "t_0 %é");
        store.put(&uri, bytes::Bytes::from_static(b"abc")).await?;
        assert_eq!(store.get(&uri).await?.as_ref(), b"abc");
        assert_eq!(store.list("t_OFFLINE").await?.len(), 1);
        let path = store.local_path(&uri).ok_or("no path")?;
        assert_eq!(std::fs::read(path)?, b"abc");
        store.set_aside(&uri, 1000).await?;
        assert!(store.get(&uri).await.is_err());
        assert_eq!((store.sweep(999).await?, store.sweep(1000).await?), (0, 1));
        store.delete(&uri).await?;
        store.delete(&uri).await?;
        assert!(store.get(&uri).await.is_err());
        assert!(store.get(&format!("{}/../x", store.base())).await.is_err());
        assert!(store.get("s3://b/x").await.is_err());
        Ok(())
    }
}
