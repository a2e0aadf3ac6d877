#!/usr/bin/env python3
"""Apache Superset's own code (database, dataset, chart queries) against a running Touriga.

Usage: check.py FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
Knows the facts file and what Superset's views call, nothing of Touriga's own code. There is no browser: a chart is the query
object that one sends. Superset's metadata are in a SQLite file of their own.
"""

import datetime
import functools
import json
import logging
import os
import pathlib
import sys
import tempfile
import warnings
from urllib.parse import urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import expect_rows

FACTS = json.load(open(sys.argv[1], encoding="utf-8"))
FOLDER = tempfile.TemporaryDirectory(prefix="touriga-superset-")
SETTINGS = """
SECRET_KEY = "of a test that ends with its folder, nothing else"
SQLALCHEMY_DATABASE_URI = "sqlite:///{}/superset.db"
CACHE_CONFIG = DATA_CACHE_CONFIG = FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {{"CACHE_TYPE": "SimpleCache"}}
"""
pathlib.Path(FOLDER.name, "config.py").write_text(SETTINGS.format(FOLDER.name))
os.environ["SUPERSET_CONFIG_PATH"] = f"{FOLDER.name}/config.py"
os.environ["SUPERSET_HOME"] = FOLDER.name
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import numpy
import pandas
from flask_appbuilder import Model
from superset.app import create_app

CONTEXT = create_app().app_context()
CONTEXT.push()

from superset import db
from superset.connectors.sqla.models import SqlaTable, SqlMetric
from superset.db_engine_specs.pinot import PinotEngineSpec
from superset.models.core import Database
from superset.sql.parse import Table

Model.metadata.create_all(db.engine)
check = functools.partial(checks.check, "superset")
UTC = datetime.timezone.utc
COUNT = {"expressionType": "SQL", "sqlExpression": "COUNT(*)", "label": "n"}
TOTAL = {"expressionType": "SIMPLE", "column": {"column_name": "quantidade"}, "aggregate": "SUM", "label": "total"}


def database(name, path, driver="pinot", extra=None):
    broker = urlsplit(FACTS["broker"]).netloc
    made = Database(database_name=name, sqlalchemy_uri=f"{driver}://{broker}/{path}?controller={FACTS['controller']}/")
    if extra:
        made.extra = json.dumps({"engine_params": {"connect_args": extra}})
    db.session.add(made)
    db.session.commit()
    return made


def dataset(base, name, sql=None, times=()):
    """A dataset as the view makes one; `times` are its time columns, with their formats."""
    made = SqlaTable(table_name=name, database=base, schema=None, sql=sql)
    db.session.add(made)
    made.fetch_metadata()
    for column in made.columns:
        if column.column_name in dict(times):
            column.is_dttm, column.python_date_format = True, dict(times)[column.column_name]
    db.session.commit()
    return made


def plain(frame):
    """A data frame's cells as JSON would have them; a time is its milliseconds."""
    def cell(value):
        if isinstance(value, (pandas.Timestamp, datetime.datetime)):
            return int(value.replace(tzinfo=UTC).timestamp() * 1000)
        return value.item() if isinstance(value, numpy.generic) else value
    return [[cell(value) for value in row] for row in frame.itertuples(index=False)]


def loose(rows, wanted):
    """Superset makes numbers of one width: an INT of a SUM may come as a float."""
    expect_rows([[float(c) if isinstance(c, (int, float)) else c for c in row] for row in rows],
                [[float(c) if isinstance(c, (int, float)) else c for c in row] for row in wanted])


def chart(source, **query):
    """What a chart asks: the frame, or the error that it would show."""
    result = source.query({"is_timeseries": False, "filter": [], "extras": {}, "row_limit": 1000, **query})
    assert not result.error_message, f"{result.error_message}; {' '.join(result.query.split())}"
    return result.df


def connects(uri_of):
    base = uri_of()
    with base.get_sqla_engine() as engine, engine.connect() as connection:
        assert engine.dialect.do_ping(connection.connection)
    return base.get_dialect().name


def tables(base):
    got = sorted(one.table if hasattr(one, "table") else one[0]
                 for one in base.get_all_table_names_in_schema(catalog=None, schema="default"))
    assert got == sorted(FACTS["tables"]), got
    assert base.get_all_view_names_in_schema(catalog=None, schema="default") == set()
    assert base.get_all_schema_names() == {"default"}, base.get_all_schema_names()


