//! From request to handler to answer. The handlers hold the meaning; nothing here knows bytes.
//! Must not know: sockets. Invariant: every request gets exactly one answer, in its own version.

mod admin;
mod fetch;
mod membership;
mod offsets;
mod produce;

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    InitProducerIdRequest, InitProducerIdResponse, RequestHeader,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

use crate::api::APIS;
use crate::broker::{Broker, NODE_ID};
use crate::connection::{decode, encode};
use crate::error::StreamError;

/// Handles one request whose kind and version are known.
pub(crate) async fn dispatch(
    broker: &Arc<Broker>,
    key: ApiKey,
    header: &RequestHeader,
    mut bytes: Bytes,
) -> Result<Option<Bytes>, StreamError> {
    let version = header.request_api_version;
    let body = &mut bytes;
    let reply = Reply {
        correlation: header.correlation_id,
        version,
    };
    match key {
        ApiKey::Produce => {
            let request: kafka_protocol::messages::ProduceRequest = decode(body, version)?;
            let silent = request.acks == 0;
            let answer = produce::produce(broker, &request);
            if silent {
                Ok(None)
            } else {
                reply.with(&answer)
            }
        }
        ApiKey::Fetch => {
            let request = decode(body, version)?;
            reply.with(&Box::pin(fetch::fetch(broker, &request)).await?)
        }
        ApiKey::ListOffsets => reply.with(&offsets::list_offsets(broker, &decode(body, version)?)),
        ApiKey::Metadata => reply.with(&admin::metadata(broker, &decode(body, version)?, version)),
        ApiKey::OffsetCommit => reply.with(&offsets::commit(broker, &decode(body, version)?)),
        ApiKey::OffsetFetch => reply.with(&offsets::fetch(broker, &decode(body, version)?)),
        ApiKey::FindCoordinator => reply.with(&find_coordinator(broker, &decode(body, version)?)),
        ApiKey::JoinGroup => {
            let client = header.client_id.as_ref().map_or("", |id| id.as_str());
            let request = decode(body, version)?;
            reply.with(&membership::join(broker, request, client, version).await)
        }
        ApiKey::Heartbeat => reply.with(&membership::heartbeat(broker, &decode(body, version)?)),
        ApiKey::LeaveGroup => {
            reply.with(&membership::leave(broker, &decode(body, version)?, version))
        }
        ApiKey::SyncGroup => {
            let request = decode(body, version)?;
            reply.with(&membership::sync(broker, request).await)
        }
        ApiKey::ApiVersions => reply.with(&api_versions()),
        ApiKey::CreateTopics => reply.with(&admin::create_topics(broker, &decode(body, version)?)),
        ApiKey::DeleteTopics => reply.with(&admin::delete_topics(broker, &decode(body, version)?)),
        ApiKey::DeleteRecords => {
            reply.with(&offsets::delete_records(broker, &decode(body, version)?))
        }
        ApiKey::InitProducerId => reply.with(&init_producer_id(broker, &decode(body, version)?)),
        ApiKey::CreatePartitions => {
            reply.with(&admin::create_partitions(broker, &decode(body, version)?))
        }
        other => Err(StreamError::Malformed(format!("{other:?} is not handled"))),
    }
}

/// What an answer needs to know of its request.
#[derive(Debug, Clone, Copy)]
struct Reply {
    correlation: i32,
    version: i16,
}

impl Reply {
    fn with<T: Encodable + HeaderVersion>(self, body: &T) -> Result<Option<Bytes>, StreamError> {
        let header_version = T::header_version(self.version);
        encode(self.correlation, header_version, body, self.version).map(Some)
    }
}

/// The answer to an `ApiVersions` that is newer than this broker, in the oldest form.
pub(crate) fn versions_unsupported(correlation: i32) -> Result<Bytes, StreamError> {
    let body = api_versions().with_error_code(ResponseError::UnsupportedVersion.code());
    encode(correlation, 0, &body, 0)
}

fn api_versions() -> ApiVersionsResponse {
    let row = |api: &crate::api::Api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(api.min)
            .with_max_version(api.max)
    };
    ApiVersionsResponse::default().with_api_keys(APIS.iter().map(row).collect())
}

fn find_coordinator(broker: &Broker, request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    // Transactions have no coordinator here.
    if request.key_type != 0 {
        return FindCoordinatorResponse::default()
            .with_node_id((-1).into())
            .with_error_code(ResponseError::CoordinatorNotAvailable.code());
    }
    FindCoordinatorResponse::default()
        .with_node_id(NODE_ID.into())
        .with_host(text(&broker.host))
        .with_port(i32::from(broker.port))
}

fn init_producer_id(broker: &Broker, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    if request.transactional_id.is_some() {
        return InitProducerIdResponse::default()
            .with_error_code(ResponseError::UnsupportedVersion.code());
    }
    InitProducerIdResponse::default()
        .with_producer_id(broker.new_producer_id().into())
        .with_producer_epoch(0)
}

/// Text as the codec wants it.
fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The code of an outcome: zero is success.
fn code_of<T>(outcome: &Result<T, ResponseError>) -> i16 {
    outcome.as_ref().err().map_or(0, ResponseError::code)
}
