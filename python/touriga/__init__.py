"""Touriga inside a Python process: streams in, SQL out, as Arrow, pandas or polars.

    import touriga

    with touriga.connect("data") as db:
        db.create("sales", {"city": "STRING", "total": "DOUBLE"})
        db.ingest("sales", [{"city": "Recife", "total": 9.5}])
        print(db.sql("SELECT city, SUM(total) FROM sales GROUP BY city").pandas())
"""

import json

import pyarrow

from ._touriga import Engine

__all__ = ["Database", "Error", "Result", "connect"]

#: What a refused query, table or row raises.
Error = RuntimeError


def connect(path, *, kafka=None, controller_port=0, broker_port=0):
    """Opens the database in a folder, which is made where it is not there. One process at a time may have it open.

    `kafka` is the Kafka of tables that do not name one; ports are any free ones where none are given, and serve the REST
    interface, the console and other clients.
    """
    return Database(Engine(path, kafka, controller_port, broker_port))


class Result:
    """The rows of a query."""

    def __init__(self, table):
        self._table = table

    def arrow(self):
        """A `pyarrow.Table`."""
        return self._table

    def pandas(self, **options):
        """A pandas data frame; options are those of `pyarrow.Table.to_pandas`."""
        return self._table.to_pandas(**options)

    def polars(self):
        """A polars data frame."""
        import polars

        return polars.from_arrow(self._table)

    def rows(self):
        """A list of tuples."""
        return list(zip(*(column.to_pylist() for column in self._table.columns))) if self._table.num_columns else []

    def value(self):
        """The first cell, `None` where there is no row."""
        rows = self.rows()
        return rows[0][0] if rows else None

    @property
    def columns(self):
        """Names of the columns."""
        return self._table.column_names

    def __len__(self):
        return self._table.num_rows

    def __iter__(self):
        return iter(self.rows())

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)

    def __repr__(self):
        return f"<{len(self)} rows of {', '.join(self.columns)}>"


class Database:
    """A running database. Calls may come from any thread; others run while one waits."""

    def __init__(self, engine):
        self._engine = engine

    def sql(self, text, *, multistage=False, **options):
        """Asks a query; options are Pinot's, `timeoutMs=500` for one. `multistage=True` allows joins, windows and subqueries."""
        if multistage:
            options["useMultistageEngine"] = True
        words = [(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in options.items()]
        stream = self._engine.sql(text, words)
        return Result(pyarrow.ipc.open_stream(stream).read_all())

    def ingest(self, table, rows):
        """Puts rows into a table: dicts, a pandas or polars data frame, anything that Arrow reads, or JSON lines as text or bytes.

        All are taken or none; it returns once they are durable: in a segment that answers (OFFLINE), or in the table's topic
        (REALTIME), from where they answer some milliseconds later.
        """
        if isinstance(rows, str):
            rows = rows.encode()
        if not isinstance(rows, (bytes, bytearray)):
            rows = json.dumps(_dicts(rows), default=str, ensure_ascii=False).encode()
        return json.loads(self._engine.ingest(table, bytes(rows)))

    def add_schema(self, schema):
        """Adds a schema as Pinot has it, a dict or JSON text, or changes the one of its name."""
        self._engine.add_schema(_text(schema))

    def add_table(self, table):
        """Adds a table as Pinot has it, a dict or JSON text."""
        self._engine.add_table(_text(table))

    def create(self, name, columns, *, time=None, keys=(), stream=None):
        """Makes a schema and a table in one go.

        `columns` maps names to Pinot's types; `"STRING[]"` is a multi-value column. `time` names the column, milliseconds since the
        epoch, that rows are ordered and kept by. With `stream`, a dict of Pinot's stream settings, the table is REALTIME;
        with `keys` too, the newest row of each key counts.
        """
        time_field = [{"name": time, "dataType": columns[time], "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}] if time else []
        fields = [{"name": column, "dataType": kind.removesuffix("[]"), **({"singleValueField": False} if kind.endswith("[]") else {})}
                  for column, kind in columns.items() if column != time]
        self.add_schema({"schemaName": name, "dimensionFieldSpecs": fields, "dateTimeFieldSpecs": time_field,
                         **({"primaryKeyColumns": list(keys)} if keys else {})})
        table = {"tableName": name, "tableType": "REALTIME" if stream else "OFFLINE", "tenants": {}, "metadata": {},
                 "segmentsConfig": {"replication": "1", **({"timeColumnName": time} if time else {})},
                 "tableIndexConfig": {"loadMode": "MMAP", **({"streamConfigs": stream} if stream else {})}}
        if keys and stream:
            table.update(upsertConfig={"mode": "FULL"}, routing={"instanceSelectorType": "strictReplicaGroup"})
        self.add_table(table)

    @property
    def controller(self):
        """URL of the controller: REST and console."""
        return f"http://127.0.0.1:{self._engine.ports()[0]}"

    @property
    def broker(self):
        """URL of the broker: `POST /query/sql`."""
        return f"http://127.0.0.1:{self._engine.ports()[1]}"

    def close(self):
        """Stops it; its data stay."""
        self._engine.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _text(config):
    return config if isinstance(config, str) else json.dumps(config)


def _dicts(rows):
    if hasattr(rows, "to_dicts"):
        return rows.to_dicts()
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        return rows.to_dict("records")
    if hasattr(rows, "to_pylist"):
        return rows.to_pylist()
    if isinstance(rows, dict):
        return [rows]
    return list(rows)
