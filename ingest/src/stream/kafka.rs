//! Kafka through librdkafka: one assigned consumer a partition, nothing committed, offsets kept by the caller.
//!
//! Must not know: decoders, segments. Invariant: an offset that the topic no longer holds is reported, never silently reset.

use std::time::{Duration, Instant};

use common::table_config::StreamConfig;
use parking_lot::Mutex;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::{FetchLimit, Offset, OffsetCriteria, PartitionConsumer, StreamConnector, StreamError};
use crate::error::ConfigError;
use crate::message::{Message, MessageBatch};

/// How long a question to the broker may take where the stream config does not say.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A topic of a Kafka cluster.
pub struct KafkaConnector {
    topic: String,
    client: ClientConfig,
    timeout: Duration,
    with_metadata: bool,
    /// Answers questions about offsets; made at the first one.
    asker: Mutex<Option<BaseConsumer>>,
}

impl std::fmt::Debug for KafkaConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConnector")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

pub(super) fn make(config: &StreamConfig) -> Result<Box<dyn StreamConnector>, ConfigError> {
    Ok(Box::new(KafkaConnector::new(config)?))
}

impl KafkaConnector {
    /// A connector from Pinot's stream map.
    ///
    /// # Errors
    /// Where topic or brokers are missing, or a client property has no meaning.
    pub fn new(config: &StreamConfig) -> Result<Self, ConfigError> {
        let required = |key: &str, what: &str| {
            config
                .get(key)
                .filter(|value| !value.is_empty())
                .cloned()
                .ok_or_else(|| ConfigError::Invalid(format!("{what} {key} cannot be null")))
        };
        let topic = required("stream.kafka.topic.name", "Stream topic name")?;
        let brokers = required("stream.kafka.broker.list", "Kafka broker list")?;
        let timeout = config
            .get("stream.kafka.connection.timeout.millis")
            .and_then(|millis| millis.parse().ok())
            .map_or(ASK_TIMEOUT, Duration::from_millis);
        let metadata = config
            .get("stream.kafka.metadata.populate")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Self {
            topic,
            client: client_config(config, &brokers)?,
            timeout,
            with_metadata: metadata,
            asker: Mutex::new(None),
        })
    }

    fn ask<T>(
        &self,
        question: impl Fn(&BaseConsumer, Duration) -> Result<T, KafkaError>,
    ) -> Result<T, StreamError> {
        let mut asker = self.asker.lock();
        if let Some(client) = asker.as_ref() {
            match question(client, self.timeout).map_err(|e| self.error(&e)) {
                // What a client knows of a topic may be minutes old: partitions that were added are news to it.
                Err(StreamError::NotFound(_)) => {}
                other => return other,
            }
        }
        let fresh = asker.insert(self.client.create().map_err(|e| self.error(&e))?);
        question(fresh, self.timeout).map_err(|e| self.error(&e))
    }

    fn error(&self, error: &KafkaError) -> StreamError {
        stream_error(&self.topic, error)
    }
}

fn stream_error(topic: &str, error: &KafkaError) -> StreamError {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopic) => {
            StreamError::NotFound(format!("topic `{topic}`: {error}"))
        }
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::Resolve,
        ) => StreamError::Unavailable(format!("topic `{topic}`: {error}")),
        _ => StreamError::Other(format!("topic `{topic}`: {error}")),
    }
}

/// Keys of the Java client and of Pinot that librdkafka has no use for, or that are not the user's to decide.
const JAVA_ONLY: &[&str] = &[
    "auto.offset.reset",
    "enable.auto.commit",
    "auto.commit.interval.ms",
    "key.deserializer",
    "value.deserializer",
    "max.poll.records",
    "default.api.timeout.ms",
    "fetch.max.wait.ms",
    "exclude.internal.topics",
    "sasl.jaas.config",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "ssl.truststore.type",
    "ssl.keystore.type",
];

