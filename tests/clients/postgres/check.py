#!/usr/bin/env python3
"""Clients of Postgres (psycopg 3, SQLAlchemy's dialect, psql) against a running Touriga.

Usage: check.py FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
Knows the facts file and the clients' public interfaces, nothing of Touriga's own code.
"""

import datetime
import decimal
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import psycopg
from sqlalchemy import MetaData, Table, create_engine, func, inspect, select

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import check, expect_rows, same

FACTS = json.load(open(sys.argv[1], encoding="utf-8"))
PORT = FACTS["postgres"]
ADDRESS = f"host=127.0.0.1 port={PORT} user=someone dbname=touriga"
STATES = {710: "42703", 190: "42P01", 150: "42601"}


def answers(query, binary):
    with psycopg.connect(ADDRESS, autocommit=True) as connection:
        cursor = connection.cursor(binary=binary)
        cursor.execute(query["sql"])
        names = [one.name for one in cursor.description]
        assert names == query["columns"], f"columns {names}, {query['columns']} expected"
        expect_rows(cursor.fetchall(), query["rows"])


def parameters():
    wanted = FACTS["parameter"]
    with psycopg.connect(ADDRESS) as connection:
        # The sixth time psycopg prepares the statement.
        for _ in range(7):
            cursor = connection.execute("SELECT COUNT(*) FROM vendas WHERE estado = %s AND quantidade >= %s", (wanted["value"], 0))
            assert cursor.fetchone()[0] == wanted["count"]
        cursor = connection.execute("SELECT COUNT(*) FROM vendas WHERE estado = ANY(%s)", ([wanted["value"], "XX"],))
        assert cursor.fetchone()[0] == wanted["count"]


def types(binary):
    wanted = FACTS["types"]
    with psycopg.connect(ADDRESS) as connection:
        cursor = connection.cursor(binary=binary)
        cursor.execute(f"SELECT {', '.join(wanted['columns'])} {wanted['from']}", prepare=True)
        row = dict(zip(wanted["columns"], cursor.fetchone()))
    expected = dict(zip(wanted["columns"], wanted["row"]))
    for name in ("int_col", "long_col", "float_col", "double_col", "str_col", "json_col", "mv_int"):
        assert same(row[name], expected[name]), f"{name} is {row[name]!r}, {expected[name]!r} expected"
    assert row["big_col"] == decimal.Decimal(str(expected["big_col"])), row["big_col"]
    assert isinstance(row["bool_col"], bool) and isinstance(row["ts_col"], datetime.datetime), row
    assert bytes(row["bytes_col"]).hex() == expected["bytes_col"], row["bytes_col"]


def errors(one):
    with psycopg.connect(ADDRESS, autocommit=True) as connection:
        try:
            connection.execute(one["sql"])
        except psycopg.Error as error:
            assert error.sqlstate == STATES[one["code"][0]], f"{error.sqlstate}: {error}"
            assert f"(code {one['code'][0]})" in str(error), error
        else:
            raise AssertionError("no error")
        assert connection.execute("SELECT COUNT(*) FROM vendas").fetchone()[0] > 0


def session():
    with psycopg.connect(ADDRESS, autocommit=True) as connection:
        connection.execute("SET useMultistageEngine = true")
        assert connection.execute("SHOW useMultistageEngine").fetchone()[0] == "true"
        cursor = connection.execute("SELECT a.estado, COUNT(*) FROM vendas a JOIN vendas b ON a.id_venda = b.id_venda "
                                    "GROUP BY a.estado ORDER BY 2 DESC LIMIT 3")
        assert len(cursor.fetchall()) == 3
        connection.execute("RESET ALL")
    with psycopg.connect(ADDRESS) as connection:
        with connection.transaction():
            assert connection.execute("SELECT COUNT(*) FROM vendas").fetchone()[0] > 0


def cursor():
    with psycopg.connect(ADDRESS) as connection:
        with connection.cursor(name="part") as part:
            part.execute("SELECT id_venda FROM vendas LIMIT 250")
            assert (len(part.fetchmany(100)), len(part.fetchall())) == (100, 150)


def engine():
    return create_engine(f"postgresql+psycopg://someone@127.0.0.1:{PORT}/touriga")


def reflected_columns():
    table = Table("vendas", MetaData(), autoload_with=engine())
    names = [column.name for column in table.columns]
    wanted = [name for name, _ in FACTS["columns"]["vendas"]]
    assert sorted(names) == sorted(wanted), f"columns {names}, {wanted} expected"
    inspected = inspect(engine())
    assert inspected.get_pk_constraint("vendas")["constrained_columns"] == []
    assert inspected.get_indexes("vendas") == [] and inspected.get_foreign_keys("vendas") == []


def reflected_tables():
    names = inspect(engine()).get_table_names()
    assert sorted(names) == FACTS["tables"], f"tables {names}"


def alchemy(statement_of, query):
    table = Table("vendas", MetaData(), autoload_with=engine())
    with engine().connect() as connection:
        expect_rows(connection.execute(statement_of(table)).fetchall(), query["rows"])


