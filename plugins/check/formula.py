"""Reference results of `formula`: every expression is written again as exact arithmetic, every unit as an exact fraction.

The join is brute force over all rows that ever came: at every time at which an input has a row, the newest row of each input not after it.

    python3 plugins/check/formula.py
"""

import math
from decimal import Decimal, getcontext
from fractions import Fraction

from cases import BAD, GOOD, SECOND, UNCERTAIN, Reference, generator, worst

getcontext().prec = 50


def exact(function):
    """A function of decimals as one of fractions."""
    return lambda x: Fraction(function(Decimal(x.numerator) / Decimal(x.denominator)))


def root(x):
    if x < 0:
        raise ArithmeticError
    return exact(Decimal.sqrt)(x)


exp, ln = exact(Decimal.exp), exact(Decimal.ln)
HOUR = Fraction(3600)
ZERO_C = Fraction("273.15")


def linear(factor):
    return lambda x: x * factor


CASES = [
    (  # hydraulic power
        dict(expression="1025[kg/m3] * 9.80665[m/s2] * flow * head", names="a=flow;b=head", units="flow=m3/h;b=m", unit="kW"),
        [linear(1 / HOUR), linear(1)],
        lambda flow, head: Fraction(1025) * Fraction("9.80665") * flow * head / 1000,
        (100, 2000), (0, 12),
    ),
    (  # speed of a jet; no result below 0
        dict(expression="if(a > 3[bar], sqrt(2*(a-b)/1000[kg/m3]), 0[m/s])", units="a=bar;b=mbar", unit="km/h", max_age_s=4),
        [linear(100_000), linear(100)],
        lambda a, b: (root(2 * (a - b) / 1000) if a > 300_000 else 0) * Fraction(36, 10),
        (2, 5), (0, 5000),
    ),
    (  # plain numbers
        dict(expression="max(a, b, c)^2 + min(a, b) - abs(c) ^ 0.5 / exp(-a/50) + clamp(ln(b*b+1), 0, 2)", max_age_s=10),
        [linear(1), linear(1), linear(1)],
        lambda a, b, c: max(a, b, c) ** 2 + min(a, b) - root(abs(c)) / exp(-a / 50) + max(0, min(2, ln(b * b + 1))),
        (-20, 50), (-3, 3), (-100, 100),
    ),
    (  # heat flow
        dict(expression="(a - b) * c * 4.186[kJ/(kg*K)]", units="a=°C;b=°F;c=t/h", unit="MW", max_age_s=2),
        [lambda x: x + ZERO_C, lambda x: (x + Fraction("459.67")) / Fraction("1.8"), linear(1000 / HOUR)],
        lambda a, b, c: (a - b) * c * 4186 / 10**6,
        (60, 90), (50, 120), (1, 300),
    ),
]


def rows_of(seed, ranges, seconds):
    """(port, time, value, quality) in the order of arrival: mostly by time, some rows late by up to 8 s, some written twice."""
    rng, arrivals = generator(seed), []
    for second in range(seconds):
        for port, (low, high) in enumerate(ranges):
            if rng.random() < 0.6:
                value = math.nan if rng.random() < 0.03 else rng.uniform(low, high)
                quality = rng.choices([GOOD, UNCERTAIN, BAD], [0.9, 0.06, 0.04])[0]
                delay = rng.choice([0, 0, 0, 0, rng.uniform(0, 8)])
                time = (1_700_000_000 + second) * SECOND
                arrivals.append((second + delay, port, time, value, quality))
                if rng.random() < 0.05:
                    arrivals.append((second + 8, port, time, rng.uniform(low, high), GOOD))
    arrivals.sort(key=lambda row: row[0])
    return arrivals


def joined(arrivals, count, max_age):
    """(time, samples) for every time at which all inputs have a value."""
    known = [dict() for _ in range(count)]
    for _, port, time, value, quality in arrivals:
        known[port][time] = (value, quality)
    for time in sorted({time for samples in known for time in samples}):
        chosen = []
        for samples in known:
            fitting = [t for t in samples if t <= time and time - t <= max_age]
            if fitting:
                chosen.append(samples[max(fitting)])
        if len(chosen) == count:
            yield time, chosen


def main():
    reference = Reference("formula", "formula.py")
    for seed, (params, to_si, compute, *ranges) in enumerate(CASES):
        reference.case(**params)
        arrivals = rows_of(seed, ranges, 70)
        for index, (now, port, time, value, quality) in enumerate(arrivals):
            reference.row(0, port, time, value, quality)
            if index % 10 == 9:
                reference.advance((1_700_000_000 + int(now) - 9) * SECOND)
        for time, samples in joined(arrivals, len(ranges), params.get("max_age_s", 0) * SECOND):
            quality = worst(*(q for _, q in samples))
            try:
                values = [convert(Fraction(value)) for convert, (value, _) in zip(to_si, samples)]
                reference.out(0, 0, time, float(compute(*values)), quality)
            except (ArithmeticError, ValueError):
                reference.out(0, 0, time, math.nan, worst(quality, BAD))
    reference.write()


if __name__ == "__main__":
    main()
