"""Reference of `rollup`: every aggregate of a window by its definition, in exact fractions.

The plugin adds floating-point numbers and keeps their rounding errors; here nothing is rounded before the end.

Lines of the file: `window,<start in ns>,<end in ns>`, its rows `in,<time in ns>,<value>,<quality>`, and
`out,<count>,<sum>,<mean>,<min>,<max>,<variance>,<mean of |x|>`; the last measures how accurate the others can be. The windows between two
`parts` are parts of one, whose aggregates stand behind `whole`.
"""

import math
from fractions import Fraction

from replay import SECOND, main, spoil, usable, walk

NOTHING = ["nan"] * 5


def aggregates(rows):
    """Count, sum, mean, minimum, maximum, variance, and the mean of |x|."""
    # An uncertain row counts; one that is bad or NaN does not.
    values = [Fraction(row.value) for row in rows if usable(row)]
    if not values:
        return [0, *NOTHING, 0]
    n, total = len(values), sum(values)
    mean = total / n
    variance = sum((value - mean) ** 2 for value in values) / n
    size = sum(map(abs, values)) / n
    return [n, *(repr(float(value)) for value in (total, mean, min(values), max(values), variance, size))]


def newest_of_each_time(rows):
    """What a window holds: sorted, the row written last for every time."""
    return sorted({row.time: row for row in rows}.values())


def window(reference, rows, start, end):
    reference.lines.append(f"window,{start},{end}")
    reference.lines += [f"in,{row.time},{row.value},{row.quality}" for row in rows]
    reference.lines.append("out," + ",".join(map(str, aggregates(rows))))


def add(reference, rows, length):
    """Windows of `length` seconds, each whole and cut into three parts."""
    rows = newest_of_each_time(rows)
    length *= SECOND
    for start in range(rows[0].time // length * length, rows[-1].time + 2 * length, length):
        inside = [row for row in rows if start <= row.time < start + length]
        window(reference, inside, start, start + length)
        reference.lines.append("parts")
        for part in range(3):
            window(reference, inside[part::3], start, start + length)
        reference.lines.append("whole," + ",".join(map(str, aggregates(inside))))


def generated(reference):
    add(reference, walk(1, 600), 60)
    add(reference, spoil(walk(2, 400), 3, bad=0.2, nan=0.2), 30)
    # A large mean against a small spread, and values of every size.
    add(reference, [row._replace(value=row.value / 1024 + 1e9) for row in walk(4, 300)], 60)
    add(reference, [row._replace(value=math.ldexp(row.value, index % 80 - 40)) for index, row in enumerate(walk(5, 300))], 60)


if __name__ == "__main__":
    main("rollup", "rollup.py", generated, lambda reference, rows: add(reference, rows, 3600))
