"""Writes a topic as Kafka Connect's S3 sink does: Parquet, in year=/month=/day=/hour= folders, named by partition and first offset.

Must not know: tables. Invariant: offsets are committed after the files they belong to; a run that begins again writes the same
files again, so each message is in exactly one.
"""

import datetime
import json
import pathlib
import time

import pyarrow
import pyarrow.parquet
from confluent_kafka import Consumer, TopicPartition

import topics

SCHEMA = pyarrow.schema([("id", pyarrow.int32()), ("user_id", pyarrow.int32()), ("symbol", pyarrow.string()), ("shares", pyarrow.int32()),
                         ("purchase", pyarrow.float64()), ("update_at", pyarrow.int64())])


def folder_of(at_ms):
    at = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.timezone.utc)
    return f"year={at.year:04d}/month={at.month:02d}/day={at.day:02d}/hour={at.hour:02d}"


class Open:
    """A file being filled: messages of one partition and one hour, one after the other."""

    def __init__(self, folder, first):
        self.folder, self.first, self.rows = folder, first, []


class Sink:
    def __init__(self, kafka, topic, root, flush_size, group):
        self.topic, self.root, self.flush_size = topic, pathlib.Path(root), flush_size
        self.open, self.next, self.files, self.rows = {}, {}, 0, 0
        self.consumer = Consumer({"bootstrap.servers": kafka, "group.id": group, "enable.auto.commit": False,
                                  "auto.offset.reset": "earliest", **topics.QUIET})
        self.consumer.subscribe([topic])

    def close(self, partition):
        """Writes what is open of a partition, then commits."""
        file = self.open.pop(partition, None)
        if file is None:
            return
        folder = self.root / self.topic / file.folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.topic}+{partition}+{file.first:010d}.snappy.parquet"
        part = path.with_suffix(".part")
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(file.rows, schema=SCHEMA), part, compression="snappy")
        part.rename(path)
        self.consumer.commit(offsets=[TopicPartition(self.topic, partition, self.next[partition])], asynchronous=False)
        self.files += 1
        self.rows += len(file.rows)

    def take(self, message):
        row, partition = json.loads(message.value()), message.partition()
        folder, file = folder_of(row["update_at"]), self.open.get(partition)
        if file is not None and (file.folder != folder or len(file.rows) >= self.flush_size):
            self.close(partition)
            file = None
        if file is None:
            file = self.open[partition] = Open(folder, message.offset())
        file.rows.append(row)
        self.next[partition] = message.offset() + 1

    def run(self, messages=None, seconds=60):
        """Takes so many messages; with `None`, what is there until nothing comes. Returns how many. What is open stays open."""
        taken, until, quiet = 0, time.monotonic() + seconds, None
        while (messages is None or taken < messages) and time.monotonic() < until:
            message = self.consumer.poll(0.2)
            if message is None:
                # The group takes a while to be balanced; after that, silence is the end.
                if self.next and messages is None:
                    quiet = quiet or time.monotonic()
                    if time.monotonic() - quiet > 2:
                        break
                continue
            quiet = None
            if message.error():
                raise RuntimeError(str(message.error()))
            self.take(message)
            taken += 1
        return taken

    def stop(self, flush):
        """Ends; what is open is written or, as by a crash, left for the next run."""
        if flush:
            for partition in list(self.open):
                self.close(partition)
        self.consumer.close()
