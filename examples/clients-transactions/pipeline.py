"""Clients and transactions from CSV: validated with a report, derived columns, aggregates by category, city and client, Parquet out.

Must not know: how the database calculates. Invariant: exits with 0 only where its aggregates are those of plain Python over the same rows.
"""

import collections
import csv
import json
import pathlib

import pyarrow
import pyarrow.parquet

import generate
import report
import validate
from database import Database, arguments

HERE = pathlib.Path(__file__).resolve().parent
AGGREGATES = {
    "by_category": "SELECT categoria, COUNT(*) AS transacoes, SUM(valor) AS total, AVG(valor) AS media FROM transacoes "
                   "GROUP BY categoria ORDER BY categoria LIMIT 100",
    "by_month": "SELECT ano, mes, COUNT(*) AS transacoes, SUM(valor) AS total FROM transacoes GROUP BY ano, mes ORDER BY ano, mes LIMIT 1000",
    "by_city": "SELECT c.cidade, COUNT(*) AS transacoes, SUM(t.valor) AS total FROM transacoes t JOIN clientes c "
               "ON t.id_cliente = c.id_cliente GROUP BY c.cidade ORDER BY c.cidade LIMIT 100",
    "by_age": "SELECT c.faixa_etaria, COUNT(*) AS transacoes, SUM(t.valor) AS total FROM transacoes t JOIN clientes c "
              "ON t.id_cliente = c.id_cliente GROUP BY c.faixa_etaria ORDER BY c.faixa_etaria LIMIT 100",
    "by_client": "SELECT t.id_cliente, c.nome, COUNT(*) AS transacoes, SUM(t.valor) AS total FROM transacoes t JOIN clientes c "
                 "ON t.id_cliente = c.id_cliente GROUP BY t.id_cliente, c.nome ORDER BY t.id_cliente LIMIT 100000",
}


def age_band(age):
    return "16-24" if age < 25 else "25-39" if age < 40 else "40-59" if age < 60 else "60+"


def expected(clients, transactions):
    """The same aggregates without a database."""
    people = {row["id_cliente"]: row for row in clients}
    sums = {name: collections.defaultdict(lambda: [0, 0.0]) for name in AGGREGATES}
    for row in transactions:
        client, value = people[row["id_cliente"]], float(row["valor"])
        year, month, _ = map(int, row["data"].split("-"))
        keys = {"by_category": (row["categoria"],), "by_month": (year, month), "by_city": (client["cidade"],),
                "by_age": (age_band(int(client["idade"])),), "by_client": (int(row["id_cliente"]), client["nome"])}
        for name, key in keys.items():
            sums[name][key][0] += 1
            sums[name][key][1] += value
    out = {name: [[*key, count, total] for key, (count, total) in sorted(groups.items())] for name, groups in sums.items()}
    out["by_category"] = [[*row, row[-1] / row[-2]] for row in out["by_category"]]
    return out


def load(base, name, rows, folder):
    config = json.loads((HERE / f"{name}.json").read_text())
    base.create(config["schema"], config["table"])
    path = folder / f"{name}_accepted.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    base.ingest_file(config["table"]["tableName"], path, "csv")
    return base.wait_for(f"SELECT COUNT(*) FROM {config['table']['tableName']}", len(rows), 60)


def read_back(base, path, rows):
    """Puts a Parquet file that was written into a table of its own, and asks it."""
    base.create({"schemaName": "por_cidade", "dimensionFieldSpecs": [{"name": "cidade", "dataType": "STRING"}],
                 "metricFieldSpecs": [{"name": "transacoes", "dataType": "LONG"}, {"name": "total", "dataType": "DOUBLE"}]},
                {"tableName": "por_cidade", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {}, "metadata": {},
                 "tableIndexConfig": {"loadMode": "MMAP"}})
    base.ingest_file("por_cidade", path, "parquet")
    base.wait_for("SELECT COUNT(*) FROM por_cidade", rows, 60)
    return base.rows("SELECT cidade, transacoes, total FROM por_cidade ORDER BY cidade LIMIT 100")


def main():
    parser = arguments(__doc__.splitlines()[0], rows=50000)
    options = parser.parse_args()
    out = options.out or HERE / "out"
    out.mkdir(parents=True, exist_ok=True)
    checks, client_count = report.Checks(), max(100, options.rows // 50)
    client_mistakes, transaction_mistakes = generate.make(out, client_count, options.rows, options.seed)
    report.head(f"validation of {client_count:,} clients and {options.rows:,} transactions")
    clients, transactions, client_complaints, transaction_complaints = validate.check_both(out)
    complaints = client_complaints + transaction_complaints
    validate.show(complaints)
    validate.write(out / "report.csv", complaints)
    refused, why = validate.check(out / "clients_without_city.csv", validate.CLIENTS)
    print(f"\n  clients_without_city.csv is refused: no column {why[0].column}; the whole report is {out}/report.csv")
    with Database(options, needs_stream=False) as base:
        checks.equal("clients accepted", load(base, "clients", clients, out), len(clients))
        checks.equal("transactions accepted", load(base, "transactions", transactions, out), len(transactions))
        wanted = expected(clients, transactions)
        for name, sql in AGGREGATES.items():
            columns, rows = base.sql(sql, multistage=" JOIN " in sql)
            checks.holds(f"aggregate {name}", report.near(rows, wanted[name]), f"{len(rows):,} rows")
            path = out / f"{name}.parquet"
            pyarrow.parquet.write_table(pyarrow.table({column: [row[at] for row in rows] for at, column in enumerate(columns)}), path)
            checks.equal(f"{path.name} read by pyarrow", pyarrow.parquet.read_table(path).num_rows, len(wanted[name]))
            if name in ("by_category", "by_age"):
                report.head(name.replace("_", " "))
                report.table(columns, rows)
        checks.holds("by_city.parquet read as a table", report.near(read_back(base, out / "by_city.parquet", len(wanted["by_city"])), wanted["by_city"]),
                     f"{len(wanted['by_city'])} rows")
        check_report(checks, client_mistakes, transaction_mistakes, client_complaints, transaction_complaints)
        checks.equal("a file without a column", (len(refused), why[0].rule), (0, "required column"))
        checks.finish()


def check_report(checks, client_mistakes, transaction_mistakes, client_complaints, transaction_complaints):
    """Every mistake that was put in must be found, and nothing else."""
    found = collections.Counter(one.rule for one in client_complaints)
    checks.equal("mistakes in clients", dict(found), client_mistakes)
    found = collections.Counter(one.rule for one in transaction_complaints)
    # Transactions of a client that was refused are refused too: only more of them.
    follow = found.pop("known client", 0)
    planned = transaction_mistakes.pop("known client")
    checks.equal("mistakes in transactions", dict(found), transaction_mistakes)
    checks.holds("transactions of unknown clients", follow >= planned, f"{follow} (at least {planned})")


if __name__ == "__main__":
    main()
