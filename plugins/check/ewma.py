"""Reference of `ewma`: (1/τ) ∫ X(s) e^((s − t)/τ) ds over the whole past, for every row anew, in 50 digits.

Over a piece on which X is a line, the integral is e^((s − t)/τ) (X(s) − τ X′), taken at the piece's ends. The plugin goes from row to row instead.
"""

from decimal import Decimal, getcontext

from replay import SECOND, Row, main, spoil, usable, walk

getcontext().prec = 50


def pieces(past, between):
    """(from, to, X at from, X at to) for every interval of `past`."""
    for (t0, x0), (t1, x1) in zip(past, past[1:]):
        yield {"linear": (t0, t1, x0, x1), "last": (t0, t1, x0, x0), "next": (t0, t1, x1, x1)}[between]


def average(past, tau, between):
    now = past[-1][0]
    fade = lambda time: ((time - now) / tau).exp()
    total = past[0][1] * fade(past[0][0])
    for t0, t1, x0, x1 in pieces(past, between):
        if now - t1 < 60 * tau:
            lift = tau * (x1 - x0) / (t1 - t0)
            total += fade(t1) * (x1 - lift) - fade(t0) * (x0 - lift)
    return total


def averages(rows, tau_s, between="linear", gap_s=0):
    tau, out, history = Decimal(tau_s) * SECOND, [], {}
    for row in filter(usable, rows):
        if history and row.time < max(history):
            continue
        earlier = [time for time in history if time < row.time]
        if gap_s and earlier and row.time - max(earlier) > gap_s * SECOND:
            history = {}
        history[row.time] = row
        past = [history[time] for time in sorted(history)]
        exact = average([(Decimal(old.time), Decimal(old.value)) for old in past], tau, between)
        ends = past[-2:]
        out.append(Row(row.time, float(exact), max((end.quality for end in ends), key=lambda quality: min(quality >> 30, 2))))
    return out


def add(reference, name, rows, **params):
    reference.case(name, params, rows, averages(rows, **params))


def generated(reference):
    for seed, between in enumerate(("linear", "last", "next")):
        add(reference, between, walk(seed, 90), tau_s=5, between=between)
    add(reference, "long time constant", walk(4, 90), tau_s=3600)
    add(reference, "short time constant", walk(5, 60), tau_s=0.03)
    add(reference, "spoiled", spoil(walk(6, 120), 7), tau_s=4)
    add(reference, "gaps", spoil(walk(8, 100, step_s=10), 9, uncertain=0.2), tau_s=30, gap_s=15)


def recorded(reference, rows):
    rows = rows[:400]
    add(reference, "an hour", rows, tau_s=3600)
    add(reference, "an hour of steps", rows, tau_s=3600, between="last", gap_s=7200)


if __name__ == "__main__":
    main("ewma", "ewma.py", generated, recorded)
