"""An e-commerce file replayed as a stream: acknowledgements and lag measured, rows found again by `UserID#TransactionID`.

Must not know: how the database finds a key. Invariant: exits with 0 only where every key has exactly the row that was sent last.
"""

import json
import pathlib
import random
import sys
import threading
import time
from decimal import ROUND_HALF_UP, Decimal

import report
import topics
import transactions
from database import Database, Refused, arguments, query

HERE = pathlib.Path(__file__).resolve().parent
TOPIC = "ecommerce-transactions"
PARTITIONS = 4
# Of so many rows, one is sent again with another price: the last one counts.
CORRECTED = 50


class Watch(threading.Thread):
    """Looks at the table while the replay runs: how many messages it is behind, and how old its newest row is."""

    def __init__(self, broker, writer, show):
        super().__init__(daemon=True)
        self.broker, self.writer, self.show = broker, writer, show
        self.ended, self.lags, self.ages, self.failures = threading.Event(), [], [], 0

    def run(self):
        begun, shown = time.monotonic(), 0.0
        while not self.ended.wait(0.05):
            acked = self.writer.acked
            try:
                # Replaced rows count here: they were messages too.
                [[rows, newest]] = query(self.broker, "SELECT COUNT(*), MAX(sent_ms) FROM ecommerce", skipUpsert="true")[1]
            except (Refused, OSError):
                self.failures += 1
                continue
            if not rows:
                continue
            self.lags.append(max(0, acked - rows))
            self.ages.append(max(0.0, time.time() * 1000 - newest))
            if self.show and time.monotonic() - begun - shown >= 1:
                shown = time.monotonic() - begun
                print(f"  {shown:>7.1f}  {self.writer.sent:>8,}  {acked:>8,}  {rows:>8,}  {self.lags[-1]:>5,}  {self.ages[-1]:>12,.0f}", flush=True)


def replay(base, path, options):
    """Sends the file; every so many rows a correction. The last row of each key, and what was measured."""
    writer, pace, last = topics.Writer(base.kafka), topics.Pace(options.rate), {}
    choose = random.Random(options.seed)
    watch = Watch(base.broker, writer, True)
    watch.start()
    print(f"  {'seconds':>7}  {'sent':>8}  {'acked':>8}  {'visible':>8}  {'lag':>5}  {'freshness ms':>12}")
    sent_ms = 0
    for row in transactions.read(path):
        copies = [row]
        if choose.randrange(CORRECTED) == 0:
            copies.append({**row, "Price": round(row["Price"] * choose.uniform(0.8, 1.2), 2)})
        for copy in copies:
            # What decides between two rows of a key never stands still.
            sent_ms = max(sent_ms + 1, int(time.time() * 1000)) if len(copies) > 1 else max(sent_ms, int(time.time() * 1000))
            message = {**copy, "sent_ms": sent_ms}
            last[transactions.key(row)] = message
            writer.write(TOPIC, message, key=row["UserID"])
            pace.step()
    writer.finish()
    behind = time.monotonic()
    seen = base.wait_for("SELECT COUNT(*) FROM ecommerce", writer.sent, 120, skipUpsert="true")
    behind = (time.monotonic() - behind) * 1000
    watch.ended.set()
    watch.join()
    return writer, watch, last, seen, behind


def final_price(row):
    price = Decimal(str(row["Price"])) * (100 - row["Discount"]) / 100
    return float(price.quantize(Decimal("0.01"), ROUND_HALF_UP))


def look_up(base, last, count, seed):
    """Asks for keys, one at a time: how many were right, and how long each took."""
    picked = random.Random(seed + 1).sample(sorted(last), min(count, len(last)))
    right, times = 0, []
    for key in picked:
        begun = time.perf_counter()
        rows = base.rows(f"SELECT UserID, TransactionID, ProductID, Category, Price, FinalPrice FROM ecommerce WHERE row_key = '{key}'")
        times.append((time.perf_counter() - begun) * 1000)
        row = last[key]
        wanted = [[row["UserID"], row["TransactionID"], row["ProductID"], row["Category"], row["Price"], final_price(row)]]
        # Half a cent: a price such as 12.345 lies between two doubles.
        right += report.near(rows, wanted, 0.0051)
    return len(picked), right, times