def columns(base):
    for name, wanted in FACTS["columns"].items():
        got = sorted(one["column_name"] for one in base.get_columns(Table(name)))
        assert got == sorted(column for column, _ in wanted), f"{name}: {got}"
        assert base.has_table(Table(name)) and base.get_indexes(Table(name)) == []
    assert not base.has_table(Table("nenhuma"))


def preview(base):
    sql = base.select_star(Table("vendas"), limit=5, show_cols=True, cols=base.get_columns(Table("vendas")))
    assert len(base.get_df(sql)) == 5, sql


def lab(base, query):
    frame = base.get_df(query["sql"])
    assert list(frame.columns) == query["columns"], frame.columns
    loose(plain(frame), query["rows"])


def lab_error(base, error):
    try:
        base.get_df(error["sql"])
    except Exception as raised:
        told = PinotEngineSpec.extract_error_message(raised)
        assert str(error["code"][0]) in told, told
        return
    raise AssertionError("answered, an error was expected")


def empty(base):
    frame = base.get_df("SELECT id_venda, quantidade FROM vendas WHERE estado = 'nenhum' LIMIT 10")
    assert len(frame) == 0


def bars(sales):
    query = FACTS["queries"][2]
    frame = chart(sales, columns=["estado"], metrics=[COUNT, TOTAL], orderby=[[COUNT, False], ["estado", True]],
                  row_limit=len(query["rows"]))
    loose(plain(frame), query["rows"])


def filtered(sales):
    wanted = FACTS["queries"][3]["rows"]
    most = {"expressionType": "SIMPLE", "column": {"column_name": "valor_total"}, "aggregate": "MAX", "label": "maior"}
    first = {"expressionType": "SIMPLE", "column": {"column_name": "data_venda"}, "aggregate": "MIN", "label": "primeira"}
    frame = chart(sales, columns=["cidade"], metrics=[most, first], orderby=[["cidade", True]], row_limit=20,
                  filter=[{"col": "estado", "op": "IN", "val": ["SP", "RJ"]}, {"col": "quantidade", "op": ">", "val": 1}])
    loose(plain(frame), wanted)


def operators(sales):
    """Every kind of filter of the panel: what they select together is what is left of all rows."""
    total = FACTS["queries"][0]["totalDocs"]
    value, count = FACTS["parameter"]["value"], FACTS["parameter"]["count"]
    filters = {
        "==": ({"col": "estado", "op": "==", "val": value}, count),
        "!=": ({"col": "estado", "op": "!=", "val": value}, total - count),
        "NOT IN": ({"col": "estado", "op": "NOT IN", "val": [value]}, total - count),
        "LIKE": ({"col": "estado", "op": "LIKE", "val": f"{value[0]}_"}, None),
        "ILIKE": ({"col": "estado", "op": "ILIKE", "val": value.lower()}, count),
        "IS NOT NULL": ({"col": "estado", "op": "IS NOT NULL"}, total),
        ">=": ({"col": "quantidade", "op": ">=", "val": 0}, total),
    }
    for name, (one, wanted) in filters.items():
        frame = chart(sales, metrics=[COUNT], filter=[one])
        got = int(frame["n"][0])
        assert got == wanted if wanted is not None else got >= count, f"{name}: {got}, {wanted} expected"


def table_of_rows(sales):
    query = FACTS["queries"][1]
    frame = chart(sales, columns=query["columns"], orderby=[["id_venda", True]], row_limit=len(query["rows"]))
    rows = plain(frame)
    for row in rows:  # a time column comes as a time
        row[-1] = int(row[-1])
    loose(rows, query["rows"])


def grain(source, column, name, wanted):
    duration = {"second": "PT1S", "minute": "PT1M", "5 minutes": "PT5M", "10 minutes": "PT10M", "15 minutes": "PT15M",
                "30 minutes": "PT30M", "hour": "PT1H", "day": "P1D", "week": "P1W", "month": "P1M", "quarter": "P3M",
                "year": "P1Y"}[name]
    assert duration in {one.duration for one in source.database.grains()}, "Superset offers no such grain"
    frame = chart(source, granularity=column, is_timeseries=True, metrics=[COUNT], columns=[], orderby=[],
                  extras={"time_grain_sqla": duration}, from_dttm=datetime.datetime(2001, 1, 1),
                  to_dttm=datetime.datetime(2100, 1, 1))
    loose(sorted(plain(frame)), wanted)


