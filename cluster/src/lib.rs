//! What the roles share to be a cluster: metadata store, deep store, task group, health, instance identity.
//!
//! Must not know: tables and queries. Invariant: everything that outlives a process goes through a store here.

pub mod deep_store;
pub mod health;
pub mod identity;
pub mod metadata_store;
pub mod task_group;

pub use deep_store::{DeepStore, DeepStoreError};
pub use health::Health;
pub use metadata_store::{
    EmbeddedStore, Expect, MemoryStore, MetadataStore, StoreError, Versioned, Write,
};
pub use task_group::TaskGroup;
