"""Change data capture of condominiums, residents, properties and transactions: raw, transformed and refined tables, with crashes.

Must not know: how the database replaces rows. Invariant: exits with 0 only where all three layers are what the source says.
"""

import json
import pathlib
import subprocess
import sys
import time
from decimal import Decimal

import report
import tables
import topics
from database import Database, arguments
from source import TABLES, Source, topic

HERE = pathlib.Path(__file__).resolve().parent


class Refine:
    """The process that keeps the refined table; dies and begins again."""

    def __init__(self, base, out):
        self.base, self.checkpoint, self.process = base, out / "checkpoint.json", None
        self.checkpoint.unlink(missing_ok=True)

    def begin(self, die_in_round=0):
        self.process = subprocess.Popen([sys.executable, HERE / "refine.py", "--broker", self.base.broker, "--kafka", self.base.kafka,
                                         "--checkpoint", self.checkpoint, "--die-in-round", str(die_in_round)])

    def reached(self):
        return json.loads(self.checkpoint.read_text()) if self.checkpoint.exists() else {}

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def send(writer, envelopes, rate):
    pace = topics.Pace(rate)
    for name, key, value in envelopes:
        writer.write(name, value, key=json.dumps(key))
        pace.step()
    writer.finish()


def until_died(refine, change, seconds=120):
    """Waits for the refining to crash. On a slow machine it may look too seldom to have a third round, unless there is always a change."""
    until = time.monotonic() + seconds
    while refine.process.poll() is None and time.monotonic() < until:
        time.sleep(0.5)
        change()
    return refine.process.wait(1)


