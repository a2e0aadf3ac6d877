"""Compares what `tpch run` printed with the answers that `duckdb_times.py record` wrote: `same_answers.py PRINTED ANSWERS`.

The first 200 rows of each query, numbers to a millionth, and the number of rows.
"""
import json, sys


def value(text, at, wanted):
    """The place behind the value at a place; none where it is another one."""
    if isinstance(wanted, str):
        return at + len(wanted) if text.startswith(wanted, at) else None
    ends = [end for end in (text.find("|", at), text.find(";", at)) if end >= 0]
    end = min(ends, default=len(text))
    shown = text[at:end]
    if wanted is None:
        return end if shown == "null" else None
    try:
        return end if abs(float(shown) - wanted) <= 1e-6 * max(1, abs(wanted)) else None
    except ValueError:
        return None


def difference(text, count, rows):
    if len(rows) != count:
        return f"{count} rows, not {len(rows)}"
    at = 0
    for number, row in enumerate(rows[:200]):
        for wanted in row:
            end = value(text, at, wanted)
            if end is None:
                return f"row {number}: `{text[at:at + 40]}`, not `{wanted}`"
            at = end + 1
    return None


def main():
    wrong = 0
    for line in open(sys.argv[1]):
        fields = line.rstrip("\n").split(None, 5)
        if not line.startswith("q") or len(fields) < 5:
            continue
        rows = json.load(open(f"{sys.argv[2]}/{fields[0]}.json"))
        found = difference(fields[5] if len(fields) > 5 else "", int(fields[4]), rows)
        wrong += found is not None
        print(fields[0], found or "same")
    sys.exit(wrong > 0)


main()
