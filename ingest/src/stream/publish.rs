//! Messages into Kafka: sent, and answered once the brokers have them.
//!
//! Blocking: call it from a thread that may wait. Must not know: tables, rows.
//! Invariant: an answered message is acknowledged by every replica in sync; on an error some messages may be there all the same.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use common::table_config::StreamConfig;
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::StreamError;
use super::kafka::is_client_key;
use crate::error::ConfigError;

const BROKERS: &str = "stream.kafka.broker.list";

/// A message to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Key, which decides the partition where none is given.
    pub key: Option<Vec<u8>>,
    /// Payload.
    pub payload: Vec<u8>,
    /// Partition.
    pub partition: Option<i32>,
}

/// Where a message came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

type Delivered = (usize, Result<Published, String>);

struct Delivery {
    number: usize,
    tell: Sender<Delivered>,
}

struct Acknowledgements;

impl ClientContext for Acknowledgements {}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        let outcome = match result {
            Ok(message) => Ok(Published {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _)) => Err(error.to_string()),
        };
        // Whoever sent the message may have given up waiting.
        let _ = delivery.tell.send((delivery.number, outcome));
    }
}

/// A producer for a Kafka cluster.
pub struct Publisher {
    producer: ThreadedProducer<Acknowledgements>,
}

impl Publisher {
    /// A producer for the brokers of a stream map, with its security settings.
    ///
    /// # Errors
    /// Where brokers are missing or a property is wrong.
    pub fn new(config: &StreamConfig, timeout: Duration) -> Result<Self, ConfigError> {
        let brokers = config.get(BROKERS).filter(|b| !b.is_empty());
        let brokers = brokers.ok_or_else(|| {
            ConfigError::Invalid(format!("Kafka broker list {BROKERS} is missing"))
        })?;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("message.max.bytes", "16777216")
            .set("message.timeout.ms", timeout.as_millis().to_string());
        for (key, value) in config {
            let name = key
                .strip_prefix("stream.kafka.consumer.prop.")
                .or_else(|| key.strip_prefix("stream.kafka."))
                .unwrap_or(key);
            if is_client_key(name) {
                super::kafka::set_property(&mut client, name, value)?;
            }
        }
        let producer = client
            .create_with_context(Acknowledgements)
            .map_err(|error| ConfigError::Invalid(format!("Kafka producer: {error}")))?;
        Ok(Self { producer })
    }

    /// Sends messages and waits until the brokers have them all.
    ///
    /// # Errors
    /// Where one of them was not acknowledged in time.
    pub fn publish(
        &self,
        topic: &str,
        messages: &[Outgoing],
        timeout: Duration,
    ) -> Result<Vec<Published>, StreamError> {
        let until = Instant::now() + timeout;
        let (tell, told) = channel();
        for (number, message) in messages.iter().enumerate() {
            let tell = tell.clone();
            self.send(topic, message, Delivery { number, tell }, until)?;
        }
        drop(tell);
        let mut out = vec![None; messages.len()];
        for _ in messages {
            let left = until.saturating_duration_since(Instant::now());
            let (number, outcome) = told.recv_timeout(left).map_err(|_| {
                StreamError::Unavailable(format!("topic `{topic}` did not acknowledge in time"))
            })?;
            let published = outcome
                .map_err(|error| StreamError::Unavailable(format!("topic `{topic}`: {error}")))?;
            if let Some(place) = out.get_mut(number) {
                *place = Some(published);
            }
        }
        Ok(out.into_iter().flatten().collect())
    }

    /// Names of the topics that the brokers have.
    ///
    /// # Errors
    /// Where no broker answers in time.
    pub fn topics(&self, timeout: Duration) -> Result<Vec<String>, StreamError> {
        let metadata = self.producer.client().fetch_metadata(None, timeout);
        let metadata = metadata.map_err(|e| StreamError::Unavailable(e.to_string()))?;
        let names = metadata.topics().iter().map(|t| t.name().to_owned());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("__")).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn send(
        &self,
        topic: &str,
        message: &Outgoing,
        delivery: Delivery,
        until: Instant,
    ) -> Result<(), StreamError> {
        let mut record: BaseRecord<'_, [u8], [u8], Box<Delivery>> =
            BaseRecord::with_opaque_to(topic, Box::new(delivery)).payload(&message.payload);
        if let Some(key) = &message.key {
            record = record.key(key.as_slice());
        }
        if let Some(partition) = message.partition {
            record = record.partition(partition);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again))
                    if Instant::now() < until =>
                {
                    record = again;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => {
                    return Err(StreamError::Other(format!("topic `{topic}`: {error}")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_needed() {
        let nothing = StreamConfig::new();
        assert!(Publisher::new(&nothing, Duration::from_secs(1)).is_err());
    }
}
