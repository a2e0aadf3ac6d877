"""A PostgreSQL of condominiums, residents, properties and transactions as Debezium tells it: a snapshot, then inserts, updates, deletes.

Must not know: streams, tables of the database that consumes. Invariant: the same seed makes the same envelopes; `rows` is what the
source holds after all of them.
"""

import random

CITIES = ["São Paulo", "Campinas", "Santos", "Recife", "Olinda", "Curitiba", "Londrina"]
STREETS = ["das Flores", "do Sol", "Atlântica", "Ipiranga", "Paulista", "São João", "Boa Vista", "dos Girassóis"]
NAMES = ["Ana", "Bruno", "Célia", "Davi", "Elisa", "Fábio", "Glória", "Heitor", "Iara", "José", "Lívia", "Márcio"]
TABLES = ("condominios", "moradores", "imoveis", "transacoes")
SERVER = "condominio"
BEGIN_MS = 1_714_521_600_000


def topic(table):
    return f"{SERVER}.public.{table}"


class Source:
    """Four tables, and the log of their changes."""

    def __init__(self, seed):
        self.choose, self.rows = random.Random(seed), {table: {} for table in TABLES}
        self.lsn, self.last_id, self.at_ms = 1000, dict.fromkeys(TABLES, 0), BEGIN_MS
        self.counts = {table: {"r": 0, "c": 0, "u": 0, "d": 0} for table in TABLES}
        self.last_lsn = dict.fromkeys(TABLES, 0)

    def new(self, table):
        self.last_id[table] += 1
        number, choose = self.last_id[table], self.choose
        if table == "condominios":
            return {"id": number, "nome": f"Condomínio {choose.choice(STREETS)} {number}", "cidade": choose.choice(CITIES)}
        condominium = choose.choice(list(self.rows["condominios"]))
        if table == "moradores":
            return {"id": number, "condominio_id": condominium, "nome": f"{choose.choice(NAMES)} {choose.choice(NAMES)}", "ativo": True}
        if table == "imoveis":
            return {"id": number, "condominio_id": condominium, "numero": f"{choose.randrange(1, 30)}{choose.choice('ABCD')}",
                    "area_m2": choose.randrange(35, 220)}
        return {"id": number, "condominio_id": condominium, "tipo": choose.choice(["RECEITA", "RECEITA", "DESPESA"]),
                "valor": f"{choose.randrange(1, 500_000) / 100:.2f}"}

    def changed(self, table, row):
        choose = self.choose
        if table == "condominios":
            return {**row, "nome": row["nome"].split(" (")[0] + f" ({choose.randrange(2, 99)})"}
        if table == "moradores":
            # Moving house changes the groups of two condominiums.
            return {**row, "condominio_id": choose.choice(list(self.rows["condominios"])), "ativo": choose.random() < 0.9}
        if table == "imoveis":
            return {**row, "area_m2": row["area_m2"] + choose.randrange(-3, 8)}
        return {**row, "valor": f"{choose.randrange(1, 500_000) / 100:.2f}"}

    def envelope(self, table, op, before, after):
        """Topic, key and value, as Debezium's PostgreSQL connector writes them without schemas."""
        self.lsn += self.choose.randrange(1, 9)
        self.at_ms += self.choose.randrange(0, 40)
        self.counts[table][op] += 1
        self.last_lsn[table] = self.lsn
        value = {"before": before, "after": after, "op": op, "ts_ms": self.at_ms + 3, "source": {
            "version": "2.7.0.Final", "connector": "postgresql", "name": SERVER, "ts_ms": self.at_ms, "db": "condominio", "schema": "public",
            "snapshot": "true" if op == "r" else "false", "table": table, "lsn": self.lsn}}
        return topic(table), {"id": (after or before)["id"]}, value

    def snapshot(self, sizes):
        """What was there before: every row is read once."""
        for table in TABLES:
            for _ in range(sizes[table]):
                row = self.new(table)
                self.rows[table][row["id"]] = row
                yield self.envelope(table, "r", None, row)

    def changes(self, count):
        """Inserts, updates and deletes; after each delete a tombstone."""
        for _ in range(count):
            table = self.choose.choices(TABLES, weights=(1, 8, 5, 20))[0]
            rows = self.rows[table]
            op = self.choose.choices("cud", weights=(5, 4, 1))[0] if len(rows) > 5 else "c"
            if op == "c":
                row = self.new(table)
                rows[row["id"]] = row
                yield self.envelope(table, "c", None, row)
                continue
            before = rows[self.choose.choice(list(rows))]
            if op == "u":
                after = rows[before["id"]] = self.changed(table, before)
                yield self.envelope(table, "u", before, after)
            else:
                del rows[before["id"]]
                envelope = self.envelope(table, "d", before, None)
                yield envelope
                yield envelope[0], envelope[1], None
