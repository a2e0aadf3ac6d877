"""TPC-H with DataFusion alone over the files that `tpch data SCALE FOLDER` wrote, held in memory.

`datafusion_times.py SCALE FOLDER [RUNS]` prints the median and the least of each query's times in milliseconds. Money is DOUBLE
and dates are texts, as in the tables of the benchmark. Needs the packages `datafusion` and `pyarrow`.
"""
import glob, os, statistics, sys, time
import pyarrow as pa
import pyarrow.csv as csv
from datafusion import SessionContext

HERE = os.path.dirname(os.path.abspath(__file__))
MONEY = {"s_acctbal", "c_acctbal", "p_retailprice", "ps_supplycost", "o_totalprice", "l_quantity", "l_extendedprice",
         "l_discount", "l_tax"}
LONGS = {"o_orderkey", "l_orderkey"}
TEXTS = ("_name", "_comment", "_address", "_phone", "_mktsegment", "_mfgr", "_brand", "_type", "_container", "_orderstatus",
         "_orderpriority", "_clerk", "_returnflag", "_linestatus", "_shipinstruct", "_shipmode", "date")


def kind(column):
    if column in MONEY:
        return pa.float64()
    if column in LONGS:
        return pa.int64()
    return pa.string() if column.endswith(TEXTS) else pa.int32()


def load(folder):
    context = SessionContext()
    for table in "region nation supplier customer part partsupp orders lineitem".split():
        files = sorted(glob.glob(f"{folder}/{table}.*.csv"))
        names = open(files[0]).readline().strip().split("|")
        convert = csv.ConvertOptions(column_types={name: kind(name) for name in names})
        parse = csv.ParseOptions(delimiter="|", quote_char=False)
        parts = [csv.read_csv(file, parse_options=parse, convert_options=convert) for file in files]
        batches = pa.concat_tables(parts).to_batches(max_chunksize=8192)
        half = (len(batches) + 1) // 2
        context.register_record_batches(table, [part for part in (batches[:half], batches[half:]) if part])
    return context


def main():
    scale, folder = float(sys.argv[1]), sys.argv[2]
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    context = load(folder)
    for number in range(1, 23):
        sql = open(f"{HERE}/queries/q{number:02}.sql").read().replace("{fraction}", f"{0.0001 / scale:.10f}")
        sql = sql.replace("YEAR(", "date_part('year',")
        times = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            rows = sum(batch.num_rows for batch in context.sql(sql).collect())
            times.append((time.perf_counter() - start) * 1000)
        print(f"q{number:02} {statistics.median(times[1:]):10.2f} {min(times[1:]):10.2f} rows {rows}", flush=True)


main()
