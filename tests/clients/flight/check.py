#!/usr/bin/env python3
"""ADBC's driver of Arrow Flight SQL against a running Touriga.

Usage: check.py FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
Knows the facts file and the client's public interface, nothing of Touriga's own code.
"""

import functools
import json
import pathlib
import sys

import adbc_driver_flightsql.dbapi as flight
import pyarrow

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import same

FACTS = json.load(open(sys.argv[1], encoding="utf-8"))
check = functools.partial(checks.check, "adbc-flightsql")
ADDRESS = f"grpc://127.0.0.1:{FACTS['flight']}"
ARROW = {"STRING": pyarrow.string(), "INT": pyarrow.int32(), "LONG": pyarrow.int64(), "FLOAT": pyarrow.float32(),
         "DOUBLE": pyarrow.float64()}


def connect():
    return flight.connect(ADDRESS, autocommit=True)


def answers(query):
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(query["sql"])
        table = cursor.fetch_arrow_table()
    kinds = [ARROW[kind] for kind in query["types"]]
    assert table.schema.names == query["columns"] and table.schema.types == kinds, table.schema
    got = [list(row.values()) for row in table.to_pylist()]
    assert len(got) == len(query["rows"]), f"{len(got)} rows, {len(query['rows'])} expected"
    for row, wanted in zip(got, query["rows"]):
        assert all(map(same, row, wanted)), f"{row}, {wanted} expected"


def types():
    wanted = FACTS["types"]
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(wanted['columns'])} {wanted['from']}")
        row = cursor.fetch_arrow_table().to_pylist()[0]
    expected = dict(zip(wanted["columns"], wanted["row"]))
    for name in ("int_col", "long_col", "float_col", "double_col", "str_col", "mv_int"):
        assert same(row[name], expected[name]), f"{name} is {row[name]!r}, {expected[name]!r} expected"
    assert json.loads(row["json_col"]) == expected["json_col"], row["json_col"]
    assert row["bytes_col"].hex() == expected["bytes_col"] and isinstance(row["bool_col"], bool), row
    assert row["ts_col"].tzinfo is not None, row["ts_col"]


def parameters():
    wanted = FACTS["parameter"]
    with connect() as connection, connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute("SELECT COUNT(*) FROM vendas WHERE estado = ? AND quantidade >= ?", (wanted["value"], 0))
            assert cursor.fetchone()[0] == wanted["count"]


def error(one):
    with connect() as connection, connection.cursor() as cursor:
        try:
            cursor.execute(one["sql"])
            cursor.fetchall()
        except Exception as raised:
            assert f"(code {one['code'][0]})" in str(raised), raised
        else:
            raise AssertionError("no error")


def tables():
    with connect() as connection:
        told = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
        info = connection.adbc_get_info()
    assert info["vendor_name"] == "Touriga", info
    schema = next(s for c in told for s in c["catalog_db_schemas"] if s["db_schema_name"] == "public")
    found = {t["table_name"]: [c["column_name"] for c in t["table_columns"]] for t in schema["db_schema_tables"]}
    wanted = {table: [name for name, _ in FACTS["columns"][table]] for table in FACTS["tables"]}
    assert {t: sorted(c) for t, c in found.items()} == {t: sorted(c) for t, c in wanted.items()}, found


def multi_stage():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT a.estado, COUNT(*) AS n FROM vendas a JOIN vendas b ON a.id_venda = b.id_venda GROUP BY a.estado")
        assert cursor.fetch_arrow_table().num_rows > 3


for query in FACTS["queries"]:
    check(f"query: {query['name']}", lambda: answers(query))
check("types: every value type", types)
check("query with parameters, prepared", parameters)
for one in FACTS["errors"]:
    check(f"error: {one['name']}", lambda: error(one))
check("tables and columns, name of the server", tables)
check("join", multi_stage)
sys.exit(1 if checks.failed else 0)
