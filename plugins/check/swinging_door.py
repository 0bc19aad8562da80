"""Reference of `swinging-door`: keeps all rows of a line, and tests every line over all of them in exact fractions.

The plugin keeps two slopes instead; that it drops the same rows is what the comparison shows.
"""

import math
from fractions import Fraction

from replay import SECOND, Advance, Row, main, spoil, walk, whole_seconds


def alike(a, b):
    finite = math.isfinite(a.value) and math.isfinite(b.value)
    return a.quality == b.quality and (finite or a.value == b.value or (math.isnan(a.value) and math.isnan(b.value)))


def fits(pivot, dropped, end, width):
    """Whether the line from `pivot` to `end` passes every dropped row within the width."""
    if not math.isfinite(pivot.value):
        return True
    rise = Fraction(end.value) - Fraction(pivot.value)
    for row in dropped:
        line = Fraction(pivot.value) + rise * (row.time - pivot.time) / (end.time - pivot.time)
        if abs(line - Fraction(row.value)) > Fraction(width):
            return False
    return True


def compress(calls, width, max_interval_s=0):
    """What passes. A line is the list of its rows: pivot, dropped rows, candidate."""
    longest = max_interval_s * SECOND or math.inf
    passed, rows = [], []

    def corner(before):
        nonlocal rows
        inside = [row for row in rows[1:] if row.time < before]
        if inside:
            passed.append(inside[-1])
            rows = [inside[-1]] + [row for row in rows if row.time >= before]

    for call in calls:
        now = call.watermark if isinstance(call, Advance) else call.time
        if rows and now >= rows[-1].time and now - rows[0].time > longest:
            corner(now)
        if isinstance(call, Advance):
            continue
        if rows and call.time < rows[-1].time:
            passed.append(call)
        elif not rows or call.time == rows[0].time or not alike(rows[0], call):
            if rows:
                corner(call.time)
            passed.append(call)
            rows = [call]
        else:
            rows = [row for row in rows if row.time < call.time]
            if not fits(rows[0], rows[1:], call, width):
                corner(call.time)
            rows.append(call)
    return passed


def add(reference, name, calls, width, max_interval_s=0):
    params = {"width": width, "max_interval_s": max_interval_s}
    passed = compress(calls, width, max_interval_s)
    rows = sum(isinstance(call, Row) for call in calls)
    print(f"{name}: {len(passed)} of {rows} rows pass")
    reference.case(name, params, calls, passed)


def generated(reference):
    add(reference, "walk", walk(1, 200), 1.0)
    add(reference, "fine walk", walk(2, 130, grid=1024), 0.3)
    add(reference, "whole seconds", whole_seconds(walk(8, 220)), 0.5, 5)
    add(reference, "width 0", walk(3, 60, grid=2), 0.0)
    add(reference, "longest interval", walk(4, 150, spread=0.1), 2.0, 7)
    add(reference, "spoiled", spoil(walk(5, 250, grid=16), 6), 1.0, 20)
    calls = []
    for index, row in enumerate(walk(7, 120, spread=0.3)):
        calls += [row, Advance(row.time - SECOND)] if index % 3 == 0 else [row]
    add(reference, "watermarks", calls + [Advance(calls[-1].time + 60 * SECOND)], 1.0, 5)


def recorded(reference, rows):
    spread = max(row.value for row in rows) - min(row.value for row in rows)
    for share in (0.002, 0.01, 0.05):
        add(reference, f"width {share}", rows, share * spread)
    add(reference, "six hours", rows, 0.01 * spread, 6 * 3600)


if __name__ == "__main__":
    main("swinging-door", "swinging_door.py", generated, recorded)
