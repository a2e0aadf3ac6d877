"""Validates CSV files by rules: required columns, values, numbers, dates, unique keys, references. Rows that pass go on, the others into a report.

Must not know: where files come from or go. Invariant: every row is accepted or in the report with the first rule it breaks, never both.
Usage by itself: validate.py clients.csv transactions.csv
"""

import collections
import csv
import datetime
import sys
from dataclasses import dataclass, field

import report


@dataclass
class Rules:
    """What a file must hold."""
    key: str
    required: list
    whole: list = field(default_factory=list)
    decimal: list = field(default_factory=list)
    dates: list = field(default_factory=list)
    # column -> (what it points at, the keys that exist)
    references: dict = field(default_factory=dict)


@dataclass
class Complaint:
    file: str
    line: int
    rule: str
    column: str
    value: str


CLIENTS = Rules(key="id_cliente", required=["id_cliente", "nome", "idade", "cidade", "data_cadastro"], whole=["id_cliente", "idade"],
                dates=["data_cadastro"])
TRANSACTIONS = Rules(key="id_transacao", required=["id_transacao", "id_cliente", "categoria", "valor", "data"], whole=["id_cliente"],
                     decimal=["valor"], dates=["data"])


def fits(kind, text):
    try:
        kind(text)
    except ValueError:
        return False
    return True


def broken(rules, row, seen):
    """The first rule that a row breaks, and the column."""
    for column in rules.required:
        if not (row[column] or "").strip():
            return "value missing", column
    for columns, kind, rule in ((rules.whole, int, "number"), (rules.decimal, float, "number"), (rules.dates, datetime.date.fromisoformat, "date")):
        for column in columns:
            if not fits(kind, row[column]):
                return rule, column
    if row[rules.key] in seen:
        return "unique key", rules.key
    for column, (name, known) in rules.references.items():
        if row[column] not in known:
            return name, column
    return None


def check(path, rules):
    """Good rows, and complaints. A file without a required column has one complaint and no good row."""
    good, complaints, seen = [], [], set()
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [column for column in rules.required if column not in (reader.fieldnames or [])]
        if missing:
            return [], [Complaint(path.name, 1, "required column", ", ".join(missing), "")]
        for row in reader:
            found = broken(rules, row, seen)
            if found:
                complaints.append(Complaint(path.name, reader.line_num, *found, row[found[1]] or ""))
            else:
                seen.add(row[rules.key])
                good.append(row)
    return good, complaints


def check_both(folder):
    """Clients, then transactions, which must belong to a good client."""
    clients, client_complaints = check(folder / "clients.csv", CLIENTS)
    known = {row["id_cliente"] for row in clients}
    rules = Rules(**{**vars(TRANSACTIONS), "references": {"id_cliente": ("known client", known)}})
    transactions, transaction_complaints = check(folder / "transactions.csv", rules)
    return clients, transactions, client_complaints, transaction_complaints


def show(complaints, lines=6):
    counts = collections.Counter((one.file, one.rule, one.column) for one in complaints)
    report.table(["file", "rule", "column", "rows"], [[*place, count] for place, count in sorted(counts.items())])
    print()
    report.table(["file", "line", "rule", "column", "value"], [[one.file, str(one.line), one.rule, one.column, one.value] for one in complaints[:lines]])
    if len(complaints) > lines:
        print(f"  and {len(complaints) - lines:,} more")


def write(path, complaints):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "rule", "column", "value"])
        writer.writerows([one.file, one.line, one.rule, one.column, one.value] for one in complaints)


if __name__ == "__main__":
    import pathlib
    kinds = {"clients": CLIENTS, "transactions": TRANSACTIONS}
    everything = []
    for name in map(pathlib.Path, sys.argv[1:]):
        everything += check(name, kinds[name.stem.split("_")[0]])[1]
    show(everything)
    sys.exit(bool(everything))
