//! Produce: batches go to the end of their partitions.
//! Must not know: what is in a record. Invariant: an acknowledged batch is in the log.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::admin::topic_for_use;
use super::text;
use crate::broker::{Broker, now_millis};
use crate::log::AppendError;
use crate::topics::Topic;

/// Appends everything the request carries. One node: what `acks` asks for is always fulfilled.
pub(super) fn produce(broker: &Broker, request: &ProduceRequest) -> ProduceResponse {
    let transactional = request.transactional_id.is_some();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in &request.topic_data {
        let topic = topic_for_use(broker, &data.name, broker.auto_create);
        let one = |partition: &PartitionProduceData| {
            let topic = topic.as_ref().map_err(|error| *error);
            let outcome = if transactional {
                Err(ResponseError::UnsupportedForMessageFormat)
            } else {
                topic.and_then(|topic| append(topic, partition))
            };
            answer(partition.index, outcome)
        };
        responses.push(
            TopicProduceResponse::default()
                .with_name(data.name.clone())
                .with_partition_responses(data.partition_data.iter().map(one).collect()),
        );
    }
    ProduceResponse::default().with_responses(responses)
}

/// Answers with the offset of the first record and the start of the log.
fn append(topic: &Topic, data: &PartitionProduceData) -> Result<(i64, i64), ResponseError> {
    let partition = topic
        .partition(data.index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let records = data.records.as_ref().ok_or(ResponseError::InvalidRecord)?;
    let appended = {
        let mut log = partition.log.lock();
        log.append(records, now_millis())
            .map(|offset| (offset, log.start_offset()))
    };
    partition.appended.notify_waiters();
    appended.map_err(|error| match error {
        AppendError::Refused(code) => code,
        AppendError::Failed(error) => {
            tracing::error!(topic = topic.name, partition = data.index, %error, "stream: append");
            ResponseError::KafkaStorageError
        }
    })
}

fn answer(index: i32, outcome: Result<(i64, i64), ResponseError>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok((offset, start)) => response
            .with_base_offset(offset)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(start),
        Err(error) => response
            .with_error_code(error.code())
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1)
            .with_error_message(Some(text(&error.to_string()))),
    }
}
