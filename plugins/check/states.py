"""Reference results of `state-duration`: every stretch of time is intersected with every interval, in whole nanoseconds.

    python3 plugins/check/states.py
"""

from cases import BAD, GOOD, SECOND, SUBNORMAL, UNCERTAIN, Reference, generator, worst

START = 1_700_000_000 * SECOND


def states_of(rng, count, step_s):
    """(time, state, quality): irregular, with repeats, rows written again, late rows and bad ones."""
    time, rows = START + rng.randrange(20 * SECOND), []
    for _ in range(count):
        time += rng.choice([rng.randrange(step_s * SECOND), rng.randrange(10 * step_s * SECOND)])
        quality = rng.choices([GOOD, UNCERTAIN, BAD], [0.9, 0.04, 0.06])[0]
        rows.append((time, rng.choice(["running", "running", "idle", "fault", "cleaning"]), quality))
        if rng.random() < 0.1:
            rows.append((time, rng.choice(["running", "idle"]), GOOD))
        if rng.random() < 0.1:
            rows.append((time - SECOND, "idle", GOOD))
    return rows


def kept(arrivals):
    """By time, when rows older than the newest are left out and rows of equal time replace each other."""
    rows, newest = {}, None
    for time, state, quality in arrivals:
        if newest is None or time >= newest:
            rows[time], newest = (state, quality), time
    return sorted((time, state, quality) for time, (state, quality) in rows.items())


def stretches(rows, max_age, end):
    """(from, to, state or None, quality) of what is known from the first row to `end`."""
    for index, (time, state, quality) in enumerate(rows):
        until = rows[index + 1][0] if index + 1 < len(rows) else end
        old = min(time + max_age, until)
        yield time, old, None if quality == BAD else state, quality
        yield old, until, None, quality


def overlap(a, b, c, d):
    return max(0, min(b, d) - max(a, c))


def changes(rows):
    """Times of rows whose state differs from the last state known."""
    known = None
    for time, state, quality in rows:
        if quality != BAD:
            if known is not None and known != state:
                yield time
            known = state


def state_duration():
    reference = Reference("state-duration", "states.py")
    cases = [
        dict(states="running;idle;fault", every_s=60, max_age_s=300),
        dict(states="running", every_s=900, offset_s=120),
        dict(states="fault;idle;cleaning;running", every_s=7.5, offset_s=2.25, max_age_s=20),
    ]
    for seed, params in enumerate(cases):
        rng = generator(seed)
        reference.case(**params)
        named = params["states"].split(";")
        every, offset = int(params["every_s"] * SECOND), int(params.get("offset_s", 0) * SECOND)
        max_age = int(params.get("max_age_s", 1000 * params["every_s"]) * SECOND)
        arrivals = states_of(rng, 45, 10)
        watermark = 0
        for index, (time, state, quality) in enumerate(arrivals):
            reference.text(0, 0, time, state, quality)
            if index % 6 == 5:  # sometimes beyond what follows
                watermark = max(watermark, time + rng.choice([-30, 60]) * SECOND)
                reference.advance(watermark)
        rows = kept(arrivals)
        watermark = max(watermark, rows[-1][0] + 400 * SECOND)
        reference.advance(watermark)
        parts = list(stretches(rows, max_age, max(watermark, rows[-1][0] + max_age)))
        for number in range((rows[0][0] - offset) // every, (watermark - offset) // every):
            begin = offset + number * every
            end = begin + every
            total, quality = {}, GOOD
            for a, b, state, of_row in parts:
                length = overlap(a, b, begin, end)
                name = None if state is None else state if state in named else "other"
                total[name] = total.get(name, 0) + length
                if length and state is not None:
                    quality = worst(quality, of_row)
            total[None] = total.get(None, 0) + max(0, min(rows[0][0], end) - begin)
            in_states = sum(length for name, length in total.items() if name is not None)
            holds_row = any(begin <= time < end for time, _, _ in rows)
            newest = max(time for time, _, _ in rows if time < end)
            if not holds_row and begin >= newest + max_age:
                continue
            assert sum(total.values()) == every
            quality = worst(quality, BAD) if in_states == 0 else worst(quality, SUBNORMAL) if total[None] else quality
            for port, name in enumerate(named):
                reference.out(0, port, begin, total.get(name, 0) / SECOND, quality)
            reference.out(0, 8, begin, total.get("other", 0) / SECOND, quality)
            reference.out(0, 9, begin, total[None] / SECOND, quality)
            reference.out(0, 10, begin, sum(begin <= time < end for time in changes(rows)), quality)
    reference.write()


if __name__ == "__main__":
    state_duration()
