"""A Touriga to work with: one that is started here and ends with the pipeline, or one that runs already.

Must not know: any pipeline's tables. Invariant: every process and folder made here is gone at the end, unless asked to stay.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def arguments(description, rows):
    """The options that every pipeline has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=rows, help=f"how much data is made (default {rows})")
    parser.add_argument("--seed", type=int, default=7, help="seed of the generator (default 7)")
    parser.add_argument("--binary", help="the touriga to start; the newest one built, or the one on the PATH, where not given")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a Kafka to use in place of Touriga's small stream")
    parser.add_argument("--recreate-topics", action="store_true", help="remove topics of the same name from that Kafka first")
    parser.add_argument("--controller", help="controller of a Touriga that runs already, http://HOST:9000 (with --broker)")
    parser.add_argument("--broker", help="its broker, http://HOST:8099")
    parser.add_argument("--stay", action="store_true", help="go on serving at the end, until Ctrl-C")
    parser.add_argument("--out", type=pathlib.Path, help="folder of what is written (default: out beside the pipeline)")
    return parser


class Refused(Exception):
    """An answer that is an error."""


def ask(method, url, body=None, kind="application/json", timeout=120):
    """Asks over HTTP; the answer decoded where it is JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    try:
        with DIRECT.open(request, timeout=timeout) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise Refused(f"{method} {url}: {error.code}: {error.read().decode()[:400]}") from None
    try:
        return json.loads(text)
    except ValueError:
        return text


def free_ports(count):
    """Ports that nobody listens on now, below those that the system gives to outgoing connections: a process that ends and starts again finds its own."""
    found = []
    for port in random.sample(range(12000, 28000), 16000):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    sys.exit("every port from 12000 to 28000 is taken")


def find_binary(given):
    given = given or os.environ.get("TOURIGA_BINARY")
    if given:
        path = pathlib.Path(given).resolve()
        if not path.exists():
            sys.exit(f"there is no {path}")
        return path
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for profile in ("dist", "release", "debug") if (path := target / profile / "touriga").exists()]
    if built:
        return max(built, key=lambda path: path.stat().st_mtime)
    installed = shutil.which("touriga")
    if installed:
        return pathlib.Path(installed)
    print("building touriga, which takes some minutes", flush=True)
    subprocess.run(["cargo", "build", "--release", "--bin", "touriga"], cwd=ROOT, check=True)
    return target / "release" / "touriga"


class Database:
    """A cluster, and a stream beside it."""

    def __init__(self, options, needs_stream=True):
        self.options, self.needs_stream = options, needs_stream
        self.processes, self.folder, self.logs = {}, None, []
        self.controller, self.broker, self.kafka = options.controller, options.broker, options.kafka

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, error, trace):
        try:
            if error is None and self.options.stay:
                print(f"\nconsole   {self.controller}/\nbroker    {self.broker}\nkafka     {self.kafka}\nCtrl-C ends it", flush=True)
                signal.pause()
        except KeyboardInterrupt:
            print()
        finally:
            if error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):
                self.show_log()
            self.stop()

    def start(self):
        if bool(self.controller) != bool(self.broker):
            sys.exit("--controller and --broker go together")
        if self.controller:
            if self.needs_stream and not self.kafka:
                sys.exit("with --controller, --kafka says where the stream is")
            return
        self.binary = find_binary(self.options.binary)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="touriga-example-"))
        if self.needs_stream and not self.kafka:
            [port] = free_ports(1)
            self.kafka = f"127.0.0.1:{port}"
            self.launch("stream", ["start-stream", "--listen", self.kafka, "--data-dir", self.folder / "stream"])
            self.wait_for_port(port, "stream")
        self.ports = free_ports(4)
        self.launch_roles()

    def launch_roles(self):
        """Starts the roles; called again after `kill`, they find their data again."""
        controller, broker, server, admin = self.ports
        self.controller, self.broker = f"http://127.0.0.1:{controller}", f"http://127.0.0.1:{broker}"
        command = ["start-all", "--data-dir", self.folder / "data", "--controller-port", controller, "--broker-port", broker,
                   "--server-port", server, "--server-admin-port", admin]
        if self.kafka:
            command += ["--kafka", self.kafka]
        self.launch("roles", command)
        until = time.monotonic() + 60
        while True:
            try:
                ask("GET", f"{self.broker}/health", timeout=5)
                ask("GET", f"{self.controller}/health", timeout=5)
                return
            except (OSError, Refused):
                self.is_alive("roles")
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def launch(self, name, words):
        log = self.folder / f"{name}.log"
        self.logs.append(log)
        with open(log, "ab") as out:
            command = [str(self.binary), *map(str, words), "--log-level", "warn"]
            self.processes[name] = subprocess.Popen(command, stdout=out, stderr=out, cwd=self.folder)

    def is_alive(self, name):
        if self.processes[name].poll() is not None:
            self.show_log()
            sys.exit(f"{name} ended with {self.processes[name].returncode}")

    def wait_for_port(self, port, name):
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                self.is_alive(name)
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def kill(self, name="roles"):
        """Ends a process as a power cut would."""
        self.processes[name].kill()
        self.processes[name].wait()

    def show_log(self):
        for log in dict.fromkeys(self.logs):
            if log.exists() and log.stat().st_size:
                print(f"--- {log.name}, the end", *log.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)

    def stop(self):
        for process in reversed(list(self.processes.values())):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.processes = {}
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text, **options):
        """Columns and rows of a query; an error is an error."""
        return query(self.broker, text, **options)

    def rows(self, text, **options):
        return self.sql(text, **options)[1]

    def value(self, text, **options):
        return self.rows(text, **options)[0][0]

    def create(self, schema, *tables):
        """Posts a schema and tables, in place of those of the same name from a run before."""
        create(self.controller, schema, *tables)

    def wait_for(self, sql, wanted, seconds=120, **options):
        """Asks until the first value is what is wanted; the value that was seen last."""
        until = time.monotonic() + seconds
        while True:
            try:
                seen = self.value(sql, **options)
            except (Refused, OSError, IndexError):
                seen = None
            if seen == wanted or time.monotonic() > until:
                return seen
            time.sleep(0.1)

    def ingest_file(self, table, path, form):
        """Sends a file into an OFFLINE table."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        settings = urllib.parse.quote(json.dumps({"inputFormat": form}))
        url = f"{self.controller}/ingestFromFile?tableNameWithType={table}_OFFLINE&batchConfigMapStr={settings}"
        return ask("POST", url, body, f"multipart/form-data; boundary={boundary}")


def query(broker, text, **options):
    """Columns and rows that a broker answers; `multistage=True` asks the multi-stage engine."""
    if options.pop("multistage", False):
        options["useMultistageEngine"] = "true"
    body = {"sql": text, "queryOptions": ";".join(f"{name}={value}" for name, value in options.items())}
    answer = ask("POST", f"{broker}/query/sql", body)
    if answer.get("exceptions"):
        raise Refused(f"{answer['exceptions'][0]['message']}\n  in {text}")
    table = answer["resultTable"]
    return table["dataSchema"]["columnNames"], table["rows"]


def create(controller, schema, *tables):
    for table in tables:
        name, kind = table["tableName"], table["tableType"].lower()
        if name in ask("GET", f"{controller}/tables?type={kind}")["tables"]:
            ask("DELETE", f"{controller}/tables/{name}?type={kind}&retention=0d")
    ask("POST", f"{controller}/schemas?override=true", schema)
    for table in tables:
        ask("POST", f"{controller}/tables", table)