def series(sales):
    """A line per value, of the most frequent values: Superset asks for those first."""
    most = [row[0] for row in FACTS["queries"][2]["rows"][:3]]
    frame = chart(sales, granularity="data_venda", is_timeseries=True, columns=["estado"], series_columns=["estado"],
                  metrics=[COUNT], series_limit=3, series_limit_metric=COUNT, extras={"time_grain_sqla": "P1D"},
                  from_dttm=datetime.datetime(2001, 1, 1), to_dttm=datetime.datetime(2100, 1, 1), orderby=[])
    got = frame.groupby("estado")["n"].sum().to_dict()
    wanted = {row[0]: row[1] for row in FACTS["queries"][2]["rows"] if row[0] in most}
    assert got == wanted, f"{got}, {wanted} expected"


def values(sales):
    """What a filter offers to choose from."""
    got = sorted(sales.values_for_column("forma_pagamento", limit=100))
    assert got == sorted(row[0] for row in FACTS["queries"][4]["rows"]), got


def saved(sales):
    sales.metrics.append(SqlMetric(metric_name="soma", expression="SUM(quantidade)"))
    db.session.commit()
    query = FACTS["queries"][2]
    frame = chart(sales, columns=["estado"], metrics=["soma"], orderby=[["soma", False]])
    top = max(row[2] for row in query["rows"])
    assert float(frame["soma"][0]) >= top, f"{frame['soma'][0]}, {top} expected"


def virtual(base):
    """A dataset of a query: a derived table, so the other engine."""
    query = FACTS["queries"][2]
    made = dataset(base, "virtual", sql="SELECT estado, quantidade, data_venda FROM vendas WHERE quantidade > -1")
    frame = chart(made, columns=["estado"], metrics=[COUNT, TOTAL], orderby=[[COUNT, False], ["estado", True]],
                  row_limit=len(query["rows"]))
    loose(plain(frame), query["rows"])


made = {}
check("connect, ping", lambda: made.update(base=database("sql", "query/sql")) or connects(lambda: made["base"]))
check("connect by the URI of Superset's manual", lambda: connects(lambda: database("manual", "query", driver="pinot+http")))
base = made["base"]
check("tables, views, schemas", lambda: tables(base))
check("columns, indexes, has_table", lambda: columns(base))
check("preview of a table", lambda: preview(base))
for one in FACTS["queries"]:
    check(f"SQL Lab: {one['name']}", lambda: lab(base, one))
for one in FACTS["errors"][:2]:  # Superset's own parser refuses the third, a syntax error, before it is sent
    check(f"SQL Lab: error: {one['name']}", lambda: lab_error(base, one))
check("SQL Lab: no rows", lambda: empty(base))
check("datasets of two tables", lambda: made.update(
    sales=dataset(base, "vendas", times=[("data_venda", "epoch_ms")]), every=dataset(base, "alltypes", times=[("ts_col", None)])))
sales, every = made["sales"], made["every"]
check("chart: bars", lambda: bars(sales))
check("chart: filters", lambda: filtered(sales))
check("chart: every operator of filters", lambda: operators(sales))
check("chart: rows", lambda: table_of_rows(sales))
check("chart: series limit", lambda: series(sales))
check("chart: a saved metric", lambda: saved(sales))
check("chart: values of a filter", lambda: values(sales))
for name, wanted in FACTS["grains"]["data_venda"].items():
    check(f"time grain of epoch milliseconds: {name}", lambda: grain(sales, "data_venda", name, wanted))
for name, wanted in FACTS["grains"]["ts_col"].items():
    check(f"time grain of TIMESTAMP: {name}", lambda: grain(every, "ts_col", name, wanted))
check("chart: a dataset of a query, multi-stage", lambda: virtual(database("stages", "query/sql", extra={"use_multistage_engine": "true"})))
FOLDER.cleanup()
sys.exit(1 if checks.failed else 0)
