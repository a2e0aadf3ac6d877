//! Offsets: earliest, latest, by timestamp; what groups committed; where a log begins.
//! Must not know: records beyond their times. Invariant: an answer has one entry for each partition asked about.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use std::time::Instant;

use super::{code_of, text};
use crate::broker::Broker;
use crate::error::StreamError;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;

/// Offsets by timestamp, where negative timestamps have a meaning of their own.
pub(super) fn list_offsets(broker: &Broker, request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let answer = |ask: &ListOffsetsPartition| {
            let found = find(broker, &topic.name, ask);
            let (timestamp, offset) = found.unwrap_or((-1, -1));
            ListOffsetsPartitionResponse::default()
                .with_partition_index(ask.partition_index)
                .with_error_code(code_of(&found))
                .with_timestamp(timestamp)
                .with_offset(offset)
        };
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(topic.partitions.iter().map(answer).collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// (timestamp, offset), both -1 where there is none.
fn find(
    broker: &Broker,
    topic: &str,
    ask: &ListOffsetsPartition,
) -> Result<(i64, i64), ResponseError> {
    let partition = broker.topics.partition(topic, ask.partition_index);
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let log = partition.log.lock();
    let found = match ask.timestamp {
        LATEST => Ok(Some((-1, log.next_offset()))),
        EARLIEST => Ok(Some((-1, log.start_offset()))),
        MAX_TIMESTAMP => log.find_max_timestamp(),
        timestamp => log.find_timestamp(timestamp),
    };
    found
        .map(|found| found.unwrap_or((-1, -1)))
        .map_err(storage_failed)
}

/// Remembers where a group is.
pub(super) fn commit(broker: &Broker, request: &OffsetCommitRequest) -> OffsetCommitResponse {
    let generation = request.generation_id_or_member_epoch;
    let now = Instant::now();
    let may = broker
        .groups
        .may_commit(&request.group_id, &request.member_id, generation, now);
    let topics = request.topics.iter().map(|topic| {
        let one = |ask: &kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition| {
            let known = broker.topics.partition(&topic.name, ask.partition_index);
            let outcome = match (may, known) {
                (Ok(()), Some(_)) => {
                    let metadata = ask.committed_metadata.as_ref().map_or("", |m| m.as_str());
                    let number = ask.partition_index;
                    let groups = &broker.groups;
                    groups.commit(&request.group_id, &topic.name, number, ask.committed_offset, metadata);
                    Ok(())
                }
                (Ok(()), None) => Err(ResponseError::UnknownTopicOrPartition),
                (Err(error), _) => Err(error),
            };
            OffsetCommitResponsePartition::default()
                .with_partition_index(ask.partition_index)
                .with_error_code(code_of(&outcome))
        };
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(topic.partitions.iter().map(one).collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Where a group is.
pub(super) fn fetch(broker: &Broker, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let group = request.group_id.as_str();
    let mut asked: Vec<(String, Vec<i32>)> = Vec::new();
    match &request.topics {
        Some(topics) => {
            for topic in topics {
                asked.push((topic.name.to_string(), topic.partition_indexes.clone()));
            }
        }
        None => {
            for (topic, partition) in broker.groups.all_committed(group) {
                match asked.last_mut().filter(|last| last.0 == topic) {
                    Some(last) => last.1.push(partition),
                    None => asked.push((topic, vec![partition])),
                }
            }
        }
    }
    let topics = asked.into_iter().map(|(topic, partitions)| {
        let one = |partition: i32| {
            let committed = broker.groups.committed(group, &topic, partition);
            let (offset, metadata) = committed.unwrap_or((-1, String::new()));
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition)
                .with_committed_offset(offset)
                .with_metadata(Some(text(&metadata)))
        };
        OffsetFetchResponseTopic::default()
            .with_partitions(partitions.into_iter().map(one).collect())
            .with_name(text(&topic).into())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

/// Forgets the records before an offset; -1 stands for all.
pub(super) fn delete_records(
    broker: &Broker,
    request: &DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let topics = request.topics.iter().map(|topic| {
        let one = |number: i32, offset: i64| {
            let outcome = delete_before(broker, &topic.name, number, offset);
            DeleteRecordsPartitionResult::default()
                .with_partition_index(number)
                .with_low_watermark(outcome.unwrap_or(-1))
                .with_error_code(code_of(&outcome))
        };
        DeleteRecordsTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(
                topic
                    .partitions
                    .iter()
                    .map(|ask| one(ask.partition_index, ask.offset))
                    .collect(),
            )
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete_before(
    broker: &Broker,
    topic: &str,
    number: i32,
    offset: i64,
) -> Result<i64, ResponseError> {
    let partition = broker.topics.partition(topic, number);
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let mut log = partition.log.lock();
    let offset = if offset == -1 {
        log.next_offset()
    } else {
        offset
    };
    let start = log.delete_before(offset).map_err(storage_failed)?;
    start.ok_or(ResponseError::OffsetOutOfRange)
}

fn storage_failed(error: StreamError) -> ResponseError {
    tracing::error!(%error, "stream: storage failed");
    ResponseError::KafkaStorageError
}