/// librdkafka's properties: what makes fetching fast, then what the stream map asks for.
fn client_config(config: &StreamConfig, brokers: &str) -> Result<ClientConfig, ConfigError> {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in [
        ("bootstrap.servers", brokers),
        ("group.id", "touriga"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        ("auto.offset.reset", "error"),
        // The Java client's default; librdkafka's own is read_committed.
        ("isolation.level", "read_uncommitted"),
        ("queued.min.messages", "100000"),
        ("queued.max.messages.kbytes", "32768"),
        ("fetch.message.max.bytes", "4194304"),
        ("fetch.wait.max.ms", "100"),
        ("fetch.queue.backoff.ms", "5"),
        // A broker that comes back is found within a second, on every replica.
        ("reconnect.backoff.max.ms", "1000"),
        ("topic.metadata.refresh.interval.ms", "30000"),
    ] {
        client.set(key, value);
    }
    if let Some(level) = config.get("stream.kafka.isolation.level") {
        set_property(&mut client, "isolation.level", level)?;
    }
    for (key, value) in config {
        let name = key
            .strip_prefix("stream.kafka.consumer.prop.")
            .or_else(|| is_client_key(key).then_some(key.as_str()))
            .or_else(|| {
                key.strip_prefix("stream.kafka.")
                    .filter(|rest| is_client_key(rest))
            });
        if let Some(name) = name {
            set_property(&mut client, name, value)?;
        }
    }
    Ok(client)
}

pub(super) fn is_client_key(key: &str) -> bool {
    key == "security.protocol" || key.starts_with("sasl.") || key.starts_with("ssl.")
}

pub(super) fn set_property(
    client: &mut ClientConfig,
    key: &str,
    value: &str,
) -> Result<(), ConfigError> {
    let renamed = match key {
        "sasl.jaas.config" => {
            for (option, name) in [("username", "sasl.username"), ("password", "sasl.password")] {
                if let Some(text) = jaas_option(value, option) {
                    client.set(name, text);
                }
            }
            return Ok(());
        }
        "ssl.truststore.location" => "ssl.ca.location",
        "ssl.truststore.certificates" => "ssl.ca.pem",
        "ssl.keystore.certificate.chain" => "ssl.certificate.pem",
        "ssl.keystore.key" => "ssl.key.pem",
        other => other,
    };
    if JAVA_ONLY.contains(&renamed) {
        return Ok(());
    }
    // Java switches the check of host names off with an empty text.
    let value = match renamed {
        "ssl.endpoint.identification.algorithm" if value.is_empty() => "none",
        _ => value,
    };
    let mut probe = ClientConfig::new();
    probe.set(renamed, value);
    match probe.create_native_config() {
        Ok(_) => {
            client.set(renamed, value);
            Ok(())
        }
        Err(KafkaError::ClientConfig(result, message, ..)) => {
            if format!("{result:?}").contains("UNKNOWN") {
                tracing::warn!(
                    property = key,
                    "Kafka client property without an equivalent, ignored"
                );
                return Ok(());
            }
            Err(ConfigError::Invalid(format!(
                "invalid value `{value}` of Kafka client property `{key}`: {message}"
            )))
        }
        Err(error) => Err(ConfigError::Invalid(format!(
            "Kafka client property `{key}`: {error}"
        ))),
    }
}

/// `username="x"` out of a JAAS login line.
fn jaas_option(jaas: &str, option: &str) -> Option<String> {
    let (_, rest) = jaas.split_once(&format!("{option}="))?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => rest[1..].split(quote).next(),
        None => rest.split([' ', ';']).next(),
    };
    end.map(str::to_owned)
}

impl StreamConnector for KafkaConnector {
    fn partitions(&self) -> Result<Vec<i32>, StreamError> {
        self.ask(|client, timeout| {
            let metadata = client.fetch_metadata(Some(&self.topic), timeout)?;
            let topic = metadata.topics().first();
            let missing = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
            let topic = topic.filter(|t| t.error().is_none()).ok_or(missing)?;
            let mut ids: Vec<i32> = topic.partitions().iter().map(|p| p.id()).collect();
            ids.sort_unstable();
            Ok(ids)
        })
    }

    fn range(&self, partition: i32) -> Result<(Offset, Offset), StreamError> {
        self.ask(|client, timeout| client.fetch_watermarks(&self.topic, partition, timeout))
            .map(|(low, high)| (Offset(low), Offset(high)))
    }

    fn resolve(
        &self,
        partition: i32,
        criteria: &OffsetCriteria,
        now_ms: i64,
    ) -> Result<Offset, StreamError> {
        let (low, high) = self.range(partition)?;
        let from = match criteria {
            OffsetCriteria::Smallest => return Ok(low),
            OffsetCriteria::Largest => return Ok(high),
            OffsetCriteria::Period(millis) => now_ms.saturating_sub(*millis),
            OffsetCriteria::Timestamp(millis) => *millis,
        };
        let found = self.ask(|client, timeout| {
            let mut asked = TopicPartitionList::new();
            let at = rdkafka::Offset::Offset(from.max(0));
            asked.add_partition_offset(&self.topic, partition, at)?;
            client.offsets_for_times(asked, timeout)
        })?;
        let element = found.find_partition(&self.topic, partition);
        Ok(match element.map(|e| e.offset()) {
            Some(rdkafka::Offset::Offset(offset)) => Offset(offset),
            _ => high,
        })
    }

    fn consumer(
        &self,
        partition: i32,
        start: Offset,
    ) -> Result<Box<dyn PartitionConsumer>, StreamError> {
        let consumer: BaseConsumer = self.client.create().map_err(|e| self.error(&e))?;
        let mut consumer = KafkaConsumer {
            topic: self.topic.clone(),
            partition,
            consumer,
            next: start,
            timeout: self.timeout,
            with_metadata: self.with_metadata,
            failed: false,
        };
        consumer.seek(start)?;
        Ok(Box::new(consumer))
    }
}

