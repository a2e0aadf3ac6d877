"""Writes the CSV of an online shop from a seed, and reads such a file.

Must not know: streams, tables. Invariant: the same seed makes the same bytes; (UserID, TransactionID) is unique in the file.
"""

import csv
import datetime
import random

COLUMNS = ["UserID", "TransactionID", "ProductID", "Category", "Price", "Discount", "PaymentMethod", "PurchaseDate"]
CATEGORIES = ["Beauty", "Books", "Clothing", "Electronics", "Home & Kitchen", "Sports", "Toys"]
PAYMENTS = ["Cash on Delivery", "Credit Card", "Debit Card", "Net Banking", "UPI"]
BEGIN = datetime.datetime(2025, 1, 1)


def write(path, rows, seed):
    choose = random.Random(seed)
    users = [f"{choose.getrandbits(32):08x}" for _ in range(max(10, rows // 8))]
    moment = BEGIN
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(rows):
            moment += datetime.timedelta(milliseconds=choose.randrange(1, 120_000))
            writer.writerow([choose.choice(users), 8_000_000_000_000 + number * 7, f"{choose.getrandbits(24):06x}", choose.choice(CATEGORIES),
                             f"{choose.uniform(4, 500):.2f}", choose.choice([0, 0, 5, 10, 15, 20, 50]), choose.choice(PAYMENTS),
                             moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"])


def read(path):
    """Rows with numbers as numbers."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
        for row in reader:
            yield {**{name: row[name] for name in COLUMNS}, "Price": float(row["Price"]), "Discount": int(row["Discount"])}


def key(row):
    return f"{row['UserID']}#{row['TransactionID']}"
