"""Sales in real time: generator, topic, table, monitor, and a notebook that draws while rows arrive.

Must not know: how rows get from the topic into the table. Invariant: exits with 0 only where every total is the generator's.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import time

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

import generator
import report
import topics
from database import Database, arguments

HERE = pathlib.Path(__file__).resolve().parent


def run_notebook(broker, rounds, every, out):
    """Executes the notebook; its last picture, and the counts that it saw."""
    os.environ.update(TOURIGA_BROKER=broker, ROUNDS=str(rounds), EVERY=str(every),
                      PYDEVD_DISABLE_FILE_VALIDATION="1")
    notebook = nbformat.read(HERE / "dashboard.ipynb", as_version=4)
    kernel = AsyncKernelManager(kernel_name="python3", transport="ipc")
    NotebookClient(notebook, timeout=300, km=kernel).execute()
    nbformat.write(notebook, out / "dashboard.ipynb")
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    if pictures:
        (out / "dashboard.png").write_bytes(base64.b64decode(pictures[-1]))
    return pictures, json.loads(printed.strip().splitlines()[-1])["counts"]


def watch_and_draw(base, options, out):
    """Monitor, generator and notebook, all three at once."""
    monitor = subprocess.Popen([sys.executable, HERE / "monitor.py", "--controller", base.controller, "--broker", base.broker,
                                "--kafka", base.kafka, "--until", str(options.rows)])
    writing = None
    try:
        if base.wait_for("SELECT COUNT(*) FROM vendas_tempo_real", 0, 30) != 0:
            sys.exit("the monitor made no empty table")
        writing = subprocess.Popen([sys.executable, HERE / "generator.py", "--kafka", base.kafka, "--rows", str(options.rows),
                                    "--rate", str(options.rate), "--seed", str(options.seed)], stdout=subprocess.PIPE, text=True)
        pictures, counts = run_notebook(base.broker, options.rounds, options.every, out)
        totals = json.loads(writing.communicate(timeout=600)[0])
        watched = monitor.wait(360)
    finally:
        for process in (monitor, writing):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    return pictures, counts, totals, watched


def main():
    parser = arguments(__doc__.splitlines()[0], rows=30000)
    parser.add_argument("--rate", type=float, default=2000, help="sales a second (default 2000)")
    parser.add_argument("--rounds", type=int, default=4, help="how often the notebook draws (default 4)")
    parser.add_argument("--every", type=float, default=2, help="seconds between two drawings (default 2)")
    options = parser.parse_args()
    out = options.out or HERE / "out"
    out.mkdir(parents=True, exist_ok=True)
    checks = report.Checks()
    with Database(options) as base:
        topics.make(base.kafka, {generator.TOPIC: generator.PARTITIONS}, options.recreate_topics)
        report.head(f"{options.rows:,} sales at {options.rate:,.0f} a second, seed {options.seed}")
        pictures, counts, totals, watched = watch_and_draw(base, options, out)
        report.head("what sells")
        report.table(*base.sql("SELECT produto, categoria, SUM(quantidade) AS itens, SUM(valor_total) AS valor FROM vendas_tempo_real "
                               "GROUP BY produto, categoria ORDER BY valor DESC LIMIT 5"))
        report.head(f"the notebook drew {len(counts)} times and saw {', '.join(f'{n:,}' for n in counts)} sales; {out}/dashboard.png")
        [[rows, ids, items, value]] = base.rows(
            "SELECT COUNT(*), DISTINCTCOUNT(id_venda), SUM(quantidade), SUM(valor_total) FROM vendas_tempo_real")
        checks.equal("the monitor ends well", watched, 0)
        checks.equal("rows", rows, totals["vendas"])
        checks.equal("different sales", ids, totals["vendas"])
        checks.equal("items", items, float(totals["itens"]))
        checks.close("value", value, totals["valor"])
        for name, column in (("por_categoria", "categoria"), ("por_cidade", "cidade"), ("por_pagamento", "forma_pagamento")):
            seen = base.rows(f"SELECT {column}, SUM(valor_total) FROM vendas_tempo_real GROUP BY {column} ORDER BY {column} LIMIT 100")
            checks.holds(f"value by {column}", report.near(seen, sorted(map(list, totals[name].items()))), f"{len(seen)} rows")
        checks.holds("the notebook has a picture", pictures and len(pictures[-1]) > 10_000, f"{len(pictures)} of {len(counts)} kept")
        checks.holds("the notebook saw rows arrive", len(counts) > 1 and counts == sorted(counts) and counts[0] < counts[-1],
                     f"{counts[0]:,} to {counts[-1]:,}")
        age = time.time() * 1000 - base.value("SELECT MIN(data_venda) FROM vendas_tempo_real")
        checks.holds("sale times are those of this run", 0 < age < 1_200_000, f"oldest {age / 1000:.0f} s ago")
        checks.finish()


if __name__ == "__main__":
    main()
