//! The Kafka connector against a real broker, where `TOURIGA_TEST_KAFKA` names one (`127.0.0.1:9092`); skipped without.

use std::error::Error;
use std::time::{Duration, Instant};

use ingest::MessageBatch;
use ingest::stream::kafka::KafkaConnector;
use ingest::stream::{
    FetchLimit, Offset, OffsetCriteria, PartitionConsumer, StreamConnector, StreamError,
};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;

type Done = Result<(), Box<dyn Error>>;

struct Broker {
    address: String,
    topic: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Broker {
    /// A topic of this test, or `None` where no broker is named.
    fn with_topic(name: &str, partitions: i32) -> Result<Option<Self>, Box<dyn Error>> {
        let Ok(address) = std::env::var("TOURIGA_TEST_KAFKA") else {
            return Ok(None);
        };
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let topic = format!("touriga_{name}_{}", since.as_nanos());
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &address)
            .create()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let broker = Self {
            address,
            topic,
            admin,
            runtime,
        };
        let new = NewTopic::new(&broker.topic, partitions, TopicReplication::Fixed(1));
        for made in broker
            .runtime
            .block_on(broker.admin.create_topics(&[new], &AdminOptions::new()))?
        {
            made.map_err(|(topic, code)| format!("{topic}: {code}"))?;
        }
        Ok(Some(broker))
    }

