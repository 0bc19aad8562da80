"""Reference results of `resample`: for every grid time a search among all rows, in exact fractions.

    python3 plugins/check/resample.py
"""

import math
from fractions import Fraction

from cases import BAD, GOOD, SECOND, SUBNORMAL, UNCERTAIN, Reference, generator, worst

START = 1_700_000_000 * SECOND


def arrivals_of(seed, count):
    """Rows with irregular steps, gaps, some exactly on the grid, late ones, and ones written again."""
    rng, time, rows = generator(seed), START, []
    for _ in range(count):
        time += rng.choice([SECOND, 3 * SECOND, rng.randrange(10 * SECOND), rng.randrange(90 * SECOND)])
        if rng.random() < 0.3:
            time -= time % (5 * SECOND)
        value = math.nan if rng.random() < 0.04 else rng.gauss(20, 10)
        quality = rng.choices([GOOD, UNCERTAIN, BAD], [0.9, 0.05, 0.05])[0]
        rows.append((time, value, quality))
        if rng.random() < 0.1:
            rows.append((time, rng.gauss(20, 10), GOOD))
        if rng.random() < 0.1:
            rows.append((time - 7 * SECOND, 1e6, GOOD))
    return rows


def kept(arrivals):
    """What is left when rows older than the newest are left out and rows of equal time replace each other: by time."""
    rows, newest = {}, None
    for time, value, quality in arrivals:
        if newest is None or time >= newest:
            rows[time], newest = (value, quality), time
    return sorted((time, value, quality) for time, (value, quality) in rows.items())


def honest(value, quality):
    return (value, worst(quality, BAD)) if math.isnan(value) else (value, quality)


def last(rows, grid, every, max_age, watermark):
    for g in grid:
        before = [row for row in rows if row[0] <= g]
        is_settled = g <= rows[-1][0] or g < watermark
        if before and is_settled and g - before[-1][0] <= max_age:
            yield g, *honest(before[-1][1], before[-1][2])


def linear(rows, grid, every, max_age, watermark):
    for g in grid:
        before, after = [row for row in rows if row[0] <= g], [row for row in rows if row[0] >= g]
        if not before or not after:
            continue
        (t0, v0, q0), (t1, v1, q1) = before[-1], after[0]
        if t0 == t1:
            yield g, *honest(v0, q0)
        elif t1 - t0 <= max_age:
            if math.isnan(v0) or math.isnan(v1):
                yield g, *honest(math.nan, worst(q0, q1))
            else:
                value = Fraction(v0) + (Fraction(v1) - Fraction(v0)) * Fraction(g - t0, t1 - t0)
                yield g, float(value), worst(q0, q1)


def mean(rows, grid, every, max_age, watermark):
    for g in grid:
        inside = [row for row in rows if g <= row[0] < g + every]
        is_settled = rows[-1][0] >= g + every or watermark >= g + every
        if not inside or not is_settled:
            continue
        usable = [(v, q) for _, v, q in inside if q != BAD and not math.isnan(v)]
        if not usable:
            yield g, math.nan, BAD
            continue
        quality = worst(GOOD, *(q for _, q in usable))
        if len(usable) < len(inside):
            quality = worst(quality, SUBNORMAL)
        yield g, float(sum(Fraction(v) for v, _ in usable) / len(usable)), quality


def main():
    reference = Reference("resample", "resample.py")
    cases = [
        (last, dict(every_s=5, max_age_s=20)),
        (last, dict(every_s=2.5, offset_s=0.5, max_age_s=0)),
        (linear, dict(every_s=5, max_age_s=30, method="linear")),
        (mean, dict(every_s=10, method="mean")),
        (mean, dict(every_s=60, offset_s=30, method="mean")),
    ]
    for seed, (method, params) in enumerate(cases):
        reference.case(**params)
        groups = [arrivals_of(10 * seed + group, 50) for group in range(2)]
        watermark = 0
        for index in range(max(map(len, groups))):
            for group, rows in enumerate(groups):
                if index < len(rows):
                    reference.row(group, 0, *rows[index])
            # The watermark is that of the faster group, so that rows of the slower one come behind it.
            if index % 7 == 6:
                watermark = max(watermark, max(rows[min(index, len(rows) - 1)][0] for rows in groups) - 5 * SECOND)
                reference.advance(watermark)
        watermark = max(watermark, START + 600 * SECOND)
        reference.advance(watermark)
        every, offset = int(params["every_s"] * SECOND), int(params.get("offset_s", 0) * SECOND)
        max_age = params.get("max_age_s", 0) * SECOND
        for group, arrivals in enumerate(groups):
            rows = kept(arrivals)
            first = (rows[0][0] - offset) // every
            final = (max(rows[-1][0], watermark) - offset) // every
            grid = [offset + k * every for k in range(first, final + 1)]
            for g, value, quality in method(rows, grid, every, max_age, watermark):
                reference.out(group, 0, g, value, quality)
    reference.write()


if __name__ == "__main__":
    main()
