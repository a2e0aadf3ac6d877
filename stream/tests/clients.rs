//! The broker as librdkafka sees it: produce, fetch, groups, timestamps, restart, retention.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use stream::{Stream, StreamHandle};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
type Client = ThreadedProducer<DefaultProducerContext>;

const PATIENCE: Duration = Duration::from_secs(20);

fn config(stream: &StreamHandle) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stream.addr().to_string());
    config
}

fn producer(stream: &StreamHandle, settings: &[(&str, &str)]) -> Outcome<Client> {
    let mut config = config(stream);
    settings.iter().for_each(|(key, value)| {
        config.set(*key, *value);
    });
    Ok(config.create()?)
}

async fn create_topic(stream: &StreamHandle, name: &str, partitions: i32) -> Outcome {
    let admin: AdminClient<DefaultClientContext> = config(stream).create()?;
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let results = admin.create_topics([&topic], &AdminOptions::new()).await?;
    for result in results {
        result.map_err(|(topic, code)| format!("{topic}: {code}"))?;
    }
    Ok(())
}

fn send(client: &Client, topic: &str, partition: i32, timestamp: i64, value: &str) -> Outcome {
    let record: BaseRecord<'_, str, str> = BaseRecord::to(topic)
        .partition(partition)
        .timestamp(timestamp)
        .payload(value);
    client.send(record).map_err(|(error, _)| error)?;
    Ok(())
}

/// Reads `count` messages of the partitions 0..`partitions` from `from` on.
fn read(
    stream: &StreamHandle,
    topic: &str,
    partitions: i32,
    from: Offset,
    count: usize,
) -> Outcome<Vec<(i32, i64, String)>> {
    let consumer: BaseConsumer = config(stream)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, from)?;
    }
    consumer.assign(&assignment)?;
    let mut read = Vec::new();
    let until = Instant::now() + PATIENCE;
    while read.len() < count && Instant::now() < until {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message?;
            let value = message.payload_view::<str>().transpose()?.unwrap_or("");
            read.push((message.partition(), message.offset(), value.to_owned()));
        }
    }
    Ok(read)
}

fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