    fn connector(&self, extra: &[(&str, &str)]) -> Result<KafkaConnector, Box<dyn Error>> {
        let mut config: common::table_config::StreamConfig = [
            ("stream.kafka.topic.name", self.topic.as_str()),
            ("stream.kafka.broker.list", self.address.as_str()),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        for (key, value) in extra {
            config.insert((*key).to_owned(), (*value).to_owned());
        }
        Ok(KafkaConnector::new(&config)?)
    }

    fn producer(&self, extra: &[(&str, &str)]) -> Result<BaseProducer, Box<dyn Error>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        for (key, value) in extra {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    fn delete_before(&self, offset: i64) -> Done {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, rdkafka::Offset::Offset(offset))?;
        self.runtime
            .block_on(self.admin.delete_records(&list, &AdminOptions::new()))?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let topics = [self.topic.as_str()];
        let _ = self
            .runtime
            .block_on(self.admin.delete_topics(&topics, &AdminOptions::new()));
    }
}

/// Fetches until so many messages came, for at most ten seconds.
fn read(consumer: &mut dyn PartitionConsumer, count: usize) -> Result<Vec<String>, StreamError> {
    let mut out = Vec::new();
    let mut batch = MessageBatch::default();
    let begin = Instant::now();
    while out.len() < count && begin.elapsed() < Duration::from_secs(10) {
        consumer.fetch(&mut batch, FetchLimit::default())?;
        out.extend(batch.iter().map(|m| {
            let payload = m.payload.map(|p| String::from_utf8_lossy(p).into_owned());
            format!("{}:{}", m.offset, payload.unwrap_or_default())
        }));
    }
    Ok(out)
}

#[test]
fn messages_are_read_from_any_offset() -> Done {
    let Some(broker) = Broker::with_topic("offsets", 3)? else {
        return Ok(());
    };
    let producer = broker.producer(&[])?;
    for i in 0..10_i64 {
        let payload = i.to_string();
        let record = BaseRecord::<str, str>::to(&broker.topic)
            .partition(0)
            .payload(&payload)
            .key("k")
            .timestamp(1_700_000_000_000 + i * 1000)
            .headers(OwnedHeaders::new().insert(Header {
                key: "origin",
                value: Some("shop"),
            }));
        producer.send(record).map_err(|(e, _)| e)?;
    }
    producer.flush(Duration::from_secs(10))?;

    let connector = broker.connector(&[("stream.kafka.metadata.populate", "true")])?;
    assert_eq!(connector.partitions()?, [0, 1, 2]);
    assert_eq!(connector.range(0)?, (Offset(0), Offset(10)));
    let resolve = |criteria| connector.resolve(0, &criteria, 1_700_000_009_500);
    assert_eq!(resolve(OffsetCriteria::Smallest)?, Offset(0));
    assert_eq!(resolve(OffsetCriteria::Largest)?, Offset(10));
    assert_eq!(
        resolve(OffsetCriteria::Timestamp(1_700_000_003_500))?,
        Offset(4)
    );
    assert_eq!(resolve(OffsetCriteria::Period(1500))?, Offset(8));
    assert_eq!(
        resolve(OffsetCriteria::Timestamp(1_800_000_000_000))?,
        Offset(10)
    );

    let mut consumer = connector.consumer(0, Offset(7))?;
    assert_eq!(read(consumer.as_mut(), 3)?, ["7:7", "8:8", "9:9"]);
    consumer.seek(Offset(9))?;
    let mut batch = MessageBatch::default();
    while batch.is_empty() {
        consumer.fetch(&mut batch, FetchLimit::default())?;
    }
    let message = batch.get(0).ok_or("no message")?;
    assert_eq!((message.offset, message.key), (9, Some(b"k".as_slice())));
    assert_eq!(message.headers, [("origin".to_owned(), b"shop".to_vec())]);
    assert_eq!(message.timestamp_ms, Some(1_700_000_009_000));
    Ok(())
}

#[test]
fn deleted_offsets_are_reported() -> Done {
    let Some(broker) = Broker::with_topic("deleted", 1)? else {
        return Ok(());
    };
    let producer = broker.producer(&[])?;
    for i in 0..10 {
        let payload = i.to_string();
        let record = BaseRecord::<str, str>::to(&broker.topic)
            .partition(0)
            .payload(&payload);
        producer.send(record).map_err(|(e, _)| e)?;
    }
    producer.flush(Duration::from_secs(10))?;
    broker.delete_before(6)?;
    let connector = broker.connector(&[])?;
    assert_eq!(
        connector.resolve(0, &OffsetCriteria::Smallest, 0)?,
        Offset(6)
    );
    for (wanted, what) in [(2, "too old"), (50, "too new")] {
        let mut consumer = connector.consumer(0, Offset(wanted))?;
        let error = read(consumer.as_mut(), 1).err();
        assert_eq!(
            error,
            Some(StreamError::OutOfRange {
                partition: 0,
                wanted: Offset(wanted),
                low: Offset(6),
                high: Offset(10)
            }),
            "{what}"
        );
        consumer.seek(Offset(8))?;
        assert_eq!(read(consumer.as_mut(), 2)?, ["8:8", "9:9"]);
    }
    Ok(())
}

#[test]
fn transactions_follow_the_isolation_level() -> Done {
    let Some(broker) = Broker::with_topic("transactions", 1)? else {
        return Ok(());
    };
    let producer = broker.producer(&[("transactional.id", &broker.topic)])?;
    let wait = Duration::from_secs(10);
    producer.init_transactions(wait)?;
    for (text, commit) in [("a", true), ("b", false), ("c", true)] {
        producer.begin_transaction()?;
        let record = BaseRecord::<str, str>::to(&broker.topic)
            .partition(0)
            .payload(text);
        producer.send(record).map_err(|(e, _)| e)?;
        producer.flush(wait)?;
        if commit {
            producer.commit_transaction(wait)?;
        } else {
            producer.abort_transaction(wait)?;
        }
    }
    let all = broker.connector(&[])?;
    assert_eq!(
        read(all.consumer(0, Offset(0))?.as_mut(), 3)?,
        ["0:a", "2:b", "4:c"]
    );
    let committed = broker.connector(&[("stream.kafka.isolation.level", "read_committed")])?;
    assert_eq!(
        read(committed.consumer(0, Offset(0))?.as_mut(), 2)?,
        ["0:a", "4:c"]
    );
    Ok(())
}

#[test]
fn unknown_topics_are_named() -> Done {
    let Some(mut broker) = Broker::with_topic("unknown", 1)? else {
        return Ok(());
    };
    let real = std::mem::replace(&mut broker.topic, "touriga_never_made".to_owned());
    let answer = broker.connector(&[])?.partitions();
    broker.topic = real;
    assert!(
        matches!(answer, Err(StreamError::NotFound(_))),
        "{answer:?}"
    );
    Ok(())
}
