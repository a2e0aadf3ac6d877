//! The deep store: where sealed segments live, over `object_store`.
//!
//! Must not know: segment formats. Invariant: a URI that [`DeepStore::uri`] made names the same bytes for every process of the
//! cluster; an upload appears whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

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
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Folder of what was deleted and is still kept, as Pinot names it.
const ASIDE: &str = "Deleted_Segments";
/// Stands between the name and the time until which it is kept.
const UNTIL: &str = "__RETENTION_UNTIL__";

/// A deep store.
#[derive(Debug, Clone)]
pub struct DeepStore {
    objects: Arc<dyn ObjectStore>,
    /// Every URI of the store begins with it; no slash at the end.
    base: String,
    folder: Option<PathBuf>,
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    doing: String,
) -> impl FnOnce(E) -> DeepStoreError {
    move |source| DeepStoreError::Failed {
        doing,
        source: Box::new(source),
    }
}

impl DeepStore {
    /// Opens a store by URI: `file:///folder` or a plain path; a folder is made where it is not there.
    ///
    /// # Errors
    /// Where the folder cannot be made, or the scheme is not supported.
    pub fn open(uri: &str) -> Result<Self, DeepStoreError> {
        let path = match uri.split_once("://") {
            None => uri,
            Some(("file", path)) => path,
            Some(_) => {
                return Err(DeepStoreError::Foreign {
                    uri: uri.to_owned(),
                    base: "file://".to_owned(),
                });
            }
        };
        let path = path.strip_prefix("file:").unwrap_or(path);
        let doing = || format!("open folder `{path}`");
        std::fs::create_dir_all(path).map_err(failed(doing()))?;
        let folder = std::fs::canonicalize(path).map_err(failed(doing()))?;
        let objects = LocalFileSystem::new_with_prefix(&folder).map_err(failed(doing()))?;
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
            objects,
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

    fn location(&self, uri: &str) -> Result<Location, DeepStoreError> {
        let foreign = || DeepStoreError::Foreign {
            uri: uri.to_owned(),
            base: self.base.clone(),
        };
        let key = uri
            .strip_prefix(&self.base)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(foreign)?;
        if key.split('/').any(|part| part == "..") {
            return Err(foreign());
        }
        Ok(Location::from_iter(key.split('/')))
    }

    /// The file behind a URI, where the store is a folder of this machine: it can be mapped without a copy.
    #[must_use]
    pub fn local_path(&self, uri: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let location = self.location(uri).ok()?;
        Some(folder.join(location.as_ref()))
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// Where the URI is foreign or the store fails.
    pub async fn put(&self, uri: &str, bytes: bytes::Bytes) -> Result<(), DeepStoreError> {
        let location = self.location(uri)?;
        self.objects
            .put(&location, PutPayload::from_bytes(bytes))
            .await
            .map(drop)
            .map_err(failed(format!("write `{uri}`")))
    }

    /// Uploads a file.
    ///
    /// # Errors
    /// Where the file cannot be read, the URI is foreign or the store fails.
    pub async fn put_file(&self, uri: &str, path: &Path) -> Result<(), DeepStoreError> {
        let doing = format!("read `{}`", path.display());
        let bytes = tokio::fs::read(path).await.map_err(failed(doing))?;
        self.put(uri, bytes.into()).await
    }

    /// Reads everything.
    ///
    /// # Errors
    /// Where the URI is foreign, nothing is there, or the store fails.
    pub async fn get(&self, uri: &str) -> Result<bytes::Bytes, DeepStoreError> {
        let location = self.location(uri)?;
        let doing = || format!("read `{uri}`");
        let found = self.objects.get(&location).await.map_err(failed(doing()))?;
        found.bytes().await.map_err(failed(doing()))
    }

    /// Downloads to a file.
    ///
    /// # Errors
    /// Where reading or writing fails.
    pub async fn get_to(&self, uri: &str, path: &Path) -> Result<(), DeepStoreError> {
        let bytes = self.get(uri).await?;
        let doing = format!("write `{}`", path.display());
        tokio::fs::write(path, bytes).await.map_err(failed(doing))
    }

    /// Deletes; what is not there is no error.
    ///
    /// # Errors
    /// Where the URI is foreign or the store fails.
    pub async fn delete(&self, uri: &str) -> Result<(), DeepStoreError> {
        let location = self.location(uri)?;
        match self.objects.delete(&location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(format!("delete `{uri}`"))(error)),
        }
    }

    /// Moves what is deleted aside, where it stays until a time; what is not there is no error.
    ///
    /// # Errors
    /// Where the URI is foreign or the store fails.
    pub async fn set_aside(&self, uri: &str, until_ms: i64) -> Result<(), DeepStoreError> {
        let from = self.location(uri)?;
        let to = self.location(&format!("{}/{ASIDE}/{from}{UNTIL}{until_ms}", self.base))?;
        match self.objects.rename(&from, &to).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(format!("set `{uri}` aside"))(error)),
        }
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
        let prefix = Location::from(table);
        let found: Vec<_> = self
            .objects
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(failed(format!("list `{table}`")))?;
        Ok(found
            .into_iter()
            .map(|object| format!("{}/{}", self.base, object.location))
            .collect())
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
