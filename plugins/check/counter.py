"""Reference of `counter`: at every reading the whole history is counted anew, in exact fractions.

The readings come from a counter that is simulated, so for the first cases the true total is known as well and compared here.
"""

import random
from fractions import Fraction

from replay import SECOND, UNCERTAIN, Row, main, spoil


def severity(quality):
    return min(quality >> 30, 2)


def count(history, modulus, rate_max, tolerance):
    """(increase, seconds, certain) of every step of `history`, or None if its last reading is a spike."""
    steps, shown = [], Fraction(history[0].value)
    for before, row in zip(history, history[1:]):
        value, seconds = Fraction(row.value), Fraction(row.time - before.time, SECOND)
        fits = lambda units: not rate_max or units / seconds <= Fraction(rate_max)
        certain = True
        if value >= shown:
            units = value - shown
            if not fits(units):
                return None
            shown = value
        elif shown - value <= Fraction(tolerance):
            units = Fraction(0)
        else:
            units = Fraction(modulus) - shown + value
            if not (modulus and fits(units)):
                certain, units = False, value if fits(value) else Fraction(0)
            shown = value
        steps.append((units, seconds, certain))
    return steps


def counted(rows, modulus=0, rate_max=0, tolerance=0, gap_s=0, scale=1):
    history, out = [], []
    for row in rows:
        usable = severity(row.quality) < 2 and row.value >= 0 and row.value < (modulus or float("inf"))
        if not usable or (history and row.time < history[-1].time):
            continue
        longer = [old for old in history if old.time < row.time] + [row]
        steps = count(longer, modulus, rate_max, tolerance)
        if steps is None:
            continue
        history = longer
        quality = max((old.quality for old in history[-2:]), key=severity)
        total = float(Fraction(scale) * sum(units for units, _, _ in steps))
        if steps:
            units, seconds, certain = steps[-1]
            is_gap = gap_s and seconds > gap_s
            if (is_gap or not certain) and severity(quality) < 1:
                quality = UNCERTAIN
            if not is_gap:
                out.append(Row(row.time, float(Fraction(scale) * units / seconds), quality, port=0))
        out.append(Row(row.time, total, quality, port=1))
    return out


def add(reference, name, rows, **params):
    results = counted(rows, **params)
    reference.case(name, params, rows, results)
    return [row.value for row in results if row.port == 1]


def simulated(seed, count, modulus=None, reset=0.0, jitter=0, units_max=400):
    """Readings of a counter, and how much it has counted since the first one. Units are quarters."""
    source, rows, at, shown, total = random.Random(seed), [], 1_700_000_000 * SECOND, 0, 0
    for _ in range(count):
        at += 1 + int(source.random() * 4e9)
        units = int(source.random() * units_max)
        total += units
        shown += units
        if modulus:
            shown %= modulus * 4
        if source.random() < reset:
            shown = units
        rows.append(Row(at, (shown - (int(source.random() * jitter) if shown > jitter else 0)) / 4))
    return rows, (total - int(rows[0].value * 4)) / 4


def generated(reference):
    rows, total = simulated(1, 110, modulus=1000)
    assert add(reference, "wraps around", rows, modulus=1000, scale=0.001)[-1] == total * 0.001
    rows, total = simulated(2, 100, reset=0.1)
    assert add(reference, "resets", rows)[-1] <= total
    rows, _ = simulated(3, 100, modulus=4096, reset=0.1)
    add(reference, "both", rows, modulus=4096, rate_max=100)
    rows, _ = simulated(4, 110, modulus=3000)
    add(reference, "spoiled", spoil(rows, 5), modulus=3000, rate_max=400, gap_s=3)
    rows, _ = simulated(6, 80, jitter=8, units_max=10)
    add(reference, "jitter", rows, tolerance=2)


def recorded(reference, rows):
    """A recorded series is made a counter by adding it up."""
    shown, readings = Fraction(0), []
    for row in rows[:1000]:
        shown = (shown + abs(Fraction(row.value))) % 65536
        readings.append(row._replace(value=float(shown)))
    add(reference, "added up", [row for row in readings if row.value < 65536], modulus=65536)
    add(reference, "as it is", rows[:1000], tolerance=0.5, gap_s=3600)


if __name__ == "__main__":
    main("counter", "counter.py", generated, recorded)
