#!/usr/bin/env python3
"""StarTree's MCP server for Pinot, asked by an MCP client, against a running Touriga.

Usage: check.py FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
Knows the facts file and the server's tools, nothing of Touriga's own code. The server runs as its users start it, by HTTP.
"""

import asyncio
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from urllib.parse import urlsplit

from fastmcp import Client

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import checks
from checks import expect_rows

FACTS = json.load(open(sys.argv[1], encoding="utf-8"))
check = functools.partial(checks.check, "mcp-pinot-server")
TOOLS = {"test_connection", "read_query", "list_tables", "table_details", "segment_list", "index_column_details",
         "segment_metadata_details", "tableconfig_schema_details", "create_schema", "update_schema", "get_schema",
         "create_table_config", "update_table_config", "get_table_config"}


def serve(folder):
    """The server on a free port; (process, its URL)."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    broker = urlsplit(FACTS["broker"])
    environment = {**os.environ, "PINOT_CONTROLLER_URL": FACTS["controller"], "PINOT_BROKER_URL": FACTS["broker"],
                   "PINOT_BROKER_HOST": broker.hostname, "PINOT_BROKER_PORT": str(broker.port), "MCP_TRANSPORT": "http",
                   "MCP_HOST": "127.0.0.1", "MCP_PORT": str(port)}
    log = open(pathlib.Path(folder, "mcp.log"), "wb")
    command = pathlib.Path(sys.executable).parent / "mcp-pinot"
    process = subprocess.Popen([str(command)], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    deadline = time.time() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process, f"http://127.0.0.1:{port}/mcp"
        except OSError:
            if process.poll() is not None or time.time() > deadline:
                process.kill()
                sys.exit(pathlib.Path(folder, "mcp.log").read_text()[-2000:])
            time.sleep(0.1)


def call(tool, **arguments):
    """A tool's answer: its JSON, or its text where it is an error."""
    async def ask():
        async with Client(URL) as client:
            return (await client.call_tool(tool, arguments)).content[0].text
    text = asyncio.run(ask())
    assert not text.startswith("Error:"), text
    return json.loads(text)


def tools():
    async def ask():
        async with Client(URL) as client:
            return {one.name for one in await client.list_tools()}
    got = asyncio.run(ask())
    assert TOOLS <= got, f"tools {sorted(got)}"


def connection():
    got = call("test_connection")
    assert got["connection_test"] and got["query_test"] and got["tables_test"] and not got["error"], got
    assert got["tables_count"] == len(FACTS["tables"]), got


def answers(query):
    rows = call("read_query", query=query["sql"])
    assert [list(row) for row in rows] == [query["columns"]] * len(rows), rows[:1]
    expect_rows([row.values() for row in rows], query["rows"])


def refuses(error):
    try:
        got = call("read_query", query=error["sql"])
    except AssertionError as raised:
        assert any(str(code) in str(raised) for code in error["code"]) or "Only SELECT" in str(raised), raised
        return
    raise AssertionError(f"answered {got}, an error was expected")


def size():
    got = call("table_details", tableName="vendas")
    assert got["tableName"] == "vendas" and got["reportedSizeInBytes"] > 0 and got["estimatedSizeInBytes"] > 0, got
    assert got["offlineSegments"]["segments"] and got["realtimeSegments"] is None, got


def segments():
    got = call("segment_list", tableName="vendas")
    names = [name for one in got for name in one.get("OFFLINE", [])]
    assert names, got
    return names


def metadata():
    names, got = segments(), call("segment_metadata_details", tableName="vendas")
    assert set(got) == set(names), got
    total = sum(one["totalDocs"] for one in got.values())
    assert total == FACTS["queries"][0]["totalDocs"], f"{total} rows in {got}"


def indexes():
    name = segments()[0]
    got = call("index_column_details", tableName="vendas", segmentName=name)
    told = {one["columnName"] for one in got["columns"]}
    assert int(got["segment.total.docs"]) > 0 and told >= {column for column, _ in FACTS["columns"]["vendas"]}, got
    assert set(got["indexes"]) >= told - {"$docId", "$hostName", "$segmentName"}, got["indexes"]


def config():
    got = call("tableconfig_schema_details", tableName="vendas")
    assert got["tableName"] == "vendas" and got["schema"]["schemaName"] == "vendas", got
    assert got["offline"]["tableName"] == "vendas_OFFLINE", got
    got = call("get_table_config", tableName="vendas", tableType="OFFLINE")
    assert got["tableName"] == "vendas_OFFLINE" and got["tableType"] == "OFFLINE", got


def schema():
    got = call("get_schema", schemaName="vendas")
    kinds = ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
    named = [[field["name"], field["dataType"]] for kind in kinds for field in got[kind]]
    assert sorted(named) == sorted(FACTS["columns"]["vendas"]), named


def makes():
    """A table as an assistant makes one, a column more, another setting; gone at the end."""
    fields = [{"name": "a", "dataType": "STRING"}]
    wanted = {"schemaName": "feita", "dimensionFieldSpecs": fields}
    table = {"tableName": "feita", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {},
             "tableIndexConfig": {"loadMode": "MMAP"}, "metadata": {}}
    try:
        call("create_schema", schemaJson=json.dumps(wanted))
        call("create_table_config", tableConfigJson=json.dumps(table))
        assert "feita" in call("list_tables")
        fields.append({"name": "b", "dataType": "LONG"})
        call("update_schema", schemaName="feita", schemaJson=json.dumps(wanted), reload=True)
        got = call("get_schema", schemaName="feita")
        assert [one["name"] for one in got["dimensionFieldSpecs"]] == ["a", "b"], got
        table["tableIndexConfig"]["invertedIndexColumns"] = ["a"]
        call("update_table_config", tableName="feita", tableConfigJson=json.dumps(table))
        got = call("get_table_config", tableName="feita")["OFFLINE"]
        assert got["tableIndexConfig"]["invertedIndexColumns"] == ["a"], got
        assert call("read_query", query="SELECT COUNT(*) AS n FROM feita") == [{"n": 0}]
    finally:
        for path in ("tables", "schemas"):
            request = urllib.request.Request(f"{FACTS['controller']}/{path}/feita", method="DELETE")
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read()


def refuses_config():
    """What the controller refuses comes back as its status."""
    try:
        call("create_table_config", tableConfigJson=json.dumps({"tableName": "x", "tableType": "OFFLINE"}))
    except AssertionError as raised:
        assert "400" in str(raised) or "404" in str(raised), raised
        return
    raise AssertionError("a table without a schema was made")


with tempfile.TemporaryDirectory(prefix="touriga-mcp-") as folder:
    process, URL = serve(folder)
    try:
        check("tools", tools)
        check("test_connection", connection)
        check("list_tables", lambda: expect_rows([sorted(call("list_tables"))], [sorted(FACTS["tables"])]))
        for one in FACTS["queries"]:
            check(f"read_query: {one['name']}", lambda: answers(one))
        for one in FACTS["errors"]:
            check(f"read_query: error: {one['name']}", lambda: refuses(one))
        check("table_details", size)
        check("segment_list", lambda: bool(segments()))
        check("segment_metadata_details", metadata)
        check("index_column_details", indexes)
        check("tableconfig_schema_details, get_table_config", config)
        check("get_schema", schema)
        check("create, update: schema and table", makes)
        check("create_table_config: error", refuses_config)
    finally:
        process.terminate()
        process.wait(20)
sys.exit(1 if checks.failed else 0)
