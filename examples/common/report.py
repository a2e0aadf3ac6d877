"""What a pipeline prints: aligned tables, percentiles, and the checks that decide its exit code.

Must not know: where figures come from. Invariant: a check that fails is printed, and the exit code tells it.
"""

import sys
import time

BEGUN = time.monotonic()


def shown(cell):
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < 10**11:
        return f"{cell:,}"
    return str(cell)


def table(columns, rows, indent="  "):
    """Prints rows in columns: numbers to the right, text to the left."""
    whole = [all(isinstance(row[at], float) and row[at].is_integer() for row in rows) for at in range(len(columns))]
    text = [[shown(int(cell) if whole[at] else cell) for at, cell in enumerate(row)] for row in rows]
    numbers = [bool(rows) and all(isinstance(row[at], (int, float)) or row[at] is None for row in rows) for at in range(len(columns))]
    widths = [max([len(name), *(len(row[at]) for row in text)]) for at, name in enumerate(columns)]
    def line(cells):
        padded = [cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(cells, widths, numbers)]
        return (indent + "  ".join(padded)).rstrip()
    print(line(columns))
    print(line(["-" * width for width in widths]))
    for row in text:
        print(line(row))
    sys.stdout.flush()


def head(title):
    print(f"\n== {title}", flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Checks:
    """Expectations, and whether they hold."""

    def __init__(self):
        self.lines, self.failed = [], 0

    def equal(self, name, seen, wanted):
        self.note(name, seen == wanted, wanted, seen)

    def close(self, name, seen, wanted, tolerance=1e-9):
        """Sums of fractions: the order of adding them is nobody's business."""
        self.note(name, seen is not None and abs(seen - wanted) <= tolerance * max(1.0, abs(wanted)), wanted, seen)

    def holds(self, name, truth, seen):
        self.note(name, bool(truth), "yes", seen)

    def note(self, name, good, wanted, seen):
        self.failed += not good
        short = lambda cell: shown(cell) if len(shown(cell)) <= 34 else f"{shown(cell)[:31]}..."
        self.lines.append([name, short(wanted), short(seen), "ok" if good else "WRONG"])

    def finish(self):
        """Prints them; ends the program where one failed."""
        head("checks")
        table(["check", "expected", "found", ""], self.lines)
        print(f"\n{len(self.lines) - self.failed} of {len(self.lines)} checks passed in {time.monotonic() - BEGUN:.1f} s", flush=True)
        if self.failed:
            sys.exit(1)


def near(seen, wanted, tolerance=1e-9):
    """Whether two tables agree, numbers up to the tolerance."""
    def same(a, b):
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return abs(a - b) <= tolerance * max(1.0, abs(b))
        return a == b
    return len(seen) == len(wanted) and all(len(a) == len(b) and all(map(same, a, b)) for a, b in zip(seen, wanted))
