//! The broker as raw bytes see it: every version of every request is answered, and nothing that a
//! peer may send brings it down.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, StrBytes, encode_request_header_into_buffer};
use stream::Stream;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("g"))
}

fn body<T: Encodable>(request: &T, version: i16) -> Option<Bytes> {
    let mut buffer = BytesMut::new();
    request.encode(&mut buffer, version).ok()?;
    Some(buffer.freeze())
}

/// A request with something in every array.
fn request(key: ApiKey, version: i16) -> Option<Bytes> {
    match key {
        ApiKey::Produce => body(
            &ProduceRequest::default().with_acks(1).with_topic_data(vec![
                TopicProduceData::default()
                    .with_name(topic())
                    .with_partition_data(vec![
                        PartitionProduceData::default()
                            .with_records(Some(Bytes::from_static(b"bad"))),
                    ]),
            ]),
            version,
        ),
        ApiKey::Fetch => body(
            &FetchRequest::default()
                .with_max_bytes(1000)
                .with_topics(vec![
                    FetchTopic::default()
                        .with_topic(topic())
                        .with_partitions(vec![FetchPartition::default()]),
                ]),
            version,
        ),
        ApiKey::ListOffsets => body(
            &ListOffsetsRequest::default().with_topics(vec![
                ListOffsetsTopic::default()
                    .with_name(topic())
                    .with_partitions(vec![ListOffsetsPartition::default().with_timestamp(-1)]),
            ]),
            version,
        ),
        ApiKey::Metadata => body(
            &MetadataRequest::default()
                .with_allow_auto_topic_creation(true)
                .with_topics(Some(vec![
                    MetadataRequestTopic::default().with_name(Some(topic())),
                ])),
            version,
        ),
        ApiKey::OffsetCommit => body(
            &OffsetCommitRequest::default()
                .with_group_id(group())
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![
                    OffsetCommitRequestTopic::default()
                        .with_name(topic())
                        .with_partitions(vec![OffsetCommitRequestPartition::default()]),
                ]),
            version,
        ),
        ApiKey::OffsetFetch => body(
            &OffsetFetchRequest::default()
                .with_group_id(group())
                .with_topics(Some(vec![
                    OffsetFetchRequestTopic::default()
                        .with_name(topic())
                        .with_partition_indexes(vec![0, 1]),
                ])),
            version,
        ),
        other => group_request(other, version),
    }
}

fn group_request(key: ApiKey, version: i16) -> Option<Bytes> {
    let text = StrBytes::from_static_str;
    match key {
        ApiKey::JoinGroup => body(
            &JoinGroupRequest::default()
                .with_group_id(group())
                .with_member_id(text("nobody"))
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![JoinGroupRequestProtocol::default()]),
            version,
        ),
        ApiKey::LeaveGroup if version >= 3 => body(
            &LeaveGroupRequest::default()
                .with_group_id(group())
                .with_members(vec![MemberIdentity::default()]),
            version,
        ),
        ApiKey::LeaveGroup => body(&LeaveGroupRequest::default(), version),
        ApiKey::FindCoordinator => body(&FindCoordinatorRequest::default(), version),
        ApiKey::Heartbeat => body(&HeartbeatRequest::default(), version),
        ApiKey::SyncGroup => body(&SyncGroupRequest::default(), version),
        ApiKey::ApiVersions => body(&ApiVersionsRequest::default(), version),
        ApiKey::CreateTopics => body(
            &CreateTopicsRequest::default().with_topics(vec![
                CreatableTopic::default()
                    .with_name(topic())
                    .with_num_partitions(1),
            ]),
            version,
        ),
        ApiKey::DeleteTopics => body(
            &DeleteTopicsRequest::default().with_topic_names(vec![topic()]),
            version,
        ),
        ApiKey::DeleteRecords => body(&DeleteRecordsRequest::default(), version),
        ApiKey::InitProducerId => body(&InitProducerIdRequest::default(), version),
        ApiKey::CreatePartitions => body(&CreatePartitionsRequest::default(), version),
        _ => None,
    }
}

fn frame(key: ApiKey, version: i16, correlation: i32) -> Outcome<Vec<u8>> {
    let mut head = BytesMut::new();
    let mut header = RequestHeader::default();
    header.request_api_key = key as i16;
    header.request_api_version = version;
    header.correlation_id = correlation;
    encode_request_header_into_buffer(&mut head, &header)?;
    let body = request(key, version).ok_or_else(|| format!("{key:?} {version}: not encoded"))?;
    let length = i32::try_from(head.len() + body.len())?;
    Ok([&length.to_be_bytes()[..], &head, &body].concat())
}

/// Sends one frame; `None` if the broker closes the connection instead of answering.
fn ask(addr: SocketAddr, frame: &[u8]) -> Outcome<Option<Vec<u8>>> {
    let mut socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let _closed = socket.write_all(frame);
    // The broker may have closed the connection already: that is an answer too.
    let _closed = socket.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    Ok(read.ok().filter(|_| !answer.is_empty()).map(|_| answer))
}

/// (kind, first version, last version), as the broker itself lists them.
fn versions(addr: SocketAddr) -> Outcome<Vec<(i16, i16, i16)>> {
    let answer = ask(addr, &frame(ApiKey::ApiVersions, 0, 1)?)?.ok_or("no answer")?;
    let rows = answer.get(14..).ok_or("short answer")?.chunks_exact(6);
    let number = |bytes: &[u8]| i16::from_be_bytes([bytes[0], bytes[1]]);
    Ok(rows
        .map(|row| (number(row), number(&row[2..]), number(&row[4..])))
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_every_request_is_answered() -> Outcome {
    let stream = Stream::builder().start().await?;
    let listed = versions(stream.addr())?;
    assert!(listed.len() >= 17, "{listed:?}");
    for (key, min, max) in listed {
        let key = ApiKey::try_from(key).map_err(|()| format!("unknown kind {key}"))?;
        for version in min..=max {
            let correlation = i32::from(version) + 1000;
            let answer = ask(stream.addr(), &frame(key, version, correlation)?)?;
            let answer = answer.ok_or_else(|| format!("{key:?} {version}: no answer"))?;
            assert_eq!(
                answer.get(4..8),
                Some(&correlation.to_be_bytes()[..]),
                "{key:?}"
            );
        }
    }
    stream.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_closes_only_its_own_connection() -> Outcome {
    let stream = Stream::builder().start().await?;
    let addr = stream.addr();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let listed = versions(addr)?;
    for round in 0..400 {
        let (key, min, max) = listed[round % listed.len()];
        let key = ApiKey::try_from(key).map_err(|()| format!("unknown kind {key}"))?;
        let version = min + (random() % (1 + (max - min) as u64)) as i16;
        let mut bytes = frame(key, version, 7)?;
        // Behind length, kind, version and correlation: any byte may be any value.
        for _ in 0..1 + random() % 4 {
            let at = 12 + (random() as usize) % (bytes.len() - 12).max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random() as u8;
            }
        }
        let _any = ask(addr, &bytes)?;
    }
    assert_eq!(ask(addr, b"GET / HTTP/1.1\r\n\r\n")?, None);
    assert_eq!(
        ask(addr, &[0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 1])?,
        None
    );
    assert_eq!(ask(addr, &[0xff; 16])?, None);
    assert_eq!(ask(addr, &[0, 0, 0, 0])?, None);
    assert!(!versions(addr)?.is_empty());
    stream.shutdown().await;
    Ok(())
}
