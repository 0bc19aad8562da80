"""Reference results of `zscore` and `robust-anomaly`, by brute force over the window of every row.

zscore: mean and variance in exact rational arithmetic (fractions), weights of the exponential form with 40 digits (decimal).
robust-anomaly: medians by sorting (statistics.median), the very definition.

    python3 plugins/check/anomaly.py
"""

import math
import statistics
from decimal import Decimal, getcontext
from fractions import Fraction

from cases import BAD, GOOD, SECOND, UNCERTAIN, Reference, generator, worst

getcontext().prec = 40
LIMIT = 1e9


def sqrt(number):
    """Square root of a fraction, correct to far beyond a double."""
    return Decimal(number.numerator) / Decimal(number.denominator) if number == 0 else (
        Decimal(number.numerator) / Decimal(number.denominator)
    ).sqrt()


def walk(seed, rows, level, step_s=1.0):
    """(time, value, quality) with noise, drift, spikes, a constant stretch, late, bad, uncertain and NaN rows."""
    rng = generator(seed)
    time, out = 1_700_000_000 * SECOND, []
    for index in range(rows):
        time += int(rng.choice([0.5, 1.0, 1.0, 1.0, 3.0]) * step_s * SECOND)
        value = level + rng.gauss(0, 1) + math.sin(index / 9)
        if rng.random() < 0.03:
            value += rng.choice([-1, 1]) * rng.uniform(5, 5000)
        if rows // 2 < index < rows // 2 + 30:
            value = level
        quality = rng.choices([GOOD, UNCERTAIN, BAD], [0.95, 0.02, 0.03])[0]
        if rng.random() < 0.02:
            value = math.nan
        late = int(rng.random() < 0.03) * 20 * SECOND
        out.append((time - late, value, quality))
    return out


def usable(rows):
    """Rows to be judged with the rows known before each, by what the documentation says."""
    newest, known = None, []
    for time, value, quality in rows:
        if (newest is not None and time < newest) or not math.isfinite(value):
            continue
        yield time, value, quality, known
        if quality != BAD:
            known.append((time, value, quality))
            newest = time


def limited(score):
    return max(-LIMIT, min(LIMIT, score))


def emit(reference, group, time, score, threshold, quality):
    reference.out(group, 0, time, score, quality)
    reference.out(group, 1, time, 1 if abs(score) > threshold else 0, quality)


def by_count(reference, group, rows, count, threshold, min_count, min_deviation):
    for time, value, quality, known in usable(rows):
        window = known[-count:]
        if len(window) < min_count:
            continue
        values = [Fraction(v) for _, v, _ in window]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
        deviation = max(sqrt(variance), Decimal(min_deviation))
        distance = Fraction(value) - mean
        if distance == 0:
            score = 0.0
        elif deviation == 0:
            score = math.copysign(LIMIT, distance)
        else:
            score = limited(float(Decimal(distance.numerator) / Decimal(distance.denominator) / deviation))
        emit(reference, group, time, score, threshold, worst(quality, *(q for _, _, q in window)))


def by_time(reference, group, rows, tau_s, threshold, min_count):
    for time, value, quality, known in usable(rows):
        if not known:
            continue
        newest = known[-1][0]
        weights = [(Decimal(t - newest) / SECOND / Decimal(tau_s)).exp() for t, _, _ in known]
        total, squared = sum(weights), sum(w * w for w in weights)
        if total * total / squared < min_count:
            continue
        mean = sum(w * Decimal(v) for w, (_, v, _) in zip(weights, known)) / total
        squares = sum(w * (Decimal(v) - mean) ** 2 for w, (_, v, _) in zip(weights, known))
        deviation = (squares / (total - squared / total)).sqrt()
        doubtful = sum(w for w, (_, _, q) in zip(weights, known) if q == UNCERTAIN)
        of_known = UNCERTAIN if doubtful > total / 100 else GOOD
        emit(reference, group, time, limited(float((Decimal(value) - mean) / deviation)), threshold, worst(quality, of_known))


def inputs(reference, groups):
    """The rows of all groups, interleaved as they would arrive."""
    for index in range(max(len(rows) for rows in groups)):
        for group, rows in enumerate(groups):
            if index < len(rows):
                reference.row(group, 0, *rows[index])


def zscore():
    reference = Reference("zscore", "anomaly.py")
    for count, threshold, min_count, min_deviation, level in [(20, 3, 10, 0.0, 50.0), (7, 2.5, 2, 0.25, 1000.0)]:
        reference.case(count=count, threshold=threshold, min_count=min_count, min_deviation=min_deviation)
        groups = [walk(count, 110, level), walk(count + 1, 40, -level)]
        inputs(reference, groups)
        for group, rows in enumerate(groups):
            by_count(reference, group, rows, count, threshold, min_count, min_deviation)
    reference.case(tau_s=30, threshold=3, min_count=5)
    groups = [walk(90, 110, 20.0), walk(91, 40, 0.0)]
    inputs(reference, groups)
    for group, rows in enumerate(groups):
        by_time(reference, group, rows, 30, 3, 5)
    reference.write()


def robust():
    reference = Reference("robust-anomaly", "anomaly.py")
    for count, threshold, min_count, min_deviation in [(21, 3, 10, 0.0), (8, 2.0, 3, 0.5)]:
        reference.case(count=count, threshold=threshold, min_count=min_count, min_deviation=min_deviation)
        groups = [walk(count + 500, 110, 50.0), walk(count + 501, 40, 0.0)]
        inputs(reference, groups)
        for group, rows in enumerate(groups):
            for time, value, quality, known in usable(rows):
                window = known[-count:]
                if len(window) < min_count:
                    continue
                values = [v for _, v, _ in window]
                median = statistics.median(values)
                deviation = max(1.4826 * statistics.median(abs(v - median) for v in values), min_deviation)
                if value == median:
                    score = 0.0
                elif deviation == 0:
                    score = math.copysign(LIMIT, value - median)
                else:
                    score = limited((value - median) / deviation)
                of_all = worst(quality, *(q for _, _, q in window))
                emit(reference, group, time, score, threshold, of_all)
                reference.out(group, 2, time, median if abs(score) > threshold else value, of_all)
    reference.write()


if __name__ == "__main__":
    zscore()
    robust()