struct KafkaConsumer {
    topic: String,
    partition: i32,
    consumer: BaseConsumer,
    next: Offset,
    timeout: Duration,
    with_metadata: bool,
    /// After an error librdkafka has stopped fetching; the next fetch assigns again.
    failed: bool,
}

impl KafkaConsumer {
    fn fail(&mut self, error: &KafkaError) -> StreamError {
        let code = error.rdkafka_error_code();
        let out_of_range = is_out_of_range(code);
        self.failed |= stops_fetching(code);
        if out_of_range {
            let range = self
                .consumer
                .fetch_watermarks(&self.topic, self.partition, self.timeout);
            let (low, high) = range.unwrap_or((-1, -1));
            return StreamError::OutOfRange {
                partition: self.partition,
                wanted: self.next,
                low: Offset(low),
                high: Offset(high),
            };
        }
        stream_error(&self.topic, error)
    }
}

fn is_out_of_range(code: Option<RDKafkaErrorCode>) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    matches!(code, Some(OffsetOutOfRange | AutoOffsetReset))
}

/// True for errors after which librdkafka leaves the partition alone; a lost connection it repairs by itself.
fn stops_fetching(code: Option<RDKafkaErrorCode>) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopicOrPartition};
    is_out_of_range(code) || matches!(code, Some(UnknownPartition | UnknownTopicOrPartition))
}

fn take(
    batch: &mut MessageBatch,
    message: &BorrowedMessage<'_>,
    partition: i32,
    with_metadata: bool,
) {
    let headers = if with_metadata {
        headers_of(message)
    } else {
        Vec::new()
    };
    batch.push(&Message {
        payload: message.payload(),
        key: if with_metadata { message.key() } else { None },
        headers: &headers,
        offset: message.offset(),
        partition,
        timestamp_ms: message.timestamp().to_millis(),
    });
}

fn headers_of(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    message
        .headers()
        .map(|headers| {
            headers
                .iter()
                .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
                .collect()
        })
        .unwrap_or_default()
}

impl PartitionConsumer for KafkaConsumer {
    fn fetch(&mut self, batch: &mut MessageBatch, limit: FetchLimit) -> Result<(), StreamError> {
        batch.clear();
        batch.set_partition(self.partition);
        if self.failed {
            self.seek(self.next)?;
        }
        let deadline = Instant::now() + limit.wait;
        let mut next = self.next.0;
        while batch.len() < limit.messages && batch.bytes() < limit.bytes {
            let wait = if batch.is_empty() {
                deadline.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            let Some(polled) = self.consumer.poll(wait) else {
                break;
            };
            let error = match polled {
                Ok(message) => {
                    // Messages before the wanted offset are left-overs of an earlier assignment.
                    if message.offset() >= next {
                        take(batch, &message, self.partition, self.with_metadata);
                        next = message.offset() + 1;
                    }
                    continue;
                }
                Err(error) => error,
            };
            if batch.is_empty() {
                return Err(self.fail(&error));
            }
            // What arrived before the error is handed over first; the next fetch meets the error again.
            self.failed |= stops_fetching(error.rdkafka_error_code());
            break;
        }
        self.next = Offset(next);
        Ok(())
    }

    fn seek(&mut self, offset: Offset) -> Result<(), StreamError> {
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(
                &self.topic,
                self.partition,
                rdkafka::Offset::Offset(offset.0),
            )
            .and_then(|()| self.consumer.assign(&assignment))
            .map_err(|e| stream_error(&self.topic, &e))?;
        self.next = offset;
        self.failed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_properties_become_those_of_the_client() -> Result<(), ConfigError> {
        let config: StreamConfig = [
            ("stream.kafka.consumer.prop.auto.offset.reset", "smallest"),
            ("stream.kafka.consumer.prop.max.poll.records", "500"),
            ("stream.kafka.consumer.prop.fetch.min.bytes", "10"),
            ("stream.kafka.consumer.prop.no.such.property", "x"),
            ("stream.kafka.isolation.level", "read_committed"),
            ("sasl.mechanism", "PLAIN"),
            (
                "sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password='p;1';",
            ),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let client = client_config(&config, "b:9092")?;
        assert_eq!(client.get("auto.offset.reset"), Some("error"));
        assert_eq!(client.get("fetch.min.bytes"), Some("10"));
        assert_eq!(client.get("isolation.level"), Some("read_committed"));
        assert_eq!(client.get("sasl.username"), Some("u"));
        assert_eq!(client.get("sasl.password"), Some("p;1"));
        assert_eq!(client.get("no.such.property"), None);
        assert!(set_property(&mut ClientConfig::new(), "fetch.min.bytes", "many").is_err());
        Ok(())
    }
}
