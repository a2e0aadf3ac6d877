//! Service contracts between the roles: domain types, a trait per service, and gRPC adapters on both sides.
//!
//! Must not know: how a role works. Invariant: a trait is served alike in process and over gRPC.

pub mod controller_service;
/// The part of etcd's interface that the metadata store uses; generated from `etcd.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated from etcd.proto"
)]
pub mod etcd {
    tonic::include_proto!("etcdserverpb");
}
pub mod failover;
pub mod grpc;
pub mod query_service;

pub use controller_service::{ControllerService, ServiceError};
pub use failover::Controllers;
pub use query_service::{QueryAnswer, QueryRequest, QueryService, ScanPart, ScanStream};
