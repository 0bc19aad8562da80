"""Reference of `stuck`: looks at every single tick of time, and back over all rows since the last gap.

Rows and durations are whole ticks, and a tick has one row at most. The plugin keeps the start of a run and the newest row instead.
"""

import math
import random

from replay import BAD, SECOND, Advance, Row, main


def is_bad(row):
    return row.quality >= BAD or math.isnan(row.value)


def run_start(rows, tolerance):
    """When the last run of `rows` began, or None."""
    start = value = None
    for row in rows:
        if not is_bad(row) and (start is None or abs(row.value - value) > tolerance):
            start, value = row.time, row.value
    return start


def changes(rows, end, tolerance=0, hold=0, gap=0):
    """(tick, state, quality) whenever it changes."""
    by_tick, newest = {}, -1
    for row in rows:
        if row.time > newest:
            newest = row.time
            by_tick[newest] = row
    since_gap, quality, shown, found, newest = [], None, None, [], None
    for now in range(min(by_tick), end):
        if row := by_tick.get(now):
            newest, quality = now, max(row.quality, BAD) if is_bad(row) else row.quality
            since_gap.append(row)
        if gap and now - newest >= gap:
            since_gap, state = [], "gap"
        else:
            start = run_start(since_gap, tolerance)
            state = "stuck" if hold and start is not None and now - start >= hold else "normal"
        if (state, quality) != shown:
            shown = (state, quality)
            found.append((now, state, quality))
    return found


def add(reference, name, rows, unit=SECOND, watermarks=0, **params):
    """Times of `rows` and durations are in ticks of `unit` ns. `watermarks`: one after so many rows, a little behind."""
    calls = []
    for index, row in enumerate(rows, 1):
        calls.append(row._replace(time=row.time * unit))
        if watermarks and index % watermarks == 0:
            calls.append(Advance((max(row.time for row in rows[:index]) - 2) * unit))
    end = max(row.time for row in rows) + 200
    calls.append(Advance(end * unit))
    found = changes(rows, end, **params)
    print(f"{name}: {len(found)} changes")
    named = {"tolerance": params.get("tolerance", 0)}
    named |= {f"{key}_s": params[key] * (unit // SECOND) for key in ("hold", "gap") if key in params}
    reference.case(name, named, calls, [Row(tick * unit, state, quality) for tick, state, quality in found])


def halting(seed, count, spoiled=0.0):
    """Values that rest now and then, at times with gaps now and then."""
    source, rows, at, value, resting = random.Random(seed), [], 1000, 0.0, 0
    for _ in range(count):
        at += 1 + int(source.random() * 3) + (int(source.random() * 40) if source.random() < 0.04 else 0)
        resting = resting - 1 if resting else int(source.random() * 25) if source.random() < 0.1 else 0
        if not resting:
            value += round(source.random() * 8 - 4) / 2
        shown = math.nan if source.random() < spoiled else value + round(source.random() * 2 - 1) / 8
        rows.append(Row(at, shown, BAD if source.random() < spoiled else 0))
        if source.random() < spoiled:
            rows.append(Row(at - 1 - int(source.random() * 5), 99.0))
    return rows


def generated(reference):
    add(reference, "hold", halting(1, 180), tolerance=0.25, hold=8)
    add(reference, "gaps", halting(2, 180), gap=10)
    add(reference, "both", halting(3, 200), tolerance=0.25, hold=9, gap=12)
    add(reference, "spoiled", halting(4, 200, spoiled=0.05), tolerance=0.25, hold=12, gap=8)
    add(reference, "watermarks", halting(5, 180), watermarks=4, tolerance=0.125, hold=7, gap=9)


def recorded(reference, rows):
    """The first 1,500 rows by the minute, of several in a minute the first."""
    minutes, kept = set(), []
    for row in rows[:1500]:
        minute = row.time // (60 * SECOND)
        if minute not in minutes:
            minutes.add(minute)
            kept.append(row._replace(time=minute))
    values = sorted(row.value for row in kept)
    step = min(b.time - a.time for a, b in zip(kept, kept[1:]))
    tolerance = (values[-1] - values[0]) / 50
    add(reference, "two per cent", kept, 60 * SECOND, tolerance=tolerance, hold=6 * step, gap=2 * step)


if __name__ == "__main__":
    main("stuck", "stuck.py", generated, recorded)
