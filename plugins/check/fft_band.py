"""Reference results of `fft-band`: the definition of the transform, summed term by term with correct rounding (math.fsum).

Rows are resampled in exact fractions; sines are of angles reduced as integers.

    python3 plugins/check/fft_band.py
"""

import math
import statistics
from fractions import Fraction

from cases import BAD, GOOD, SECOND, Reference, generator

START = 1_700_000_000 * SECOND


def evenly(rows, tolerance):
    """(values, step in seconds, whether resampled)."""
    times, values = [t for t, _ in rows], [Fraction(v) for _, v in rows]
    n, span = len(rows), times[-1] - times[0]
    step = Fraction(span, n - 1)
    if all(abs(t - times[0] - k * step) <= Fraction(tolerance) * step for k, t in enumerate(times)):
        return [float(v) for v in values], step / SECOND, 0
    median = statistics.median_low(b - a for a, b in zip(times, times[1:]))
    steps = round(Fraction(span, median))
    if steps >= 4 * n:
        steps = n - 1
    out = []
    for k in range(steps + 1):
        at = times[0] + Fraction(span * k, steps)
        left = max(i for i in range(n - 1) if times[i] <= at)
        share = (at - times[left]) / (times[left + 1] - times[left])
        out.append(float(values[left] + (values[left + 1] - values[left]) * share))
    return out, Fraction(span, steps) / SECOND, 1


def powers(values, window, remove_mean):
    n = len(values)
    mean = math.fsum(values) / n if remove_mean else 0.0
    weights = [0.5 - 0.5 * math.cos(2 * math.pi * k / n) if window == "hann" else 1.0 for k in range(n)]
    weighted = [(v - mean) * w for v, w in zip(values, weights)]
    norm = n * math.fsum(w * w for w in weights)
    out = []
    for j in range(n // 2 + 1):
        angles = [2 * math.pi * (j * k % n) / n for k in range(n)]
        re = math.fsum(v * math.cos(a) for v, a in zip(weighted, angles))
        im = math.fsum(v * math.sin(a) for v, a in zip(weighted, angles))
        out.append((re * re + im * im) / norm * (1 if j == 0 or 2 * j == n else 2))
    return out


def main():
    reference = Reference("fft-band", "fft_band.py")
    cases = [  # count, rate, share of rows lost, jitter in steps, parameters
        (128, 50, 0, 0, dict(bands="0-5;5-12.5;12.5-30")),
        (100, 50, 0, 0.02, dict(bands="0-5;5-12.5;12.5-30", window="none")),
        (97, 1000, 0, 0, dict(bands="10-20;20-100;100-500;600-700", window="none", remove_mean=False)),
        (81, 10, 0, 0.04, dict(bands="0-1;1-2;2-3;3-4;4-5", tolerance=0.1)),
        (150, 20, 0.1, 0, dict(bands="0-1;1-10")),
        (120, 5, 0.05, 0.3, dict(bands="0.1-0.5;0.5-2", window="none")),
        (60, 0.2, 0, 0.45, dict(bands="0-0.05;0.05-0.1")),
        (11, 100, 0, 0, dict(bands="0-50")),
    ]
    for seed, (count, rate, lost, jitter, params) in enumerate(cases):
        rng = generator(seed)
        rows = []
        for k in range(count):
            t = k / rate
            value = 20 + 3 * math.sin(2 * math.pi * rate / 7.3 * t) + math.cos(2 * math.pi * rate / 3 * t + 1) + rng.gauss(0, 0.5)
            time = START + round((k + rng.uniform(-jitter, jitter)) / rate * SECOND)
            if rng.random() >= lost:
                rows.append((time, value, BAD if rng.random() < lost else GOOD))
        reference.case(**params)
        reference.lines.append(f"window,{START - SECOND * 10},{START + SECOND * 1000}")
        for row in rows:
            reference.row(0, 0, *row)
        usable = [(t, v) for t, v, q in rows if q != BAD]
        values, step, is_resampled = evenly(usable, params.get("tolerance", 0.05))
        spectrum = powers(values, params.get("window", "hann"), params.get("remove_mean", True))
        out = []
        for band in params["bands"].split(";"):
            low, high = (Fraction(edge) for edge in band.split("-"))
            inside = [p for j, p in enumerate(spectrum) if low <= j / (len(values) * step) < high]
            out.append(math.fsum(inside) if low <= (len(spectrum) - 1) / (len(values) * step) else math.nan)
        out += [math.nan] * (8 - len(out)) + [math.fsum(spectrum), float(1 / step), float(is_resampled)]
        reference.lines.append("out," + ",".join(repr(v) for v in out))
    reference.write()


if __name__ == "__main__":
    main()
