"""What every Python client's checks share: running one, and comparing what came with what SQLite answered.

Must not know: clients. Invariant: a check prints one line, and one that fails fails the process.
"""

failed = 0


def check(client, name, work):
    """Runs one check; what it raises is its result, what it returns is said beside the `ok`."""
    global failed
    try:
        said = work()
        print(f"{client} | {name} | ok" + (f", {said}" if isinstance(said, str) else ""), flush=True)
    except Exception as error:  # a client may raise anything
        failed += 1
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"{client} | {name} | FAILED: {text[:600]}", flush=True)


def same(got, wanted):
    if isinstance(wanted, float) or isinstance(got, float):
        return isinstance(got, (int, float)) and abs(got - wanted) <= 1e-6 * max(1.0, abs(wanted))
    return type(got) is type(wanted) and got == wanted


def expect_rows(got, wanted):
    got = [list(row) for row in got]
    assert len(got) == len(wanted), f"{len(got)} rows, {len(wanted)} expected"
    for at, (row, expected) in enumerate(zip(got, wanted)):
        ok = len(row) == len(expected) and all(map(same, row, expected))
        assert ok, f"row {at} is {row}, {expected} expected"
