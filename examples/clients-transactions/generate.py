"""Writes clients.csv and transactions.csv, with the mistakes that such files have.

Must not know: the rules of validation. Invariant: the same seed makes the same bytes; the mistakes put in are returned, by rule.
"""

import csv
import datetime
import random

CITIES = ["São Paulo", "Rio de Janeiro", "Belo Horizonte", "Curitiba", "Recife", "Porto Alegre", "Salvador", "Belém"]
NAMES = ["Ana", "Beatriz", "Carlos", "Daniela", "Eduardo", "Fernanda", "Gustavo", "Helena", "Inês", "João", "Larissa", "Marcos"]
SURNAMES = ["Silva", "Souza", "Oliveira", "Pereira", "Lima", "Gomes", "Conceição", "Araújo"]
CATEGORIES = ["Alimentos", "Casa", "Eletrônicos", "Livros", "Moda", "Saúde", "Transporte"]
FIRST_DAY = datetime.date(2023, 1, 1)
DAYS = 3 * 365


def day(choose):
    return FIRST_DAY + datetime.timedelta(days=choose.randrange(DAYS))


def clients(choose, count):
    for number in range(1, count + 1):
        yield {"id_cliente": number, "nome": f"{choose.choice(NAMES)} {choose.choice(SURNAMES)}", "idade": choose.randrange(16, 90),
               "cidade": choose.choice(CITIES), "data_cadastro": day(choose).isoformat()}


def transactions(choose, count, clients):
    for number in range(1, count + 1):
        yield {"id_transacao": f"T{number:07d}", "id_cliente": choose.randrange(1, clients + 1), "categoria": choose.choice(CATEGORIES),
               "valor": f"{choose.uniform(5, 2000):.2f}", "data": day(choose).isoformat()}


def spoil(choose, rows, mistakes, share=0.01):
    """Puts mistakes into some rows, each once: rule -> how many."""
    made = {rule: 0 for rule, _ in mistakes}
    picked = choose.sample(range(1, len(rows)), max(len(mistakes), int(len(rows) * share)))
    for turn, at in enumerate(picked):
        rule, change = mistakes[turn % len(mistakes)]
        change(rows, at)
        made[rule] += 1
    return made


def set_to(column, value):
    def change(rows, at):
        rows[at][column] = value
    return change


def repeat(column):
    """The key of the first row, which stays good."""
    def change(rows, at):
        rows[at][column] = rows[0][column]
    return change


def write(path, rows, without=None):
    columns = [name for name in rows[0] if name != without]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def make(folder, client_count, transaction_count, seed):
    """Writes both files; the mistakes of each."""
    choose = random.Random(seed)
    client_rows = list(clients(choose, client_count))
    transaction_rows = list(transactions(choose, transaction_count, client_count))
    client_mistakes = spoil(choose, client_rows, [
        ("unique key", repeat("id_cliente")), ("date", set_to("data_cadastro", "31/02/2024")), ("number", set_to("idade", "trinta")),
        ("value missing", set_to("cidade", ""))])
    transaction_mistakes = spoil(choose, transaction_rows, [
        ("unique key", repeat("id_transacao")), ("date", set_to("data", "2024-13-01")), ("number", set_to("valor", "R$ 10")),
        ("value missing", set_to("categoria", "")), ("known client", set_to("id_cliente", client_count + 99))], share=0.004)
    write(folder / "clients.csv", client_rows)
    write(folder / "transactions.csv", transaction_rows)
    # A file that nobody should load.
    write(folder / "clients_without_city.csv", client_rows[:20], without="cidade")
    return client_mistakes, transaction_mistakes