#[tokio::test(flavor = "multi_thread")]
async fn four_partitions_in_every_codec() -> Outcome {
    let stream = Stream::builder().start().await?;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        create_topic(&stream, codec, 4).await?;
        let client = producer(
            &stream,
            &[
                ("compression.type", codec),
                ("enable.idempotence", "true"),
                ("linger.ms", "5"),
            ],
        );
        // This build of the client may lack a codec; the broker is not to blame.
        let Ok(client) = client else { continue };
        for at in 0..1000 {
            send(
                &client,
                codec,
                at % 4,
                1_000 + i64::from(at),
                &format!("{codec}-{at}"),
            )?;
        }
        client.flush(PATIENCE)?;
        let mut read = read(&stream, codec, 4, Offset::Beginning, 1000)?;
        read.sort();
        assert_eq!(read.len(), 1000, "{codec}");
        for (at, (partition, offset, value)) in read.iter().enumerate() {
            let expected = format!("{codec}-{}", offset * 4 + i64::from(*partition));
            assert_eq!(*value, expected, "at {at}");
        }
    }
    stream.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acks_setting_and_automatic_topics() -> Outcome {
    let stream = Stream::builder().default_partitions(2).start().await?;
    for acks in ["0", "1", "all"] {
        let client = producer(&stream, &[("acks", acks)])?;
        let topic = format!("acks-{acks}");
        send(&client, &topic, 1, 5, "value")?;
        client.flush(PATIENCE)?;
        let read = read(&stream, &topic, 2, Offset::Beginning, 1)?;
        assert_eq!(read, [(1, 0, "value".to_owned())], "acks={acks}");
    }
    stream.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_by_timestamp_and_partitions_that_grow() -> Outcome {
    let stream = Stream::builder().start().await?;
    create_topic(&stream, "times", 1).await?;
    let admin: AdminClient<DefaultClientContext> = config(&stream).create()?;
    let grown = admin
        .create_partitions([&NewPartitions::new("times", 3)], &AdminOptions::new())
        .await?;
    assert!(grown.iter().all(Result::is_ok), "{grown:?}");

    let client = producer(&stream, &[("linger.ms", "20")])?;
    for at in 0..100 {
        send(&client, "times", 2, 10_000 + at * 10, "x")?;
    }
    client.flush(PATIENCE)?;
    let consumer: BaseConsumer = config(&stream).set("group.id", "times").create()?;
    assert_eq!(consumer.fetch_watermarks("times", 2, PATIENCE)?, (0, 100));
    for (timestamp, expected) in [(0, Offset::Offset(0)), (10_505, Offset::Offset(51))] {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset("times", 2, Offset::Offset(timestamp))?;
        let found = consumer.offsets_for_times(asked, PATIENCE)?;
        let found = found.find_partition("times", 2).map(|one| one.offset());
        assert_eq!(found, Some(expected), "at {timestamp}");
    }
    let metadata = consumer.fetch_metadata(Some("times"), PATIENCE)?;
    assert_eq!(metadata.topics()[0].partitions().len(), 3);

    let gone = admin
        .delete_topics(&["times"], &AdminOptions::new())
        .await?;
    assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    stream.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_its_data_again() -> Outcome {
    let directory = tempfile::tempdir()?;
    let builder = Stream::builder().data_dir(Some(directory.path().to_path_buf()));
    let stream = builder.clone().start().await?;
    create_topic(&stream, "kept", 2).await?;
    let client = producer(&stream, &[])?;
    for at in 0..50 {
        send(
            &client,
            "kept",
            at % 2,
            i64::from(at) + 1,
            &format!("first-{at}"),
        )?;
    }
    client.flush(PATIENCE)?;
    drop(client);
    let consumer: BaseConsumer = config(&stream).set("group.id", "kept").create()?;
    let mut position = TopicPartitionList::new();
    position.add_partition_offset("kept", 1, Offset::Offset(20))?;
    consumer.commit(&position, CommitMode::Sync)?;
    drop(consumer);
    stream.shutdown().await;

    let stream = builder.start().await?;
    let client = producer(&stream, &[])?;
    send(&client, "kept", 1, 99, "second")?;
    client.flush(PATIENCE)?;
    let mut all = read(&stream, "kept", 2, Offset::Beginning, 51)?;
    all.sort();
    assert_eq!(all.len(), 51);
    assert_eq!(all[0], (0, 0, "first-0".to_owned()));
    assert_eq!(all[50], (1, 25, "second".to_owned()));
    let consumer: BaseConsumer = config(&stream).set("group.id", "kept").create()?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition("kept", 1);
    let committed = consumer.committed_offsets(asked, PATIENCE)?;
    let committed = committed.find_partition("kept", 1).map(|one| one.offset());
    assert_eq!(committed, Some(Offset::Offset(20)));
    drop(consumer);
    stream.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_moves_the_first_offset() -> Outcome {
    let stream = Stream::builder().retention_bytes(200_000).start().await?;
    create_topic(&stream, "short", 1).await?;
    let client = producer(&stream, &[("linger.ms", "1"), ("batch.size", "4000")])?;
    let value = "v".repeat(500);
    for at in 0..5000 {
        send(&client, "short", 0, at, &value)?;
    }
    client.flush(PATIENCE)?;
    let consumer: BaseConsumer = config(&stream).set("group.id", "short").create()?;
    let (low, high) = consumer.fetch_watermarks("short", 0, PATIENCE)?;
    assert_eq!(high, 5000);
    assert!((4500..5000).contains(&low), "first offset {low}");
    let first = read(&stream, "short", 1, Offset::Beginning, 1)?;
    assert_eq!(first[0].1, low);
    stream.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_of_a_group_share_the_partitions() -> Outcome {
    let stream = Stream::builder().start().await?;
    create_topic(&stream, "shared", 4).await?;
    let member = || -> Outcome<BaseConsumer> {
        let consumer: BaseConsumer = config(&stream)
            .set("group.id", "team")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "200")
            .create()?;
        consumer.subscribe(&["shared"])?;
        Ok(consumer)
    };
    let (one, two) = (member()?, member()?);
    let shared = in_thread(move || {
        let until = Instant::now() + PATIENCE;
        let parts = |consumer: &BaseConsumer| {
            let _event = consumer.poll(Duration::from_millis(50));
            consumer.assignment().map(|list| list.count()).unwrap_or(0)
        };
        loop {
            let split = (parts(&one), parts(&two));
            if split == (2, 2) || Instant::now() > until {
                return (one, two, split);
            }
        }
    });
    let (one, two, split) = shared.await?;
    assert_eq!(split, (2, 2));

    let client = producer(&stream, &[])?;
    for at in 0..40 {
        send(&client, "shared", at % 4, 1, &at.to_string())?;
    }
    client.flush(PATIENCE)?;
    let seen = in_thread(move || {
        let mut seen = BTreeMap::new();
        let until = Instant::now() + PATIENCE;
        while seen.len() < 40 && Instant::now() < until {
            for consumer in [&one, &two] {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                    *seen
                        .entry((message.partition(), message.offset()))
                        .or_insert(0) += 1;
                }
            }
        }
        seen
    })
    .await?;
    assert_eq!(seen.len(), 40);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    stream.shutdown().await;
    Ok(())
}

/// Not a test of correctness: `cargo test --release -p stream -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
#[allow(clippy::print_stdout)]
async fn rate_of_small_messages() -> Outcome {
    const COUNT: usize = 2_000_000;
    let stream = Stream::builder().retention_bytes(1 << 30).start().await?;
    create_topic(&stream, "rate", 4).await?;
    let client = producer(
        &stream,
        &[
            ("linger.ms", "5"),
            ("batch.num.messages", "10000"),
            ("queue.buffering.max.messages", "1000000"),
        ],
    )?;
    let value = "v".repeat(200);
    let start = Instant::now();
    for at in 0..COUNT {
        while send(&client, "rate", (at % 4) as i32, 1, &value).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    client.flush(PATIENCE)?;
    let produced = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let consumer: BaseConsumer = config(&stream).set("group.id", "rate").create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..4 {
        assignment.add_partition_offset("rate", partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut read = 0;
    while read < COUNT {
        if consumer
            .poll(Duration::from_millis(100))
            .transpose()?
            .is_some()
        {
            read += 1;
        }
    }
    let fetched = start.elapsed().as_secs_f64();
    println!(
        "produce {:.0}/s, fetch {:.0}/s",
        COUNT as f64 / produced,
        COUNT as f64 / fetched
    );
    stream.shutdown().await;
    Ok(())
}
