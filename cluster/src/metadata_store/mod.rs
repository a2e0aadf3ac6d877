//! The metadata store: small values by key, with versions, atomic batches and level-triggered watches.
//!
//! Must not know: what the values mean. Invariants: a batch is written as a whole or not at all; what was answered is durable
//! in a durable body; a watcher may miss steps, never the end state. Every body passes [`conformance`].

use async_trait::async_trait;

mod conformance;
mod embedded;
mod etcd;
mod memory;
mod shared;

pub use conformance::{check as check_conformance, check_shared as check_shared_conformance};
pub use embedded::EmbeddedStore;
pub use etcd::{EtcdSettings, EtcdStore};
pub use memory::MemoryStore;
pub use shared::{Followed, SEAT, SharedStore, Step, Term};

/// What a write expects to find under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// Nothing.
    Absent,
    /// A value of that version.
    Version(u64),
}

/// A value with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The revision of the store that wrote it.
    pub version: u64,
    /// The bytes.
    pub value: Vec<u8>,
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Key, parts divided by `/`.
    pub key: String,
    /// New value; `None` deletes.
    pub value: Option<Vec<u8>>,
    /// What must be there now.
    pub expect: Expect,
}

impl Write {
    /// Writes a value whatever is there.
    #[must_use]
    pub fn put(key: String, value: Vec<u8>) -> Self {
        Self {
            key,
            value: Some(value),
            expect: Expect::Any,
        }
    }

    /// Deletes whatever is there.
    #[must_use]
    pub fn delete(key: String) -> Self {
        Self {
            key,
            value: None,
            expect: Expect::Any,
        }
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An expectation did not hold; nothing was written.
    #[error("metadata `{key}` is not as expected: {found}")]
    Conflict {
        /// The key.
        key: String,
        /// What is there.
        found: String,
    },
    /// Whoever writes is not the leader any more; nothing was written.
    #[error("another controller leads by now; nothing was written")]
    Deposed,
    /// The body failed.
    #[error("metadata store cannot {doing}: {source}")]
    Internal {
        /// What it was doing.
        doing: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Tells of changes: holds the store's last revision. `changed().await` returns once it moved since the last look.
pub type Revisions = tokio::sync::watch::Receiver<u64>;

/// A metadata store.
#[async_trait]
pub trait MetadataStore: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError>;
    /// Every key that begins with `prefix`, in order.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError>;
    /// Writes a batch as a whole; the revision that it made.
    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError>;
    /// Tells when something below `prefix` may have changed. Level-triggered: look again, do not count.
    fn watch(&self, prefix: &str) -> Revisions;

    /// Lets go of files; every later call fails.
    fn close(&self) {}

    /// Writes one value.
    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<u64, StoreError> {
        let key = key.to_owned();
        let value = Some(value);
        self.write(vec![Write { key, value, expect }]).await
    }

    /// Deletes one key.
    async fn delete(&self, key: &str, expect: Expect) -> Result<u64, StoreError> {
        let key = key.to_owned();
        let value = None;
        self.write(vec![Write { key, value, expect }]).await
    }
}

/// What the body of a store could not do, and why.
fn failed<E: std::error::Error + Send + Sync + 'static>(
    doing: &str,
) -> impl FnOnce(E) -> StoreError + use<E> {
    let doing = doing.to_owned();
    move |source| StoreError::Internal {
        doing,
        source: Box::new(source),
    }
}

/// The conflict of a write with what is there, if any.
fn conflict(write: &Write, there: Option<u64>) -> Option<StoreError> {
    let holds = match (write.expect, there) {
        (Expect::Any, _) | (Expect::Absent, None) => true,
        (Expect::Version(expected), Some(found)) => expected == found,
        (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
    };
    (!holds).then(|| StoreError::Conflict {
        key: write.key.clone(),
        found: there.map_or_else(|| "absent".to_owned(), |v| format!("version {v}")),
    })
}
