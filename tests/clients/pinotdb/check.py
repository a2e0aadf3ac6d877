#!/usr/bin/env python3
"""The Python client `pinotdb` (DB-API and SQLAlchemy dialect) against a running Touriga.

Usage: check.py FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
Knows the facts file and the client's public interface, nothing of Touriga's own code.
"""

import asyncio
import datetime
import functools
import json
import pathlib
import sys
from urllib.parse import urlsplit

import pinotdb
from sqlalchemy import MetaData, Table, create_engine, func, inspect, literal_column, select

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import expect_rows, same

FACTS = json.load(open(sys.argv[1], encoding="utf-8"))
check = functools.partial(checks.check, "pinotdb")
BROKER = urlsplit(FACTS["broker"])


def connect(**options):
    return pinotdb.connect(host=BROKER.hostname, port=BROKER.port, path="/query/sql", scheme="http", **options)


def answers(query, **options):
    cursor = connect(**options).cursor()
    cursor.execute(query["sql"])
    got = [(one["name"], one["type"]) for one in cursor.schema]
    wanted = list(zip(query["columns"], query["types"]))
    assert got == wanted, f"columns {got}, {wanted} expected"
    expect_rows(cursor.fetchall(), query["rows"])
    total = cursor.query_stats["totalDocs"]
    assert total == query["totalDocs"], f"totalDocs {total}, {query['totalDocs']} expected"


def types():
    facts = FACTS["types"]
    cursor = connect().cursor()
    cursor.execute(f"SELECT {', '.join(facts['columns'])} {facts['from']}")
    row = cursor.fetchone()
    got = [one["type"] for one in cursor.schema]
    assert got == facts["types"], f"types {got}, {facts['types']} expected"
    for name, kind, value, wanted in zip(facts["columns"], facts["types"], row, facts["row"]):
        if kind == "TIMESTAMP":
            wanted = datetime.datetime.fromtimestamp(wanted // 1000, datetime.timezone.utc).replace(
                tzinfo=None, microsecond=wanted % 1000 * 1000)
        elif kind == "BIG_DECIMAL":  # the client hands out what it does not know as JSON text
            value = json.loads(value)
        ok = same(value, wanted)
        assert ok, f"{name} {kind} is {value!r}, {wanted!r} expected"


def parameters():
    cursor = connect().cursor()
    cursor.execute("SELECT COUNT(*) FROM vendas WHERE estado = %(estado)s", {"estado": FACTS["parameter"]["value"]})
    assert cursor.fetchone() == [FACTS["parameter"]["count"]]


def refuses(error, **options):
    cursor = connect(**options).cursor()
    try:
        cursor.execute(error["sql"])
    except pinotdb.exceptions.DatabaseError as raised:
        codes = [one["errorCode"] for one in cursor.raw_query_response["response"]["exceptions"]]
        assert any(code in error["code"] for code in codes), f"codes {codes}, {error['code']} expected: {raised}"
        return
    raise AssertionError(f"answered {cursor.fetchall()}, an error was expected")


def multi_stage():
    """Answered rightly, or refused so that the client raises: never a silent wrong answer."""
    query = FACTS["queries"][0]
    cursor = connect(use_multistage_engine=True).cursor()
    try:
        cursor.execute(query["sql"])
    except pinotdb.exceptions.DatabaseError:
        assert cursor.raw_query_response["status_code"] == 200
        return f"refused with {cursor.raw_query_response['response']['exceptions'][0]['errorCode']}"
    expect_rows(cursor.fetchall(), query["rows"])
    return "answered"


def asynchronous():
    async def ask(query):
        async with pinotdb.connect_async(host=BROKER.hostname, port=BROKER.port, path="/query/sql", scheme="http") as connection:
            cursor = await connection.execute(query["sql"])
            return cursor.fetchall()

    async def together():
        return await asyncio.gather(*map(ask, FACTS["queries"]))
    for query, rows in zip(FACTS["queries"], asyncio.run(together())):
        expect_rows(rows, query["rows"])


def engine():
    return create_engine(f"pinot://{BROKER.hostname}:{BROKER.port}/query/sql?controller={FACTS['controller']}/")


def tables():
    names = sorted(inspect(engine()).get_table_names())
    assert names == sorted(FACTS["tables"]), names


