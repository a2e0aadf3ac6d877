"""Writes sales into the topic `vendas-tempo-real`, at a steady rate, from a seed.

Must not know: tables, queries. Invariant: the same seed and number of rows make the same sales, their time apart; the totals
that are printed are those of what was acknowledged.
"""

import argparse
import datetime
import json
import random

import topics

TOPIC = "vendas-tempo-real"
PARTITIONS = 3
PRODUCTS = [(101, "Notebook 14", "Eletrônicos", 4299.0), (102, "Fone sem fio", "Eletrônicos", 249.9), (103, "Monitor 27", "Eletrônicos", 1499.0),
            (201, "Cafeteira", "Casa", 389.0), (202, "Panela de ferro", "Casa", 229.0), (301, "Tênis de corrida", "Esportes", 459.9),
            (302, "Bicicleta aro 29", "Esportes", 2199.0), (401, "Livro de receitas", "Livros", 59.9), (402, "Romance", "Livros", 44.5),
            (501, "Camiseta básica", "Moda", 49.9), (502, "Mochila", "Moda", 189.9)]
CITIES = [("São Paulo", "SP"), ("Rio de Janeiro", "RJ"), ("Belo Horizonte", "MG"), ("Curitiba", "PR"), ("Recife", "PE"),
          ("Porto Alegre", "RS"), ("Salvador", "BA"), ("Belém", "PA")]
PAYMENTS = ["PIX", "Cartão de crédito", "Cartão de débito", "Boleto"]


def sales(rows, seed):
    """The sales, without their time."""
    choose = random.Random(seed)
    for number in range(rows):
        product_id, product, category, price = choose.choices(PRODUCTS, weights=range(len(PRODUCTS), 0, -1))[0]
        city, state = choose.choices(CITIES, weights=(8, 5, 3, 2, 2, 2, 2, 1))[0]
        yield {
            "id_venda": f"V{number:08d}", "id_produto": product_id, "produto": product, "categoria": category,
            "id_cliente": choose.randrange(1, 5000), "cidade": city, "estado": state, "forma_pagamento": choose.choice(PAYMENTS),
            "quantidade": choose.choice([1, 1, 1, 2, 2, 3]), "preco_unitario": round(price * choose.uniform(0.85, 1.0), 2),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka", default="localhost:9092")
    parser.add_argument("--rows", type=int, default=30000)
    parser.add_argument("--rate", type=float, default=2000, help="sales a second; 0 is as fast as it goes")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    writer, pace = topics.Writer(options.kafka), topics.Pace(options.rate)
    totals = {"vendas": 0, "itens": 0, "valor": 0.0, "por_categoria": {}, "por_cidade": {}, "por_pagamento": {}}
    for sale in sales(options.rows, options.seed):
        now = datetime.datetime.now(datetime.timezone.utc)
        sale["timestamp"] = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}"
        writer.write(TOPIC, sale, key=sale["id_venda"])
        value = sale["quantidade"] * sale["preco_unitario"]
        totals["vendas"] += 1
        totals["itens"] += sale["quantidade"]
        totals["valor"] += value
        for name, by in (("por_categoria", "categoria"), ("por_cidade", "cidade"), ("por_pagamento", "forma_pagamento")):
            totals[name][sale[by]] = totals[name].get(sale[by], 0.0) + value
        pace.step()
    writer.finish()
    print(json.dumps(totals, ensure_ascii=False))


if __name__ == "__main__":
    main()
