#!/usr/bin/env python3
"""The web console in a headless Chromium, driven over its debugging protocol.

Usage: check.py FACTS.json FOLDER; prints `client | check | result`, leaves console.png in FOLDER,
exits with 1 if a check failed. Knows the console's visible parts (editor, grid), not its code.
"""

import base64
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

import websocket

FACTS = json.load(open(sys.argv[1], encoding="utf-8"))
FOLDER = pathlib.Path(sys.argv[2])
failed = 0


def check(name, work):
    global failed
    try:
        work()
        print(f"console | {name} | ok", flush=True)
    except Exception as error:
        failed += 1
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"console | {name} | FAILED: {text[:600]}", flush=True)


class Page:
    """One tab: commands go out, their answers come back by number; what else comes is kept."""

    def __init__(self, port):
        deadline = time.time() + 30
        while True:
            try:
                pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=2))
                target = next(one for one in pages if one["type"] == "page")
                break
            except (OSError, StopIteration):
                if time.time() > deadline:
                    raise
                time.sleep(0.1)
        self.socket = websocket.create_connection(
            target["webSocketDebuggerUrl"], timeout=30, suppress_origin=True)
        self.number = 0
        self.problems = []
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(json.dumps(message["params"]["exceptionDetails"])[:300])
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def value(self, expression):
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression, what, seconds=20):
        deadline = time.time() + seconds
        while not self.value(expression):
            if time.time() > deadline:
                shown = self.value("document.body ? document.body.innerText : ''")
                raise AssertionError(f"no {what} after {seconds} s; the page shows: {shown[:400]}")
            time.sleep(0.1)

    def key(self, key, code, number, modifiers=0):
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code,
                      windowsVirtualKeyCode=number, modifiers=modifiers)

    def query(self, sql):
        """Types a query over what is in the editor and runs it with Ctrl+Enter."""
        self.value("document.querySelector('.out').replaceChildren()")
        self.value("(() => { const a = document.querySelector('.editor textarea'); a.focus(); a.select(); })()")
        self.send("Input.insertText", text=sql)
        typed = self.value("document.querySelector('.editor textarea').value")
        assert typed == sql, f"the editor holds `{typed}`"
        self.key("Enter", "Enter", 13, modifiers=2)


GRID = """[...document.querySelectorAll('.out table.grid tbody tr:not(.pad)')]
  .map((row) => [...row.querySelectorAll('td:not(.no)')].map((cell) => cell.textContent))"""
HEADS = """[...document.querySelectorAll('.out table.grid thead th:not(.no)')]
  .map((head) => [head.firstChild.textContent, head.querySelector('small').textContent])"""


def same(text, wanted):
    if isinstance(wanted, str):
        return text == wanted
    return abs(float(text) - wanted) <= 1e-6 * max(1.0, abs(wanted))


def loads(page):
    page.send("Page.navigate", url=FACTS["controller"] + "/")
    page.wait("!!document.querySelector('.editor textarea')", "editor")
    title = page.value("document.title")
    assert "Touriga" in title, title


def sidebar(page):
    page.wait(f"document.querySelectorAll('aside details').length === {len(FACTS['tables'])}", "tables at the side")
    got = page.value("[...document.querySelectorAll('aside details')].map((one) => one.dataset.table)")
    assert sorted(got) == sorted(FACTS["tables"]), got


def answers(page, query):
    page.query(query["sql"])
    page.wait("document.querySelectorAll('.out table.grid tbody tr:not(.pad)').length > 0", "rows")
    heads = page.value(HEADS)
    wanted = [list(pair) for pair in zip(query["columns"], query["types"])]
    assert heads == wanted, f"heads {heads}, {wanted} expected"
    rows = page.value(GRID)
    assert len(rows) == len(query["rows"]), f"{len(rows)} rows, {len(query['rows'])} expected"
    for at, (row, expected) in enumerate(zip(rows, query["rows"])):
        assert len(row) == len(expected) and all(map(same, row, expected)), f"row {at} is {row}, {expected} expected"


def refuses(page, error):
    page.query(error["sql"])
    page.wait("!!document.querySelector('.out .error')", "error")
    shown = page.value("document.querySelector('.out .error').innerText")
    assert any(str(code) in shown for code in error["code"]), shown


def pixels(png):
    """The distinct bytes of the picture's lines: a blank page has next to none."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n", "no PNG"
    at, data = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + length]
        at += 12 + length
    return len(set(zlib.decompress(data)))


def screenshot(page):
    answers(page, FACTS["queries"][2])
    png = base64.b64decode(page.send("Page.captureScreenshot", format="png")["data"])
    (FOLDER / "console.png").write_bytes(png)
    distinct = pixels(png)
    assert len(png) > 8000 and distinct > 16, f"{len(png)} bytes, {distinct} distinct values"


def views(page):
    for name, mark in (("tables", FACTS["tables"][0]), ("cluster", "Broker_")):
        page.value(f"location.hash = '#/{name}'")
        page.wait(f"document.getElementById('view').innerText.includes({json.dumps(mark)})", f"`{mark}` in {name}")
        pulse = page.value("document.getElementById('pulse').className")
        assert pulse != "lost", page.value("document.getElementById('pulse').title")


def quiet(page):
    page.value("1")
    assert not page.problems, page.problems


def main():
    browser = next((found for name in ("chromium", "chromium-browser", "google-chrome")
                    if (found := shutil.which(name))), None)
    if not browser:
        print("console | chromium | FAILED: not found; install it: apt-get install chromium")
        return 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--no-proxy-server", "--remote-debugging-port=0", "--window-size=1280,800",
             f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port_file = pathlib.Path(profile) / "DevToolsActivePort"
            deadline = time.time() + 60
            while not port_file.exists() or "\n" not in port_file.read_text():
                if time.time() > deadline or process.poll() is not None:
                    print("console | chromium | FAILED: the browser did not start")
                    return 1
                time.sleep(0.1)
            page = Page(int(port_file.read_text().split("\n")[0]))
            check("loads /", lambda: loads(page))
            check("tables at the side", lambda: sidebar(page))
            for query in FACTS["queries"]:
                check(f"query: {query['name']}", lambda: answers(page, query))
            for error in FACTS["errors"]:
                check(f"error: {error['name']}", lambda: refuses(page, error))
            check("screenshot", lambda: screenshot(page))
            check("views: tables, cluster", lambda: views(page))
            check("no script errors", lambda: quiet(page))
        finally:
            process.terminate()
            process.wait(20)
    return 1 if failed else 0


sys.exit(main())
