//! Metadata, and the creation, growth and removal of topics.
//! Must not know: records. Invariant: an answer has one entry for each topic asked about.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest, MetadataResponse, TopicName,
};

use super::{code_of, text};
use crate::broker::{Broker, NODE_ID};
use crate::log::Retention;
use crate::topics::Topic;

const NO_OWN_RETENTION: Retention = Retention {
    bytes: None,
    millis: None,
};
/// Tells a client that nobody looked up what it is allowed to do.
const OPERATIONS_UNKNOWN: i32 = i32::MIN;

/// The one broker, and the topics that were asked for.
pub(super) fn metadata(
    broker: &Broker,
    request: &MetadataRequest,
    version: i16,
) -> MetadataResponse {
    // Before version 4 a client could not say that a topic shall not be created.
    let create = broker.auto_create && (version < 4 || request.allow_auto_topic_creation);
    let topics = match &request.topics {
        // In version 0 an empty list stands for all topics.
        Some(asked) if !(asked.is_empty() && version == 0) => asked
            .iter()
            .filter_map(|one| one.name.as_ref())
            .map(|name| (name.clone(), topic_for_use(broker, name, create)))
            .collect(),
        _ => {
            let named = |topic: Arc<Topic>| (TopicName(text(&topic.name)), Ok(topic));
            broker
                .topics
                .all()
                .into_iter()
                .map(named)
                .collect::<Vec<_>>()
        }
    };
    let node = MetadataResponseBroker::default()
        .with_node_id(NODE_ID.into())
        .with_host(text(&broker.host))
        .with_port(i32::from(broker.port));
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text("touriga")))
        .with_controller_id(NODE_ID.into())
        .with_cluster_authorized_operations(OPERATIONS_UNKNOWN)
        .with_topics(
            topics
                .iter()
                .map(|(name, topic)| describe(name, topic))
                .collect(),
        )
}

fn describe(name: &TopicName, topic: &Result<Arc<Topic>, ResponseError>) -> MetadataResponseTopic {
    let count = topic.as_ref().map_or(0, |topic| topic.partition_count());
    let partition = |number: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(NODE_ID.into())
            .with_leader_epoch(-1)
            .with_replica_nodes(vec![NODE_ID.into()])
            .with_isr_nodes(vec![NODE_ID.into()])
    };
    MetadataResponseTopic::default()
        .with_name(Some(name.clone()))
        .with_error_code(code_of(topic))
        .with_topic_authorized_operations(OPERATIONS_UNKNOWN)
        .with_partitions((0..count).map(partition).collect())
}

/// The topic, created if it is missing and `create` says so.
pub(super) fn topic_for_use(
    broker: &Broker,
    name: &TopicName,
    create: bool,
) -> Result<Arc<Topic>, ResponseError> {
    if let Some(topic) = broker.topics.get(name) {
        return Ok(topic);
    }
    if !create {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    match broker
        .topics
        .create(name, broker.default_partitions, NO_OWN_RETENTION)
    {
        Err(ResponseError::TopicAlreadyExists) => broker
            .topics
            .get(name)
            .ok_or(ResponseError::UnknownTopicOrPartition),
        other => other,
    }
}

/// Creates topics.
pub(super) fn create_topics(
    broker: &Broker,
    request: &CreateTopicsRequest,
) -> CreateTopicsResponse {
    let topics = request.topics.iter().map(|asked| {
        let outcome = create_one(broker, asked, request.validate_only);
        let message = outcome.as_ref().err().map(|(_, message)| text(message));
        CreatableTopicResult::default()
            .with_name(asked.name.clone())
            .with_error_code(outcome.as_ref().err().map_or(0, |(error, _)| error.code()))
            .with_error_message(message)
            .with_num_partitions(outcome.as_ref().copied().unwrap_or(-1))
            .with_replication_factor(1)
            .with_configs(Some(Vec::new()))
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn create_one(
    broker: &Broker,
    asked: &CreatableTopic,
    dry: bool,
) -> Result<i32, (ResponseError, String)> {
    let name = asked.name.as_str();
    let partitions = match asked.num_partitions {
        -1 if !asked.assignments.is_empty() => {
            i32::try_from(asked.assignments.len()).unwrap_or(i32::MAX)
        }
        -1 => broker.default_partitions,
        count => count,
    };
    if asked.replication_factor > 1 {
        let factor = asked.replication_factor;
        let message = format!("replication factor `{factor}`, expected 1: there is one broker");
        return Err((ResponseError::InvalidReplicationFactor, message));
    }
    let own = own_retention(asked)?;
    let outcome = if dry {
        broker.topics.check_new(name, partitions)
    } else {
        broker.topics.create(name, partitions, own).map(|_| ())
    };
    let describe = |error: ResponseError| {
        (
            error,
            format!("topic `{name}` with `{partitions}` partitions: {error}"),
        )
    };
    outcome.map(|()| partitions).map_err(describe)
}

/// The two settings of a topic that have a meaning here; -1 stands for no limit of its own.
fn own_retention(asked: &CreatableTopic) -> Result<Retention, (ResponseError, String)> {
    let mut own = NO_OWN_RETENTION;
    for config in &asked.configs {
        let Some(value) = &config.value else { continue };
        let name = config.name.as_str();
        if !matches!(name, "retention.bytes" | "retention.ms") {
            continue;
        }
        let number: i64 = value.as_str().parse().map_err(|_| {
            let message = format!("{name} is `{value}`, expected a number");
            (ResponseError::InvalidConfig, message)
        })?;
        match name {
            "retention.bytes" => own.bytes = u64::try_from(number).ok(),
            _ => own.millis = Some(number).filter(|number| *number >= 0),
        }
    }
    Ok(own)
}

/// Raises the number of partitions.
pub(super) fn create_partitions(
    broker: &Broker,
    request: &CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = request.topics.iter().map(|asked| {
        let outcome = broker
            .topics
            .grow(&asked.name, asked.count, request.validate_only);
        CreatePartitionsTopicResult::default()
            .with_name(asked.name.clone())
            .with_error_code(code_of(&outcome))
            .with_error_message(outcome.err().map(|error| text(&error.to_string())))
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

/// Removes topics and what groups committed for them.
pub(super) fn delete_topics(
    broker: &Broker,
    request: &DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let responses = request.topic_names.iter().map(|name| {
        let outcome = broker.topics.delete(name);
        if outcome.is_ok() {
            broker.groups.forget_topic(name);
        }
        DeletableTopicResult::default()
            .with_name(Some(name.clone()))
            .with_error_code(code_of(&outcome))
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}
