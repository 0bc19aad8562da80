"""Reference of `time-weighted`: the signal as a function of time, summed over every second at its middle, in exact fractions.

Rows lie at whole seconds, so that the middle of a second gives its area exactly. The plugin adds areas from row to row instead.

Lines of the file: `case,<name>,<parameters as JSON>`, then for every window `window,<start in ns>,<end in ns>`, its rows
`in,<time in ns>,<value>,<quality>`, and `out,<mean>,<integral>,<covered>,<mean of |X|>`; the last measures how accurate the mean can be.
"""

import json
import random
from bisect import bisect_right
from fractions import Fraction

from replay import BAD, SECOND, UNCERTAIN, Row, main, usable


def signal(rows, at, start, end, between, edges, gap):
    """X at `at` seconds, which is not the time of a row, or None where it is unknown."""
    place = bisect_right(rows, at, key=lambda row: row.time)
    earlier = rows[place - 1] if place > 0 else None
    later = rows[place] if place < len(rows) else None
    left = earlier.time if earlier else start
    right = later.time if later else end
    if gap and right - left > gap:
        return None
    if not earlier:
        return later.value if later and usable(later) and edges == "extend" else None
    if not usable(earlier) or (not later and edges == "inside"):
        return None
    if between == "last" or not later or not usable(later):
        return earlier.value
    share = (at - left) / Fraction(right - left)
    return earlier.value * (1 - share) + later.value * share


def integrate(rows, start, end, between="linear", edges="extend", gap_s=0):
    """Mean, integral, covered share and mean of |X|. Times are in seconds, values are fractions."""
    halves = [Fraction(2 * second + 1, 2) for second in range(start, end)]
    values = [signal(rows, at, start, end, between, edges, gap_s) for at in halves]
    known = [value for value in values if value is not None]
    if not known:
        return [float("nan"), float("nan"), 0.0, 0.0]
    return [float(sum(known) / len(known)), float(sum(known)), len(known) / (end - start),
            float(sum(map(abs, known)) / len(known))]


def add(reference, name, rows, length, **params):
    """Windows of `length` seconds over rows at whole seconds, and the empty window after them."""
    reference.lines.append(f"case,{name},{json.dumps(params)}")
    first, last = rows[0].time // length, rows[-1].time // length
    for start in range(first * length, (last + 2) * length, length):
        inside = [row for row in rows if start <= row.time < start + length]
        reference.lines.append(f"window,{start * SECOND},{(start + length) * SECOND}")
        reference.lines += [f"in,{row.time * SECOND},{row.value},{row.quality}" for row in inside]
        exact = [row._replace(value=Fraction(row.value)) if usable(row) else row for row in inside]
        reference.lines.append("out," + ",".join(map(str, integrate(exact, start, start + length, **params))))


def rows_at_seconds(seed, count, step=8, spoiled=0.0):
    source, rows, at = random.Random(seed), [], 1000
    for _ in range(count):
        at += 1 + int(source.random() * 2 * step)
        quality = BAD if source.random() < spoiled else UNCERTAIN if source.random() < 0.1 else 0
        value = float("nan") if source.random() < spoiled else round(source.random() * 100 - 30, 3)
        rows.append(Row(at, value, quality))
    return rows


def generated(reference):
    for seed, between in enumerate(("linear", "last")):
        for edges in ("extend", "hold", "inside"):
            add(reference, f"{between} {edges}", rows_at_seconds(seed, 80), 60, between=between, edges=edges)
        add(reference, f"{between} spoiled", rows_at_seconds(seed + 2, 110, spoiled=0.1), 60, between=between)
        add(reference, f"{between} gaps", rows_at_seconds(seed + 4, 100), 60, between=between, gap_s=9)
    add(reference, "sparse", rows_at_seconds(6, 60, step=50), 60)
    add(reference, "one long window", rows_at_seconds(7, 200, spoiled=0.02), 4000)


def recorded(reference, rows):
    """The first day, an hour at a time; a stamp that repeats keeps its last value, as in a series."""
    by_time = {row.time // SECOND: row for row in rows if row.time - rows[0].time < 86400 * SECOND}
    rows = [by_time[second]._replace(time=second) for second in sorted(by_time)]
    for between in ("linear", "last"):
        add(reference, between, rows, 3600, between=between)


if __name__ == "__main__":
    main("time-weighted", "time_weighted.py", generated, recorded)