def check(base, checks, writer, watch, last, seen, options):
    checks.equal("messages acknowledged", writer.acked, writer.sent)
    checks.equal("messages in the table (skipUpsert)", seen, writer.sent)
    checks.equal("keys", base.value("SELECT COUNT(*) FROM ecommerce"), len(last))
    checks.equal("different keys", base.value("SELECT DISTINCTCOUNT(row_key) FROM ecommerce"), len(last))
    checks.close("price of all", base.value("SELECT SUM(Price) FROM ecommerce"), sum(row["Price"] for row in last.values()))
    groups = {}
    for row in last.values():
        count, price = groups.get(row["Category"], (0, 0.0))
        groups[row["Category"]] = (count + 1, price + row["Price"])
    found = base.rows("SELECT Category, COUNT(*), SUM(Price) FROM ecommerce GROUP BY Category ORDER BY Category LIMIT 100")
    checks.holds("count and price by category", report.near(found, [[name, *groups[name]] for name in sorted(groups)]), f"{len(found)} rows")
    asked, right, times = look_up(base, last, options.lookups, options.seed)
    checks.equal("point look-ups with the right row", right, asked)
    missing = base.rows("SELECT row_key FROM ecommerce WHERE row_key = 'nobody#0'")
    checks.equal("a key that was never sent", missing, [])
    user = next(iter(last.values()))["UserID"]
    wanted = sum(row["UserID"] == user for row in last.values())
    checks.equal("rows of one user by key range", base.value(f"SELECT COUNT(*) FROM ecommerce WHERE row_key BETWEEN '{user}#' AND '{user}$'"), wanted)
    checks.equal("queries that failed during the replay", watch.failures, 0)
    return times


def main():
    parser = arguments(__doc__.splitlines()[0], rows=20000)
    parser.add_argument("--rate", type=float, default=2000, help="rows a second; 0 is as fast as it goes (default 2000)")
    parser.add_argument("--csv", type=pathlib.Path, help="a file to replay in place of a generated one")
    parser.add_argument("--lookups", type=int, default=500, help="how many keys are looked up (default 500)")
    options = parser.parse_args()
    out = options.out or HERE / "out"
    out.mkdir(parents=True, exist_ok=True)
    path = options.csv or out / "transactions.csv"
    if options.csv is None:
        transactions.write(path, options.rows, options.seed)
    checks = report.Checks()
    with Database(options) as base:
        topics.make(base.kafka, {TOPIC: PARTITIONS}, options.recreate_topics)
        base.create(json.loads((HERE / "schema.json").read_text()), json.loads((HERE / "table.json").read_text().replace("${KAFKA}", base.kafka)))
        report.head(f"replay of {path.name} at {options.rate:,.0f} rows a second")
        try:
            writer, watch, last, seen, behind = replay(base, path, options)
        except ValueError as error:
            sys.exit(str(error))
        times = check(base, checks, writer, watch, last, seen, options)
        report.head("metrics")
        measured = [("acknowledgement, ms", writer.delays_ms), ("freshness, ms", watch.ages), ("lag, messages", watch.lags), ("point look-up, ms", times)]
        report.table(["", "samples", "p50", "p95", "p99", "max"],
                     [[name, len(values), *(float(report.percentile(values, share)) for share in (0.5, 0.95, 0.99, 1.0))] for name, values in measured])
        print(f"  everything visible {behind:.0f} ms after the last acknowledgement")
        report.head("one key")
        report.table(*base.sql(f"SELECT row_key, Category, Price, Discount, FinalPrice, PurchaseDate FROM ecommerce WHERE row_key = '{sorted(last)[0]}'"))
        checks.finish()


if __name__ == "__main__":
    main()
