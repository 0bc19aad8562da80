"""Reference of `moving-average`: every mean anew from all rows of its window, in exact fractions, rounded once."""

from fractions import Fraction

from replay import GOOD, SECOND, UNCERTAIN, Row, main, spoil, usable, walk, whole_seconds


def worst(qualities):
    """The first of the worst severity."""
    return max(qualities, key=lambda quality: min(quality >> 30, 2))


def averages(rows, count=None, span_s=None, min_count=1, rows_max=10_000):
    """What comes out. History holds a time once: the row written last."""
    history, out = {}, []
    for row in filter(usable, rows):
        if history and row.time < max(history):
            continue
        history[row.time] = row
        window = [history[time] for time in sorted(history)]
        quality = GOOD
        if count:
            window = window[-count:]
        else:
            window = [old for old in window if row.time - old.time < span_s * SECOND]
            quality = UNCERTAIN if len(window) > rows_max else GOOD
            window = window[-rows_max:]
        if len(window) >= min_count:
            mean = float(sum(Fraction(old.value) for old in window) / len(window))
            out.append(Row(row.time, mean, worst([old.quality for old in window] + [quality])))
    return out


def add(reference, name, rows, **params):
    reference.case(name, params, rows, averages(rows, **params))


def generated(reference):
    add(reference, "count", walk(1, 90, grid=7), count=10)
    add(reference, "span", whole_seconds(walk(2, 90, grid=7)), span_s=6)
    add(reference, "count spoiled", spoil(walk(3, 120, grid=7), 4), count=12, min_count=3)
    add(reference, "span spoiled", spoil(walk(5, 120, grid=7), 6), span_s=9)
    add(reference, "short of rows", walk(7, 90, grid=7), span_s=8, rows_max=9)
    large = [row._replace(value=row.value * 10.0 ** (index % 24)) for index, row in enumerate(walk(8, 90, grid=7))]
    add(reference, "24 magnitudes", large, count=5)


def recorded(reference, rows):
    rows = rows[:3000]
    add(reference, "an hour", rows, span_s=3600)
    add(reference, "100 rows", rows, count=100)


if __name__ == "__main__":
    main("moving-average", "moving_average.py", generated, recorded)
