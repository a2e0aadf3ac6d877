//! What the roles share to be a cluster: metadata store, deep store, settings, access, task group, health, identity.
//!
//! Must not know: tables and queries. Invariant: everything that outlives a process goes through a store here.

pub mod access;
pub mod deep_store;
pub mod dial;
pub mod health;
pub mod identity;
pub mod listen;
pub mod metadata_store;
pub mod objects;
pub mod process;
pub mod rates;
pub mod serve;
pub mod settings;
pub mod task_group;
pub mod web;

pub use access::{Access, Permission, Principal};
pub use deep_store::{DeepStore, DeepStoreError};
pub use dial::Dial;
pub use health::Health;
pub use metadata_store::{
    EmbeddedStore, EtcdSettings, EtcdStore, Expect, MemoryStore, MetadataStore, SharedStore,
    StoreError, Versioned, Write,
};
pub use settings::{Settings, SettingsError};
pub use task_group::TaskGroup;
