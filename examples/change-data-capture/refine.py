"""Keeps the refined table up to date: which condominiums did the raw tables see change, what are their figures now.

Must not know: how rows got into raw and transformed tables. Invariant: the checkpoint moves only after what it stands for was
acknowledged; a run that died is repeated from the checkpoint, and repeating changes nothing.
"""

import argparse
import json
import os
import pathlib
import time

import tables
import topics
from database import Refused, query
from source import TABLES

SUMMARY = """
SELECT c.id, c.nome, c.cidade, COALESCE(m.n, 0) AS moradores, COALESCE(i.n, 0) AS imoveis, COALESCE(t.n, 0) AS transacoes,
       COALESCE(t.receita, 0) AS receita, COALESCE(t.despesa, 0) AS despesa
FROM condominios c
LEFT JOIN (SELECT condominio_id, COUNT(*) AS n FROM moradores GROUP BY condominio_id) m ON m.condominio_id = c.id
LEFT JOIN (SELECT condominio_id, COUNT(*) AS n FROM imoveis GROUP BY condominio_id) i ON i.condominio_id = c.id
LEFT JOIN (SELECT condominio_id, COUNT(*) AS n, SUM(CASE WHEN tipo = 'RECEITA' THEN CAST(valor AS DOUBLE) ELSE 0 END) AS receita,
                  SUM(CASE WHEN tipo = 'DESPESA' THEN CAST(valor AS DOUBLE) ELSE 0 END) AS despesa
           FROM transacoes GROUP BY condominio_id) t ON t.condominio_id = c.id
WHERE c.id IN ({ids})
LIMIT 1000000
"""


def load(path):
    return json.loads(path.read_text()) if path.exists() else dict.fromkeys(TABLES, 0)


def store(path, checkpoint):
    """In one step: a checkpoint is the old one or the new one."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(checkpoint))
    part.replace(path)


class Refining:
    def __init__(self, options):
        self.broker, self.path = options.broker, options.checkpoint
        self.checkpoint, self.writer = load(options.checkpoint), topics.Writer(options.kafka)

    def ask(self, sql, **options):
        return query(self.broker, sql, **options)[1]

    def seen(self, table):
        """How far both layers are: a topic of one partition is in the order of its log."""
        [[raw_rows, raw]] = self.ask(f"SELECT COUNT(*), MAX(lsn) FROM raw_{table}")
        [[rows, now]] = self.ask(f"SELECT COUNT(*), MAX(lsn) FROM {table}", skipUpsert="true")
        # Whole numbers of this size are exact in the DOUBLE that MAX is.
        return int(min(raw, now)) if raw_rows and rows else 0

    def changed(self, table, upto):
        """Condominiums that changes between the checkpoint and there touch, before or after."""
        between = f"lsn > {self.checkpoint[table]} AND lsn <= {upto}"
        rows = self.ask(f"SELECT DISTINCT antes, depois FROM raw_{table} WHERE {between} LIMIT 1000000")
        return {id for row in rows for id in row if id > 0}

    def round(self, die):
        """One look; whether there was anything to do. With `die`, ends the process between writing and checkpoint."""
        reached = {table: max(self.seen(table), self.checkpoint[table]) for table in TABLES}
        if reached == self.checkpoint:
            return False
        ids = sorted(set().union(*(self.changed(table, reached[table]) for table in TABLES)))
        version, at_ms = sum(reached.values()), int(time.time() * 1000)
        rows = self.ask(SUMMARY.format(ids=", ".join(map(str, ids))), multistage=True) if ids else []
        names = ["id", "nome", "cidade", "moradores", "imoveis", "transacoes", "receita", "despesa"]
        found = {row[0]: dict(zip(names, row)) for row in rows}
        for id in ids:
            value = {**found.get(id, {"id": id}), "removido": id not in found, "versao": version, "atualizado_ms": at_ms}
            self.writer.write(tables.REFINED_TOPIC, value, key=str(id))
        self.writer.finish()
        if die:
            print(f"  refine: wrote {len(ids)} condominiums and died before the checkpoint {sum(self.checkpoint.values())} moved", flush=True)
            os._exit(9)
        self.checkpoint = reached
        store(self.path, reached)
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broker", default="http://localhost:8099")
    parser.add_argument("--kafka", default="localhost:9092")
    parser.add_argument("--checkpoint", type=pathlib.Path, default=pathlib.Path("checkpoint.json"))
    parser.add_argument("--every", type=float, default=0.3, help="seconds between two looks")
    parser.add_argument("--die-in-round", type=int, default=0, help="ends as a crash would, in that round")
    options = parser.parse_args()
    refining, rounds = Refining(options), 0
    print(f"  refine: begins at checkpoint {sum(refining.checkpoint.values())}", flush=True)
    while True:
        try:
            rounds += refining.round(rounds + 1 == options.die_in_round)
        except (Refused, OSError) as error:
            # The database may be away for a while; the checkpoint waits.
            print(f"  refine: {str(error).splitlines()[0][:100]}", flush=True)
            time.sleep(1)
        time.sleep(options.every)


if __name__ == "__main__":
    main()