def live(base, source, writer, refine, options):
    """The snapshot, changes, a crash of the refining, a crash of the database, more changes."""
    report.head("snapshot")
    sizes = {"condominios": max(5, options.rows // 200), "moradores": options.rows // 10, "imoveis": options.rows // 15, "transacoes": options.rows // 4}
    send(writer, source.snapshot(sizes), 0)
    print(f"  {sum(sizes.values()):,} rows read")
    report.head("changes, and crashes")
    refine.begin(die_in_round=3)
    send(writer, source.changes(options.rows // 3), options.rate)
    died = until_died(refine, lambda: send(writer, source.changes(1), 0))
    print(f"  {options.rows // 3:,} changes; the refining ended with {died}")
    before = refine.reached()
    refine.begin()
    if "roles" in base.processes:
        base.kill()
        print("  the database was killed; changes go on", flush=True)
    send(writer, source.changes(options.rows // 3), options.rate)
    if "roles" in base.processes:
        begun = time.monotonic()
        base.launch_roles()
        print(f"  the database is back after {(time.monotonic() - begun) * 1000:.0f} ms", flush=True)
        # It may be asked at the same address.
    send(writer, source.changes(options.rows - 2 * (options.rows // 3)), options.rate)
    return died, before


def wait_until_refined(refine, source, seconds=120):
    until = time.monotonic() + seconds
    while refine.reached() != source.last_lsn and time.monotonic() < until:
        if refine.process.poll() is not None:
            break
        time.sleep(0.2)
    return refine.reached()


def summary(source):
    """What the refined table must hold."""
    out = {id: [id, row["nome"], row["cidade"], 0, 0, 0, Decimal(0), Decimal(0)] for id, row in source.rows["condominios"].items()}
    for at, table in ((3, "moradores"), (4, "imoveis"), (5, "transacoes")):
        for row in source.rows[table].values():
            line = out.get(row["condominio_id"])
            if line is None:
                continue
            line[at] += 1
            if table == "transacoes":
                line[6 if row["tipo"] == "RECEITA" else 7] += Decimal(row["valor"])
    return [[*line[:6], float(line[6]), float(line[7])] for _, line in sorted(out.items())]


def check_transformed(base, checks, source, table):
    columns = ["id", *tables.COLUMNS[table]]
    wanted = [[row[column] for column in columns] for _, row in sorted(source.rows[table].items())]
    found = base.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id LIMIT 1000000")
    if "valor" in columns:
        # A decimal is what it is worth: 10.50 and 10.5 are one.
        at = columns.index("valor")
        found, wanted = ([[*row[:at], Decimal(str(row[at])), *row[at + 1:]] for row in rows] for rows in (found, wanted))
    checks.holds(f"{table}: every row and column", found == wanted, f"{len(found):,} of {len(wanted):,} rows")


def check(base, checks, source, refine, reached, died, before):
    for table in TABLES:
        base.wait_for(f"SELECT COUNT(*) FROM raw_{table}", sum(source.counts[table].values()), 60)
        found = {op: count for op, count in base.rows(f"SELECT op, COUNT(*) FROM raw_{table} GROUP BY op LIMIT 10")}
        checks.equal(f"raw_{table}: changes by kind", dict(sorted(found.items())), dict(sorted((op, n) for op, n in source.counts[table].items() if n)))
    for table in TABLES:
        check_transformed(base, checks, source, table)
    total = sum(Decimal(row["valor"]) for row in source.rows["transacoes"].values())
    checks.equal("transacoes: exact sum", Decimal(base.value("SELECT SUMPRECISION(valor) FROM transacoes")), total)
    checks.equal("the checkpoint is the end of the log", reached, source.last_lsn)
    wanted = summary(source)
    base.wait_for(f"SELECT COUNT(*) FROM {tables.REFINED}", len(wanted), 30)
    sql = f"SELECT id, nome, cidade, moradores, imoveis, transacoes, receita, despesa FROM {tables.REFINED} ORDER BY id LIMIT 1000000"
    checks.holds("refined: every row and column", report.near(base.rows(sql), wanted), f"{len(wanted):,} rows")
    checks.equal("the refining died once, in the middle", died, 9)
    checks.holds("and went on from its checkpoint", before and before != reached, f"{sum(before.values())} -> {sum(reached.values())}")
    deleted = next((id for id in range(1, source.last_id["condominios"] + 1) if id not in source.rows["condominios"]), None)
    if deleted is not None:
        history = base.rows(f"SELECT op FROM raw_condominios WHERE antes = {deleted} OR depois = {deleted} ORDER BY lsn LIMIT 1000")
        checks.equal(f"condominium {deleted}, deleted: the raw table knows", history[-1:], [["d"]])


def show(base, source):
    report.head("layers")
    rows = []
    for table in TABLES:
        counts = source.counts[table]
        rows.append([table, counts["r"], counts["c"], counts["u"], counts["d"], base.value(f"SELECT COUNT(*) FROM raw_{table}"),
                     base.value(f"SELECT COUNT(*) FROM {table}")])
    report.table(["table", "snapshot", "inserts", "updates", "deletes", "raw rows", "rows now"], rows)
    report.head("refined")
    report.table(*base.sql(f"SELECT id, nome, cidade, moradores, imoveis, transacoes, receita, despesa, receita - despesa AS saldo "
                           f"FROM {tables.REFINED} ORDER BY saldo DESC LIMIT 5"))


def main():
    parser = arguments(__doc__.splitlines()[0], rows=9000)
    parser.add_argument("--rate", type=float, default=1500, help="changes a second (default 1500)")
    options = parser.parse_args()
    out = options.out or HERE / "out"
    out.mkdir(parents=True, exist_ok=True)
    checks, source = report.Checks(), Source(options.seed)
    with Database(options) as base:
        topics.make(base.kafka, {**{topic(table): 1 for table in TABLES}, tables.REFINED_TOPIC: 2}, options.recreate_topics)
        for schema, table in [*(tables.raw(name, base.kafka) for name in TABLES), *(tables.transformed(name, base.kafka) for name in TABLES),
                              tables.refined(base.kafka)]:
            base.create(schema, table)
        refine = Refine(base, out)
        try:
            died, before = live(base, source, topics.Writer(base.kafka), refine, options)
            reached = wait_until_refined(refine, source)
            show(base, source)
            check(base, checks, source, refine, reached, died, before)
        finally:
            refine.end()
        checks.finish()


if __name__ == "__main__":
    main()
