//! Objects in a folder of this machine, or in any `object_store`.
//!
//! Must not know: buckets. Invariant: a file appears under its name when it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::io::AsyncWriteExt;

use super::{Listed, ObjectError, Objects};

/// Bytes of a file that are on their way at a time; more go as several requests.
const PART: usize = 8 << 20;

/// The store.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) Arc<dyn ObjectStore>);

impl Folder {
    /// Opens a folder, which is made where it is not there.
    pub(crate) fn open(path: &str) -> Result<Self, ObjectError> {
        Ok(Self::of(path)?.0)
    }

    /// Opens a folder; its whole path as well.
    pub(crate) fn of(path: &str) -> Result<(Self, PathBuf), ObjectError> {
        std::fs::create_dir_all(path).map_err(ObjectError::lasting)?;
        let folder = std::fs::canonicalize(path).map_err(ObjectError::lasting)?;
        let objects = LocalFileSystem::new_with_prefix(&folder).map_err(ObjectError::lasting)?;
        Ok((Self(Arc::new(objects)), folder))
    }
}

fn location(key: &str) -> Location {
    Location::from_iter(key.split('/'))
}

/// A location's key: names are written with some of their bytes as `%XX`.
fn key_of(location: &Location) -> String {
    let mut bytes = location.as_ref().bytes();
    let mut key = Vec::with_capacity(location.as_ref().len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte.unwrap_or_default()).to_digit(16);
        let mut ahead = bytes.clone();
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                key.push(((high << 4) | low) as u8);
                bytes = ahead;
            }
            _ => key.push(byte),
        }
    }
    String::from_utf8_lossy(&key).into_owned()
}

fn at(path: &Path, error: &std::io::Error) -> ObjectError {
    ObjectError::Lasting(format!("`{}`: {error}", path.display()))
}

fn said(error: object_store::Error) -> ObjectError {
    match error {
        object_store::Error::NotFound { .. } => ObjectError::Missing,
        other => ObjectError::lasting(other),
    }
}

#[async_trait]
impl Objects for Folder {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let payload = PutPayload::from_bytes(bytes);
        self.0
            .put(&location(key), payload)
            .await
            .map(drop)
            .map_err(said)
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<(), ObjectError> {
        let failed = |error| at(path, &error);
        let mut from = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut to = BufWriter::with_capacity(Arc::clone(&self.0), location(key), PART);
        if let Err(error) = tokio::io::copy(&mut from, &mut to).await {
            // What was sent is of no use; a store that cannot be told so forgets it by itself.
            let _ = to.abort().await;
            return Err(failed(error));
        }
        to.shutdown().await.map_err(failed)
    }

    async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        let found = self.0.get(&location(key)).await.map_err(said)?;
        found.bytes().await.map_err(said)
    }

    async fn get_to(&self, key: &str, path: &Path) -> Result<(), ObjectError> {
        let failed = |error| at(path, &error);
        let found = self.0.get(&location(key)).await.map_err(said)?;
        let mut blocks = found.into_stream();
        let mut to = tokio::fs::File::create(path).await.map_err(failed)?;
        while let Some(block) = blocks.try_next().await.map_err(said)? {
            to.write_all(&block).await.map_err(failed)?;
        }
        to.flush().await.map_err(failed)
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.0.delete(&location(key)).await.map_err(said)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        self.0
            .rename(&location(from), &location(to))
            .await
            .map_err(said)
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, ObjectError> {
        let prefix = Location::from(folder);
        let prefix = (!folder.is_empty()).then_some(&prefix);
        let found: Vec<_> = self.0.list(prefix).try_collect().await.map_err(said)?;
        let listed = found.into_iter().map(|object| Listed {
            key: key_of(&object.location),
            size: object.size,
        });
        Ok(listed.collect())
    }
}
