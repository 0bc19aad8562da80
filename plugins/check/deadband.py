"""Reference of `deadband`: for every row, the whole past is looked through again.

The plugin remembers one row per group. Here the rows that pass are found by walking from the first one: each step searches all rows behind the
one emitted last for the next that has a reason to pass. Differences are exact fractions.
"""

import math
from fractions import Fraction

from replay import SECOND, main, spoil, walk, whole_seconds


def differs(row, emitted, width):
    """More than `width` away; NaN is away from every number and not from itself."""
    if math.isnan(row.value) or math.isnan(emitted.value):
        return math.isnan(row.value) != math.isnan(emitted.value)
    return abs(Fraction(row.value) - Fraction(emitted.value)) > Fraction(width)


def passing(rows, width, max_interval_s):
    """The rows that pass, in their order."""
    passed, at, emitted = [], 0, None
    while at < len(rows):
        def has_reason(row):
            return (emitted is None or row.time < emitted.time or differs(row, emitted, width) or row.quality != emitted.quality
                    or (max_interval_s > 0 and row.time - emitted.time >= max_interval_s * SECOND))

        found = next((index for index in range(at, len(rows)) if has_reason(rows[index])), None)
        if found is None:
            break
        row = rows[found]
        passed.append(row)
        # A late row passes as it is and changes nothing.
        if emitted is None or row.time >= emitted.time:
            emitted = row
        at = found + 1
    return passed


def add(reference, name, rows, **params):
    reference.case(name, params, rows, passing(rows, **params))


def generated(reference):
    add(reference, "walk", walk(1, 400), width=1.0, max_interval_s=0)
    add(reference, "everything that changes", walk(2, 200, spread=0.05), width=0, max_interval_s=0)
    # On the grid of 1/64, rows exactly `width` away are many.
    add(reference, "exactly on the edge", walk(3, 400, spread=0.2), width=0.0625, max_interval_s=0)
    add(reference, "at least every five seconds", whole_seconds(walk(4, 400)), width=100.0, max_interval_s=5)
    add(reference, "late bad and repeated rows", spoil(walk(5, 500), 6), width=0.5, max_interval_s=20)


def recorded(reference, rows):
    spread = max(row.value for row in rows) - min(row.value for row in rows)
    add(reference, "recorded", rows, width=spread / 100, max_interval_s=3600)


if __name__ == "__main__":
    main("deadband", "deadband.py", generated, recorded)