def group(table):
    columns = (table.c.estado, func.count().label("n"), func.sum(table.c.quantidade).label("total"))
    return select(*columns).group_by(table.c.estado).order_by(func.count().desc(), table.c.estado).limit(5)


def psql(*commands):
    command = ["psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", ADDRESS]
    for one in commands:
        command += ["-c", one]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{FACTS['controller']}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def counted(wanted):
    for _ in range(400):
        with psycopg.connect(ADDRESS, autocommit=True) as connection:
            if connection.execute("SELECT COUNT(*) FROM entradas").fetchone()[0] == wanted:
                return
        time.sleep(0.05)
    raise AssertionError(f"{wanted} rows did not come")


def taken():
    """Rows by INSERT and COPY into a table that goes away again."""
    fields = [{"name": "nome", "dataType": "STRING"}, {"name": "n", "dataType": "INT"}, {"name": "at", "dataType": "TIMESTAMP"},
              {"name": "marcas", "dataType": "STRING", "singleValueField": False}]
    asked("POST", "/schemas", {"schemaName": "entradas", "dimensionFieldSpecs": fields})
    asked("POST", "/tables", {"tableName": "entradas", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {},
                              "tableIndexConfig": {}, "metadata": {}})
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9, 123000)
    try:
        time.sleep(1)
        with psycopg.connect(ADDRESS, autocommit=True) as connection:
            sql = "INSERT INTO entradas (nome, n, at, marcas) VALUES (%s, %s, %s, %s)"
            assert connection.execute(sql, ("it's", 7, moment, ["a b", "c"])).rowcount == 1
            cursor = connection.cursor()
            cursor.executemany(sql, [("zwei", 8, None, []), ("drei", 9, moment, ["x"])])
            with cursor.copy("COPY entradas (nome, n) FROM STDIN") as copy:
                copy.write_row(("tab\there", 10))
                copy.write_row((None, 11))
            assert cursor.rowcount == 2, cursor.rowcount
            try:
                connection.execute("INSERT INTO entradas (n) VALUES (1), ('x')")
            except psycopg.errors.InvalidTextRepresentation as error:
                assert "row 2, column `n`" in str(error), error
            else:
                raise AssertionError("no error")
        counted(5)
        with psycopg.connect(ADDRESS, autocommit=True) as connection:
            row = connection.execute("SELECT nome, at, marcas FROM entradas WHERE n = 7").fetchone()
            assert row == ("it's", moment, ["a b", "c"]), row
            assert connection.execute("SELECT nome FROM entradas WHERE n = 10").fetchone()[0] == "tab\there"
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write('nome,n\n"a, ""b""",12\nc,13\n')
            file.flush()
            assert "COPY 2" in psql(f"\\copy entradas (nome, n) FROM '{file.name}' CSV HEADER")
        assert "INSERT 0 1" in psql("INSERT INTO entradas (nome, n) VALUES ('psql', 14)")
        counted(8)
    finally:
        asked("DELETE", "/tables/entradas")
        asked("DELETE", "/schemas/entradas")


def psql_lists():
    listed = psql("\\dt")
    for table in FACTS["tables"]:
        assert f"public|{table}|table|someone" in listed, listed
    told = psql("\\d vendas")
    for name, _ in FACTS["columns"]["vendas"]:
        assert f"{name}|" in told, told
    for command in ("\\l", "\\dn", "\\du", "\\d", "\\di", "\\dv", "\\df", "\\dT", "\\d+ vendas", "\\conninfo"):
        psql(command)


def psql_asks():
    query = FACTS["queries"][2]
    said = psql(query["sql"]).splitlines()
    assert [line.split("|")[0] for line in said] == [row[0] for row in query["rows"]], said


for query in FACTS["queries"]:
    check("psycopg", f"query: {query['name']}", lambda: answers(query, False))
check("psycopg", "query in binary: group, order by count", lambda: answers(FACTS["queries"][2], True))
check("psycopg", "query with parameters, prepared", parameters)
check("psycopg", "types: every value type, text", lambda: types(False))
check("psycopg", "types: every value type, binary", lambda: types(True))
for error in FACTS["errors"]:
    check("psycopg", f"error: {error['name']}", lambda: errors(error))
check("psycopg", "SET, SHOW, join, transaction", session)
check("psycopg", "cursor with a name", cursor)
check("sqlalchemy-postgres", "reflect tables", reflected_tables)
check("sqlalchemy-postgres", "reflect columns, keys, indexes", reflected_columns)
check("sqlalchemy-postgres", "group, order by count", lambda: alchemy(group, FACTS["queries"][2]))
check("psql", "\\dt, \\d, \\l and other lists", psql_lists)
check("psql", "query: group, order by count", psql_asks)
check("psycopg", "INSERT, executemany, COPY; psql's INSERT and copy", taken)
sys.exit(1 if checks.failed else 0)
