"""Topics of a Kafka, or of the small stream that speaks as Kafka does: making them, writing to them, measuring acknowledgements.

Must not know: what a message holds. Invariant: a message that was not acknowledged is an error, never a silence.
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

QUIET = {"log_level": 3}


def make(kafka, topics, recreate=False):
    """Makes topics, name to partitions. One that holds messages already would falsify the totals: it is refused."""
    admin = AdminClient({"bootstrap.servers": kafka, **QUIET})
    known = admin.list_topics(timeout=20).topics
    for name in [name for name in topics if name in known and messages_in(kafka, name, len(known[name].partitions))]:
        if not recreate:
            sys.exit(f"topic `{name}` of {kafka} holds messages already: --recreate-topics removes it first")
        admin.delete_topics([name])[name].result(30)
        del known[name]
        # Until brokers have heard of it, they go on serving what was there.
        while name in admin.list_topics(timeout=20).topics:
            time.sleep(0.2)
    missing = [NewTopic(name, count, 1) for name, count in topics.items() if name not in known]
    until = time.monotonic() + 30
    while missing:
        try:
            for made in admin.create_topics(missing).values():
                made.result(30)
            missing = []
        except KafkaException:
            # A topic that was removed a moment ago is still going.
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
            known = admin.list_topics(timeout=20).topics
            missing = [topic for topic in missing if topic.topic not in known]


def messages_in(kafka, topic, partitions):
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "touriga-examples", **QUIET})
    try:
        marks = [consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=20) for one in range(partitions)]
    finally:
        consumer.close()
    return sum(high - low for low, high in marks)


class Writer:
    """Writes JSON messages and measures how long each took to be acknowledged."""

    def __init__(self, kafka, linger_ms=5):
        self.producer = Producer({"bootstrap.servers": kafka, "linger.ms": linger_ms, "acks": "all", "enable.idempotence": False,
                                  "message.timeout.ms": 60000, **QUIET})
        self.sent, self.acked, self.delays_ms, self.failure = 0, 0, [], None

    def write(self, topic, value, key=None, partition=None):
        """One message; `None` is a tombstone."""
        begun = time.perf_counter()

        def told(error, _message):
            if error is not None:
                self.failure = self.failure or error
                return
            self.acked += 1
            self.delays_ms.append((time.perf_counter() - begun) * 1000)

        payload = None if value is None else json.dumps(value, ensure_ascii=False).encode()
        place = {} if partition is None else {"partition": partition}
        while True:
            try:
                self.producer.produce(topic, payload, key=key, on_delivery=told, **place)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.sent += 1
        self.producer.poll(0)

    def finish(self):
        """Waits for every acknowledgement."""
        self.producer.flush(60)
        if self.failure is not None or self.acked != self.sent:
            raise RuntimeError(f"{self.acked} of {self.sent} messages were acknowledged: {self.failure}")


class Pace:
    """Keeps to so many events a second; 0 is as fast as it goes."""

    def __init__(self, rate):
        self.rate, self.begun, self.done = rate, time.monotonic(), 0

    def step(self):
        self.done += 1
        if self.rate and self.done % 20 == 0:
            ahead = self.done / self.rate - (time.monotonic() - self.begun)
            if ahead > 0:
                time.sleep(ahead)
