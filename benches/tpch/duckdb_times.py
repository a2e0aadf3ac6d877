"""TPC-H with DuckDB over the files that `tpch data SCALE FOLDER` wrote.

`duckdb_times.py run SCALE FOLDER [RUNS]` prints the median and the least of each query's times in milliseconds;
`duckdb_times.py record SCALE FOLDER OUT` writes the answers as `OUT/qNN.json`. Money is DECIMAL, dates are DATE.
"""
import glob, json, os, statistics, sys, time
import duckdb

HERE = os.path.dirname(os.path.abspath(__file__))
MONEY = {"s_acctbal", "c_acctbal", "p_retailprice", "ps_supplycost", "o_totalprice", "l_quantity", "l_extendedprice",
         "l_discount", "l_tax"}
DATES = {"o_orderdate", "l_shipdate", "l_commitdate", "l_receiptdate"}
LONGS = {"o_orderkey", "l_orderkey"}
TEXTS = ("_name", "_comment", "_address", "_phone", "_mktsegment", "_mfgr", "_brand", "_type", "_container", "_orderstatus",
         "_orderpriority", "_clerk", "_returnflag", "_linestatus", "_shipinstruct", "_shipmode")


def kind(column):
    if column in MONEY:
        return "DECIMAL(15,2)"
    if column in DATES:
        return "DATE"
    if column in LONGS:
        return "BIGINT"
    return "VARCHAR" if column.endswith(TEXTS) else "INTEGER"


def load(folder):
    db = duckdb.connect()
    for table in "region nation supplier customer part partsupp orders lineitem".split():
        files = sorted(glob.glob(f"{folder}/{table}.*.csv"))
        names = open(files[0]).readline().strip().split("|")
        db.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind(name)}' for name in names)})")
        db.execute(f"INSERT INTO {table} SELECT * FROM read_csv({files}, delim='|', header=true, quote='', columns="
                   + "{" + ", ".join(f"'{name}': '{kind(name)}'" for name in names) + "})")
    return db


def queries(scale):
    for number in range(1, 23):
        text = open(f"{HERE}/queries/q{number:02}.sql").read()
        yield f"q{number:02}", text.replace("{fraction}", f"{0.0001 / scale:.10f}")


def main():
    how, scale, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    db = load(folder)
    if how == "record":
        os.makedirs(sys.argv[4], exist_ok=True)
        for name, sql in queries(scale):
            rows = [[value if isinstance(value, (int, str)) or value is None else
                     str(value) if hasattr(value, "year") else float(value) for value in row] for row in db.execute(sql).fetchall()]
            with open(f"{sys.argv[4]}/{name}.json", "w") as out:
                out.write("[" + ",\n".join(json.dumps(row) for row in rows) + "]\n")
        return
    runs = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    for name, sql in queries(scale):
        times = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            rows = db.execute(sql).fetchall()
            times.append((time.perf_counter() - start) * 1000)
        print(f"{name} {statistics.median(times[1:]):10.2f} {min(times[1:]):10.2f} rows {len(rows)}", flush=True)


main()
