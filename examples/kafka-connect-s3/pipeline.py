"""Kafka Connect: what its S3 sink writes, read back as a table beside the live topic; the stock_transactions table and query.

Must not know: how files become segments. Invariant: exits with 0 only where the live table, the archive and the generator agree.
"""

import json
import pathlib
import random
import re
import shutil
import subprocess
import time

import pyarrow.parquet

import report
import sink
import topics
from database import Database, arguments, find_binary

HERE = pathlib.Path(__file__).resolve().parent
TOPIC = "topico-processado"
PARTITIONS = 2
SYMBOLS = ["PETR4", "VALE3", "ITUB4", "BBDC4", "ABEV3", "WEGE3", "MGLU3", "AAPL", "MSFT", "NVDA", "AMZN", "GOOG"]
# Two hours before the time that the query asks for.
BEGIN_MS = 1_680_000_000_000 - 2 * 3_600_000
HOURS = 8


def trades(rows, seed):
    """Trades over eight hours, in the order of their time."""
    choose = random.Random(seed)
    for number in range(rows):
        yield {"id": number, "user_id": choose.randrange(1, 500), "symbol": choose.choices(SYMBOLS, weights=range(len(SYMBOLS), 0, -1))[0],
               "shares": choose.randrange(1, 500), "purchase": round(choose.uniform(5, 900), 2),
               "update_at": BEGIN_MS + number * HOURS * 3_600_000 // rows}


def read(name, **values):
    text = (HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"${{{key}}}", value)
    return json.loads(text)


def write_files(base, root, rows):
    """Runs the sink twice: the first dies in the middle, the second goes on where the first had committed."""
    # Of this run alone: what an earlier one committed says nothing about this topic.
    group = f"connect-{TOPIC}-s3-{time.time_ns()}"
    first = sink.Sink(base.kafka, TOPIC, root, 500, group)
    taken = first.run(rows // 3)
    lost = sum(len(file.rows) for file in first.open.values())
    first.stop(flush=False)
    print(f"  the first sink took {taken:,} messages, wrote {first.rows:,} of them into {first.files} files, and died with {lost:,} unwritten")
    second = sink.Sink(base.kafka, TOPIC, root, 500, group)
    second.run()
    second.stop(flush=True)
    print(f"  the second took up where the first had committed and wrote {second.rows:,} messages into {second.files} files")


def files_of(root):
    """Every file: folder, partition, first offset, rows."""
    out = []
    for path in sorted(root.rglob("*.parquet")):
        _, partition, offset = re.fullmatch(r"(.+)\+(\d+)\+(\d+)\.snappy\.parquet", path.name).groups()
        out.append((str(path.parent.relative_to(root / TOPIC)), int(partition), int(offset), pyarrow.parquet.read_metadata(path).num_rows))
    return out


def gaps(files):
    """Where a file does not begin where the one before it ended."""
    ends, found = {}, 0
    for _, partition, offset, rows in sorted(files, key=lambda file: file[1:]):
        found += offset != ends.get(partition, 0)
        ends[partition] = offset + rows
    return found, sum(ends.values())


def expected(rows):
    totals = {}
    for row in rows:
        if row["update_at"] >= 1_680_000_000_000:
            totals[row["symbol"]] = totals.get(row["symbol"], 0) + row["shares"]
    return [[name, float(shares)] for name, shares in sorted(totals.items(), key=lambda item: -item[1])[:10]]


def check(base, checks, produced, files, hours):
    checks.equal("live rows", base.value("SELECT COUNT(*) FROM stock_transactions"), len(produced))
    checks.equal("rows in files, and gaps between their offsets", gaps(files), (0, len(produced)))
    checks.equal("archived rows", base.value("SELECT COUNT(*) FROM stock_archive"), len(produced))
    sql, wanted = (HERE / "stock_transactions.sql").read_text(), expected(produced)
    columns, live = base.sql(sql)
    checks.equal("the printed query, live", live, wanted)
    checks.equal("the printed query, archive", base.rows(sql.replace("stock_transactions", "stock_archive")), wanted)
    found = base.rows('SELECT "year", "month", "day", "hour", COUNT(*) FROM stock_archive GROUP BY "year", "month", "day", "hour" '
                      'ORDER BY "year", "month", "day", "hour" LIMIT 1000')
    seen = {f"year={year:04d}/month={month:02d}/day={day:02d}/hour={hour:02d}": count for year, month, day, hour, count in found}
    checks.equal("rows by hour are those of the folders", seen, hours)
    same = "SELECT COUNT(*) FROM stock_transactions l JOIN stock_archive a ON l.id = a.id WHERE l.shares = a.shares AND l.update_at = a.update_at"
    checks.equal("live rows that the archive has too (join)", base.value(same, multistage=True), len(produced))
    lookup = "SELECT symbol, shares, purchase FROM stock_archive WHERE id = 77"
    checks.equal("one trade", base.rows(lookup), [[produced[77]["symbol"], produced[77]["shares"], produced[77]["purchase"]]])
    report.head("the printed query")
    print("  " + sql.strip().replace("\n", "\n  ") + "\n")
    report.table(columns, live)


def main():
    options = arguments(__doc__.splitlines()[0], rows=20000).parse_args()
    out = options.out or HERE / "out"
    root = out / "bucket" / "topics"
    shutil.rmtree(out / "bucket", ignore_errors=True)
    root.mkdir(parents=True)
    checks, produced = report.Checks(), list(trades(options.rows, options.seed))
    with Database(options) as base:
        topics.make(base.kafka, {TOPIC: PARTITIONS}, options.recreate_topics)
        base.create(read("stock_transactions.schema.json"), read("stock_transactions.table.json", KAFKA=base.kafka))
        # The printed table names no offset to begin at: it begins at the end, so it must be there first.
        base.wait_for("SELECT COUNT(*) FROM stock_transactions", 0, 30)
        report.head(f"{options.rows:,} trades into {TOPIC}, and out of it as the S3 sink writes them")
        writer = topics.Writer(base.kafka)
        for trade in produced:
            writer.write(TOPIC, trade, key=trade["symbol"])
        writer.finish()
        write_files(base, root, options.rows)
        files, hours = files_of(root), {}
        for folder, _, _, rows in files:
            hours[folder] = hours.get(folder, 0) + rows
        print()
        report.table(["folder", "files", "rows"], [[folder, sum(file[0] == folder for file in files), rows] for folder, rows in hours.items()])
        base.create(read("archive.schema.json"), read("archive.table.json"))
        command = [find_binary(options.binary), "LaunchDataIngestionJob", "-jobSpecFile", HERE / "job.yaml", "-values",
                   f"folder={root / TOPIC}", f"controller={base.controller}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        report.head("read back by LaunchDataIngestionJob: " + (done.stdout.strip().splitlines() or ["nothing"])[-1])
        if done.returncode:
            print(done.stderr)
        base.wait_for("SELECT COUNT(*) FROM stock_archive", options.rows, 60)
        base.wait_for("SELECT COUNT(*) FROM stock_transactions", options.rows, 60)
        checks.equal("the ingestion job ends well", done.returncode, 0)
        check(base, checks, produced, files, hours)
        checks.finish()


if __name__ == "__main__":
    main()