def columns():
    for table, wanted in FACTS["columns"].items():
        got = sorted(one["name"] for one in inspect(engine()).get_columns(table))
        assert got == sorted(name for name, _ in wanted), f"{table}: {got}"


def reflected():
    base = engine()
    table = Table("vendas", MetaData(), autoload_with=base)
    assert {one.name for one in table.columns} == {name for name, _ in FACTS["columns"]["vendas"]}
    return base, table


def dialect_select():
    base, table = reflected()
    query = FACTS["queries"][1]
    statement = select(*[table.c[name] for name in query["columns"]]).order_by(table.c.id_venda).limit(len(query["rows"]))
    with base.connect() as connection:
        expect_rows(plain(connection.execute(statement)), query["rows"])


def dialect_group():
    base, table = reflected()
    query = FACTS["queries"][2]
    count = func.count().label("n")
    statement = select(table.c.estado, count, func.sum(table.c.quantidade).label("total"))
    statement = statement.group_by(table.c.estado).order_by(func.count().desc(), table.c.estado).limit(len(query["rows"]))
    with base.connect() as connection:
        expect_rows(plain(connection.execute(statement)), query["rows"])


def plain(rows):
    """SQLAlchemy makes Decimal of DOUBLE columns."""
    return [[one if isinstance(one, (str, int)) else float(one) for one in row] for row in rows]


def has_table():
    look = inspect(engine())
    assert all(look.has_table(name) for name in FACTS["tables"]) and not look.has_table("nenhuma")


# What Superset puts around a time column; tests/clients/superset has Superset itself.
GRAINS = {"minute": "CAST(DATE_TRUNC('minute', CAST({} AS TIMESTAMP)) AS TIMESTAMP)",
          "5 minutes": "CAST(ROUND(DATE_TRUNC('minute', CAST({} AS TIMESTAMP)), 300000) AS TIMESTAMP)",
          "week": "CAST(DATE_TRUNC('week', CAST({} AS TIMESTAMP)) AS TIMESTAMP)",
          "quarter": "CAST(DATE_TRUNC('quarter', CAST({} AS TIMESTAMP)) AS TIMESTAMP)"}


def grains():
    base, table = reflected()
    for name, text in GRAINS.items():
        at = literal_column(text.format("data_venda"))
        statement = select(at.label("at"), func.count().label("n")).select_from(table).group_by(at).order_by(at).limit(1000)
        with base.connect() as connection:
            rows = [[round(one.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000), n] for one, n in connection.execute(statement)]
        expect_rows(rows, FACTS["grains"]["data_venda"][name])


def dialect_error():
    base = engine()
    try:
        with base.connect() as connection:
            connection.exec_driver_sql("SELECT nenhuma FROM vendas").fetchall()
    except Exception as raised:
        assert "nenhuma" in str(raised), raised
        return
    raise AssertionError("answered, an error was expected")


def unused_port():
    try:
        pinotdb.connect(host=BROKER.hostname, port=1, timeout=2).cursor().execute("SELECT 1")
    except Exception:
        return
    raise AssertionError("connected to a port nobody listens on")


check("DB-API connect, SELECT 1", lambda: connect().cursor().execute("SELECT 1"))
for one in FACTS["queries"]:
    check(f"query: {one['name']}", lambda: answers(one))
check("query with parameters", parameters)
check("types: every value type", types)
check("preserve_types (OPTION suffix)", lambda: answers(FACTS["queries"][1], preserve_types=True))
for one in FACTS["errors"]:
    check(f"error: {one['name']}", lambda: refuses(one))
check("asynchronous: every query at once", asynchronous)
check("multi-stage: right answer or an error", multi_stage)
check("multi-stage: error is an error",
      lambda: refuses({**FACTS["errors"][0], "code": FACTS["multistage_codes"]}, use_multistage_engine=True))
check("no broker is an error", unused_port)
check("SQLAlchemy: reflect tables", tables)
check("SQLAlchemy: reflect columns", columns)
check("SQLAlchemy: has_table", has_table)
check("SQLAlchemy: time grains", grains)
check("SQLAlchemy: select, order, limit", dialect_select)
check("SQLAlchemy: group, order by count", dialect_group)
check("SQLAlchemy: error is an error", dialect_error)
sys.exit(1 if checks.failed else 0)
