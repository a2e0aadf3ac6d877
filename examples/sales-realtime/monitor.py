"""Makes schema and table of the sales, then watches rows arrive: rows, rows a second, freshness, lag by partition.

Must not know: the generator. Invariant: ends with success once the rows that were asked for are there, with failure after the time.
"""

import argparse
import json
import pathlib
import sys
import time

import database

HERE = pathlib.Path(__file__).resolve().parent
TABLE = "vendas_tempo_real"


def create(controller, kafka):
    schema = json.loads((HERE / "schema.json").read_text())
    table = json.loads((HERE / "table.json").read_text().replace("${KAFKA}", kafka))
    database.create(controller, schema, table)


def segments(controller):
    """How many segments are sealed, how many consume, and the lag of the partitions."""
    info = database.ask("GET", f"{controller}/tables/{TABLE}/consumingSegmentsInfo")
    consuming = info.get("_segmentToConsumingInfoMap", {})
    lags = [int(lag) for servers in consuming.values() for server in servers
            for lag in server.get("partitionOffsetInfo", {}).get("recordsLagMap", {}).values() if str(lag).isdigit()]
    every = database.ask("GET", f"{controller}/segments/{TABLE}?type=REALTIME")
    names = every[0]["REALTIME"] if every else []
    return len(names) - len(consuming), len(consuming), sum(lags) if lags else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--controller", default="http://localhost:9000")
    parser.add_argument("--broker", default="http://localhost:8099")
    parser.add_argument("--kafka", default="localhost:9092")
    parser.add_argument("--until", type=int, help="ends when so many rows are there; never where not given")
    parser.add_argument("--seconds", type=float, default=300, help="gives up after so long (with --until)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks")
    options = parser.parse_args()
    create(options.controller, options.kafka)
    print(f"  table {TABLE} consumes vendas-tempo-real of {options.kafka}", flush=True)
    print(f"  {'rows':>10}  {'rows/s':>8}  {'freshness ms':>12}  {'lag':>8}  {'sealed':>6}  {'consuming':>9}", flush=True)
    begun, last_time, last_rows = time.monotonic(), time.monotonic(), 0
    while True:
        time.sleep(options.every)
        [[rows, newest]] = database.query(options.broker, f"SELECT COUNT(*), MAX(data_venda) FROM {TABLE}")[1]
        now, sealed_lag = time.monotonic(), segments(options.controller)
        fresh = f"{max(0, time.time() * 1000 - newest):,.0f}" if rows else "-"
        lag = "-" if sealed_lag[2] is None else f"{sealed_lag[2]:,}"
        print(f"  {rows:>10,}  {(rows - last_rows) / (now - last_time):>8,.0f}  {fresh:>12}  {lag:>8}  {sealed_lag[0]:>6}  {sealed_lag[1]:>9}",
              flush=True)
        last_time, last_rows = now, rows
        if options.until is not None and rows >= options.until:
            return
        if options.until is not None and now - begun > options.seconds:
            sys.exit(f"{rows} of {options.until} rows after {options.seconds:.0f} s")


if __name__ == "__main__":
    main()
