//! Touriga as a library: the roles of a cluster inside one process.
//!
//! Between roles of one process calls are plain calls; ports serve clients and roles elsewhere.
//! Must not know: command lines, the environment. Invariant: a cluster that is dropped or shut down leaves no task behind.

mod cluster_handle;
mod error;

pub use broker::BrokerResponse;
pub use cluster::{Settings, SettingsError};
pub use cluster_handle::{Cluster, ClusterBuilder, Role};
pub use error::{ErrorKind, TourigaError};
