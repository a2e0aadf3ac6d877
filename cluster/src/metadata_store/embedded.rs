//! The metadata store in one file, through redb.
//!
//! Must not know: what the values mean. Invariant: a write that was answered is on disk; values carry their version in
//! the first eight bytes, little endian.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::watch;

use super::{MetadataStore, Revisions, StoreError, Versioned, Write, conflict, failed};

const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
const REVISION: TableDefinition<'_, &str, u64> = TableDefinition::new("revision");

/// A store in a file.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    /// `None` once closed.
    database: Arc<RwLock<Option<Database>>>,
    revision: Arc<watch::Sender<u64>>,
}

impl EmbeddedStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// Where the file cannot be opened, or another process holds it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let doing = format!("open `{}`", path.display());
        let database = Database::create(path).map_err(failed(&doing))?;
        let transaction = database.begin_write().map_err(failed(&doing))?;
        let revision = {
            transaction.open_table(ENTRIES).map_err(failed(&doing))?;
            let revisions = transaction.open_table(REVISION).map_err(failed(&doing))?;
            let found = revisions.get("last").map_err(failed(&doing))?;
            found.map_or(0, |guard| guard.value())
        };
        transaction.commit().map_err(failed(&doing))?;
        Ok(Self {
            database: Arc::new(RwLock::new(Some(database))),
            revision: Arc::new(watch::channel(revision).0),
        })
    }

    fn open_database(
        &self,
        doing: &str,
    ) -> Result<MappedRwLockReadGuard<'_, Database>, StoreError> {
        RwLockReadGuard::try_map(self.database.read(), Option::as_ref)
            .map_err(|_| failed(doing)(std::io::Error::other("the store is closed")))
    }

    fn list_now(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        let doing = format!("list `{prefix}`");
        let database = self.open_database(&doing)?;
        let transaction = database.begin_read().map_err(failed(&doing))?;
        let table = transaction.open_table(ENTRIES).map_err(failed(&doing))?;
        let mut found = Vec::new();
        for entry in table.range(prefix..).map_err(failed(&doing))? {
            let (key, value) = entry.map_err(failed(&doing))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_owned(), unpack(value.value())));
        }
        Ok(found)
    }

    fn get_now(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let doing = format!("read `{key}`");
        let database = self.open_database(&doing)?;
        let transaction = database.begin_read().map_err(failed(&doing))?;
        let table = transaction.open_table(ENTRIES).map_err(failed(&doing))?;
        let found = table.get(key).map_err(failed(&doing))?;
        Ok(found.map(|guard| unpack(guard.value())))
    }

    fn write_now(&self, batch: &[Write]) -> Result<u64, StoreError> {
        let doing = "write";
        let database = self.open_database(doing)?;
        let transaction = database.begin_write().map_err(failed(doing))?;
        let version;
        {
            let mut revisions = transaction.open_table(REVISION).map_err(failed(doing))?;
            let last = revisions
                .get("last")
                .map_err(failed(doing))?
                .map_or(0, |guard| guard.value());
            version = last.saturating_add(1);
            revisions.insert("last", version).map_err(failed(doing))?;
            let mut table = transaction.open_table(ENTRIES).map_err(failed(doing))?;
            for write in batch {
                let there = table
                    .get(write.key.as_str())
                    .map_err(failed(doing))?
                    .map(|guard| unpack(guard.value()).version);
                if let Some(conflict) = conflict(write, there) {
                    return Err(conflict);
                }
            }
            for write in batch {
                let key = write.key.as_str();
                match &write.value {
                    Some(value) => {
                        let packed = pack(version, value);
                        table
                            .insert(key, packed.as_slice())
                            .map_err(failed(doing))?;
                    }
                    None => {
                        table.remove(key).map_err(failed(doing))?;
                    }
                }
            }
        }
        transaction.commit().map_err(failed(doing))?;
        self.revision.send_replace(version);
        Ok(version)
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .map_err(failed("wait for the store's thread"))?
    }
}

fn pack(version: u64, value: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(value.len().saturating_add(8));
    packed.extend_from_slice(&version.to_le_bytes());
    packed.extend_from_slice(value);
    packed
}

fn unpack(packed: &[u8]) -> Versioned {
    match packed.split_first_chunk::<8>() {
        Some((version, value)) => Versioned {
            version: u64::from_le_bytes(*version),
            value: value.to_vec(),
        },
        None => Versioned {
            version: 0,
            value: Vec::new(),
        },
    }
}

#[async_trait]
impl MetadataStore for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let key = key.to_owned();
        self.off_thread(move |store| store.get_now(&key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        let prefix = prefix.to_owned();
        self.off_thread(move |store| store.list_now(&prefix)).await
    }

    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.off_thread(move |store| store.write_now(&batch)).await
    }

    fn watch(&self, _prefix: &str) -> Revisions {
        self.revision.subscribe()
    }

    fn close(&self) {
        drop(self.database.write().take());
    }
}
