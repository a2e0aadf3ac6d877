//! Membership of consumer groups: join, sync, heartbeat, leave.
//! Must not know: topics. Invariant: every member that waits is answered.

use std::time::Instant;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::{code_of, text};
use crate::broker::Broker;
use crate::groups::{Join, Joined};

/// Waits for the generation to begin.
pub(super) async fn join(
    broker: &Broker,
    request: JoinGroupRequest,
    client: &str,
    version: i16,
) -> JoinGroupResponse {
    let join = Join {
        member: request.member_id.to_string(),
        client: client.to_owned(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| (protocol.name.to_string(), protocol.metadata))
            .collect(),
    };
    let outcome = match broker.groups.join(&request.group_id, join, Instant::now()) {
        Ok(later) => later.await.unwrap_or(Err(ResponseError::UnknownMemberId)),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(joined) => joined_answer(&joined, version),
        Err(error) => JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_member_id(request.member_id)
            .with_protocol_name(Some(text(""))),
    }
}

fn joined_answer(joined: &Joined, version: i16) -> JoinGroupResponse {
    let member = |(name, metadata): &(String, bytes::Bytes)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(name))
            .with_metadata(metadata.clone())
    };
    let answer = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(text(&joined.protocol)))
        .with_leader(text(&joined.leader))
        .with_member_id(text(&joined.member))
        .with_members(joined.members.iter().map(member).collect());
    if version >= 7 {
        answer.with_protocol_type(Some(text(&joined.protocol_type)))
    } else {
        answer
    }
}

/// Waits for the leader's assignment.
pub(super) async fn sync(broker: &Broker, request: SyncGroupRequest) -> SyncGroupResponse {
    let assignments = request
        .assignments
        .into_iter()
        .map(|one| (one.member_id.to_string(), one.assignment))
        .collect();
    let later = broker.groups.sync(
        &request.group_id,
        &request.member_id,
        request.generation_id,
        assignments,
        Instant::now(),
    );
    let outcome = match later {
        Ok(later) => later
            .await
            .unwrap_or(Err(ResponseError::RebalanceInProgress)),
        Err(error) => Err(error),
    };
    let code = code_of(&outcome);
    SyncGroupResponse::default()
        .with_error_code(code)
        .with_assignment(outcome.unwrap_or_default())
}

/// Notes that a member lives.
pub(super) fn heartbeat(broker: &Broker, request: &HeartbeatRequest) -> HeartbeatResponse {
    let (member, generation) = (&request.member_id, request.generation_id);
    let outcome = broker
        .groups
        .heartbeat(&request.group_id, member, generation, Instant::now());
    HeartbeatResponse::default().with_error_code(code_of(&outcome))
}

/// Lets members go.
pub(super) fn leave(
    broker: &Broker,
    request: &LeaveGroupRequest,
    version: i16,
) -> LeaveGroupResponse {
    let leave = |member: &str| {
        broker
            .groups
            .leave(&request.group_id, member, Instant::now())
    };
    if version < 3 {
        let outcome = leave(&request.member_id);
        return LeaveGroupResponse::default().with_error_code(code_of(&outcome));
    }
    let one = |identity: &kafka_protocol::messages::leave_group_request::MemberIdentity| {
        MemberResponse::default()
            .with_member_id(identity.member_id.clone())
            .with_group_instance_id(identity.group_instance_id.clone())
            .with_error_code(code_of(&leave(&identity.member_id)))
    };
    LeaveGroupResponse::default().with_members(request.members.iter().map(one).collect())
}
