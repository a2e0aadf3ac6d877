//! Fetch: whole batches from an offset on, waiting for some if there are none yet.
//! Invariant: waiting starts before looking, so that no append goes unnoticed.
//! Must not know: what is in a record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::select_all;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use tokio::time::{Instant, timeout_at};

use crate::broker::Broker;
use crate::error::StreamError;
use crate::topics::Partition;

/// One answer is never larger, whatever a client asks for.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What is asked of one partition, with the partition if it exists.
struct Wanted<'a> {
    topic: &'a TopicName,
    ask: &'a FetchPartition,
    partition: Option<Arc<Partition>>,
}

/// Reads, or waits until there is enough to read.
pub(super) async fn fetch(
    broker: &Broker,
    request: &FetchRequest,
) -> Result<FetchResponse, StreamError> {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait.min(LONGEST_WAIT);
    let min_bytes = usize::try_from(request.min_bytes)
        .unwrap_or(0)
        .min(MAX_ANSWER);
    loop {
        // Looked up anew each time: a topic may be deleted or created while we wait.
        let wanted = look_up(broker, request);
        let bells: Vec<_> = wanted
            .iter()
            .filter_map(|one| one.partition.as_ref())
            .map(|partition| Box::pin(partition.appended.notified()))
            .collect();
        if Instant::now() >= deadline || ready(&wanted, min_bytes) {
            return read(&wanted, request);
        }
        if bells.is_empty() {
            tokio::time::sleep_until(deadline).await;
        } else {
            let _bell_or_deadline = timeout_at(deadline, select_all(bells)).await;
        }
    }
}

fn look_up<'a>(broker: &Broker, request: &'a FetchRequest) -> Vec<Wanted<'a>> {
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let found = broker.topics.get(&topic.topic);
        for ask in &topic.partitions {
            let partition = found
                .as_ref()
                .and_then(|found| found.partition(ask.partition));
            wanted.push(Wanted {
                topic: &topic.topic,
                ask,
                partition,
            });
        }
    }
    wanted
}

/// True if there is enough, or an error to tell.
fn ready(wanted: &[Wanted<'_>], min_bytes: usize) -> bool {
    let mut available = 0_usize;
    for one in wanted {
        let Some(partition) = &one.partition else {
            return true;
        };
        let log = partition.log.lock();
        let offset = one.ask.fetch_offset;
        if offset < log.start_offset() || offset > log.next_offset() {
            return true;
        }
        available = available.saturating_add(log.available_from(offset, min_bytes));
        if available >= min_bytes {
            return true;
        }
    }
    available >= min_bytes
}

fn read(wanted: &[Wanted<'_>], request: &FetchRequest) -> Result<FetchResponse, StreamError> {
    let mut left = usize::try_from(request.max_bytes)
        .unwrap_or(0)
        .min(MAX_ANSWER);
    let mut empty = true;
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for one in wanted {
        let data = match &one.partition {
            Some(partition) => read_one(partition, one.ask, left, empty)?,
            None => failed(one.ask, ResponseError::UnknownTopicOrPartition),
        };
        let read = data.records.as_ref().map_or(0, Bytes::len);
        left = left.saturating_sub(read);
        empty &= read == 0;
        match topics.last_mut().filter(|last| last.topic == *one.topic) {
            Some(last) => last.partitions.push(data),
            None => topics.push(
                FetchableTopicResponse::default()
                    .with_topic(one.topic.clone())
                    .with_partitions(vec![data]),
            ),
        }
    }
    Ok(FetchResponse::default().with_responses(topics))
}

fn read_one(
    partition: &Partition,
    ask: &FetchPartition,
    left: usize,
    at_least_one: bool,
) -> Result<PartitionData, StreamError> {
    let max = usize::try_from(ask.partition_max_bytes)
        .unwrap_or(0)
        .min(left);
    let log = partition.log.lock();
    let offset = ask.fetch_offset;
    let in_range = offset >= log.start_offset() && offset <= log.next_offset();
    let mut data = failed(ask, ResponseError::OffsetOutOfRange);
    if in_range {
        data.error_code = 0;
        data.records = Some(log.read(offset, max, at_least_one)?);
    }
    Ok(data
        .with_high_watermark(log.next_offset())
        .with_last_stable_offset(log.next_offset())
        .with_log_start_offset(log.start_offset()))
}

fn failed(ask: &FetchPartition, error: ResponseError) -> PartitionData {
    PartitionData::default()
        .with_partition_index(ask.partition)
        .with_error_code(error.code())
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_preferred_read_replica((-1).into())
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}
