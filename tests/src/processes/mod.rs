//! Real processes over real sockets: controller, broker and server as a user starts them, killed as the world kills them.
//!
//! Must not know: internals of a role; only flags, REST and Kafka.
//! Invariant: every process of a test ends with it.

mod cluster;
mod kill;

pub(crate) use cluster::{Cluster, binary};
