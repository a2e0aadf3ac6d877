"""The package in a process of its own: embeds, ingests a live stream, queries under load.

Must not know: how the extension is made. Run with `python -m unittest` where `touriga` can be imported.
"""

import os
import subprocess
import tempfile
import threading
import time
import unittest

import pyarrow
import touriga

SALES = {"city": "STRING", "total": "DOUBLE", "tags": "STRING[]", "at": "LONG"}


class Embedded(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_rows_go_in_and_come_out(self):
        with touriga.connect(self.folder.name) as db:
            db.create("sales", SALES, time="at")
            db.ingest("sales", [{"city": "Recife", "total": 9.5, "tags": ["a", "b"], "at": 1}, {"city": "Belém", "total": 3, "tags": [], "at": 2}])
            result = db.sql("SELECT city, SUM(total) AS total FROM sales GROUP BY city ORDER BY city LIMIT 5")
            self.assertEqual(result.rows(), [("Belém", 3.0), ("Recife", 9.5)])
            self.assertEqual(result.columns, ["city", "total"])
            self.assertIsInstance(result.arrow(), pyarrow.Table)
            self.assertEqual(db.sql("SELECT tags FROM sales WHERE city = 'Recife'").value(), ["a", "b"])
            self.assertEqual(db.sql("SELECT COUNT(*) FROM sales a JOIN sales b ON a.city = b.city", multistage=True).value(), 2)

    def test_what_is_refused_is_an_exception(self):
        with touriga.connect(self.folder.name) as db:
            with self.assertRaisesRegex(touriga.Error, "TableDoesNotExist"):
                db.sql("SELECT COUNT(*) FROM nothing")
            with self.assertRaises(touriga.Error):
                db.add_table("{}")
        with self.assertRaisesRegex(touriga.Error, "closed"):
            db.sql("SELECT 1")

    def test_a_second_start_finds_its_rows(self):
        with touriga.connect(self.folder.name) as db:
            db.create("sales", SALES, time="at")
            db.ingest("sales", pyarrow.table({"city": ["Recife"], "total": [1.0], "tags": [["x"]], "at": [5]}))
        with touriga.connect(self.folder.name) as db:
            self.assertEqual(db.sql("SELECT COUNT(*) FROM sales").value(), 1)

    @unittest.skipUnless(os.environ.get("TOURIGA_TEST_KAFKA"), "TOURIGA_TEST_KAFKA names no stream")
    def test_a_live_stream_under_load(self):
        kafka, topic, wanted = os.environ["TOURIGA_TEST_KAFKA"], f"python-{os.getpid()}", 20_000
        stream = {"streamType": "kafka", "stream.kafka.topic.name": topic, "stream.kafka.broker.list": kafka,
                  "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
                  "stream.kafka.consumer.prop.auto.offset.reset": "smallest", "realtime.segment.flush.threshold.rows": "6000"}
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": kafka})
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
        producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})

        def produce():
            for number in range(wanted):
                producer.produce(topic, f'{{"city": "C{number % 9}", "total": {number % 50}, "tags": [], "at": {1_700_000_000_000 + number}}}')
                if number % 500 == 0:
                    producer.poll(0)
                    time.sleep(0.02)
            producer.flush(30)

        with touriga.connect(self.folder.name, kafka=kafka) as db:
            db.create("sales", SALES, time="at", stream=stream)
            failures, queries, seen, ended = [], [0], [0], threading.Event()

            def ask():
                while not ended.is_set():
                    try:
                        now = db.sql("SELECT COUNT(*) FROM sales").value()
                        seen[0] = max(seen[0], now)
                        queries[0] += 1
                    except touriga.Error as error:
                        failures.append(error)

            askers = [threading.Thread(target=ask) for _ in range(3)]
            writer = threading.Thread(target=produce)
            for thread in (*askers, writer):
                thread.start()
            writer.join()
            until = time.monotonic() + 30
            while seen[0] < wanted and time.monotonic() < until:
                time.sleep(0.05)
            ended.set()
            for thread in askers:
                thread.join()
            self.assertEqual(failures, [])
            self.assertEqual(seen[0], wanted)
            self.assertEqual(db.sql("SELECT SUM(total) FROM sales").value(), float(sum(number % 50 for number in range(wanted))))
            self.assertGreater(queries[0], 50)


if __name__ == "__main__":
    unittest.main()
