"""Reference results of `state-duration` and `oee`: every stretch of time is intersected with every interval, in whole nanoseconds.

    python3 plugins/check/states.py
"""

from fractions import Fraction

from cases import BAD, GOOD, SECOND, SUBNORMAL, UNCERTAIN, Reference, generator, worst

START = 1_700_000_000 * SECOND
OUT_OF_RANGE = 0x40940000  # UncertainEngineeringUnitsExceeded


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


def oee():
    reference = Reference("oee", "states.py")
    cases = [
        dict(running="running", ideal_cycle_s=2.5, every_s=300, max_age_s=600),
        dict(running="running;cleaning", not_planned="fault", ideal_cycle_s=11, every_s=120, offset_s=30, max_age_s=120, counters=False),
    ]
    for seed, params in enumerate(cases):
        reference.case(**params)
        arrivals, end = machine_of(generator(100 + seed), params.get("counters", True))
        rows, watermark = {}, None
        for index, (now, port, time, value, quality) in enumerate(arrivals):
            if port == 0:
                reference.text(0, port, time, value, quality)
            else:
                reference.row(0, port, time, value, quality)
            if watermark is None or time >= watermark:
                rows[time, port] = (value, quality)
            if index % 8 == 7:
                watermark = max(watermark or 0, now - 15 * SECOND)
                reference.advance(watermark)
        reference.advance(end)
        of_oee(reference, params, rows, end)
    reference.write()


def machine_of(rng, is_counter):
    """(arrival, port, time, value, quality) of the three inputs of a machine, in the order of arrival, and an end."""
    arrivals = []
    time = START
    for _ in range(35):
        time += rng.randrange(120 * SECOND)
        quality = rng.choices([GOOD, UNCERTAIN, BAD], [0.92, 0.03, 0.05])[0]
        state = rng.choice(["running", "running", "running", "idle", "fault", "cleaning"])
        arrivals.append((time, 0, time, state, quality))
    end = time + 500 * SECOND
    for port, most in [(1, 12), (2, 2)]:
        time, total = START + 7 * SECOND, 1000
        while time < end:
            items = rng.randrange(most + 1)
            total = 0 if rng.random() < 0.05 else total + items
            quality = rng.choices([GOOD, UNCERTAIN, BAD], [0.97, 0.01, 0.02])[0]
            value = float("nan") if rng.random() < 0.02 else float(total if is_counter else items)
            arrivals.append((time, port, time, value, quality))
            time += rng.randrange(60 * SECOND)
    # Most rows arrive within the patience of the watermark, 15 s; some do not.
    delayed = [(now + rng.choice([0, 0, 0, 10, 12, 60]) * SECOND, *rest) for now, *rest in arrivals]
    return sorted(delayed, key=lambda row: row[0]), end


def items_of(rows, is_counter):
    """(time, port, items or None when they are missing, quality), by time."""
    items = []
    for port in (1, 2):
        before = None
        for time, value, quality in sorted((t, v, q) for (t, p), (v, q) in rows.items() if p == port):
            is_usable = quality != BAD and value == value
            if not is_counter:
                items.append((time, port, Fraction(value) if is_usable else None, quality))
            elif is_usable:
                if before is not None:
                    grown = Fraction(value) if value < before else Fraction(value) - Fraction(before)
                    items.append((time, port, grown, quality))
                before = value
    return sorted(items, key=lambda item: item[:2])


def of_oee(reference, params, rows, end):
    every, offset = params["every_s"] * SECOND, params.get("offset_s", 0) * SECOND
    running, excluded = params["running"].split(";"), params.get("not_planned", "").split(";")
    states = sorted((time, value, quality) for (time, port), (value, quality) in rows.items() if port == 0)
    parts = list(stretches(states, params["max_age_s"] * SECOND, end))
    items = items_of(rows, params.get("counters", True))
    first = min(time for time, _ in rows)
    for number in range((first - offset) // every, (end - offset) // every):
        begin = offset + number * every
        inside = [item for item in items if begin <= item[0] < begin + every]
        times, used = {"apt": 0, "idle": 0, "excluded": 0}, []
        for a, b, state, quality in parts:
            length = overlap(a, b, begin, begin + every)
            if state is not None and length:
                times["apt" if state in running else "excluded" if state in excluded else "idle"] += length
                used.append((max(a, begin), 0, quality))
        known = sum(times.values())
        if known == 0 and not inside:
            continue
        used += [(time, port, quality) for time, port, value, quality in inside if value is not None]
        quality = worst(GOOD, *(q for _, _, q in sorted(used, key=lambda row: row[:2])))
        if known < every or any(value is None for _, _, value, _ in inside):
            quality = worst(quality, SUBNORMAL)
        produced, rejected = (sum(v for _, p, v, _ in inside if p == port and v is not None) for port in (1, 2))
        apt, pbt = Fraction(times["apt"], SECOND), Fraction(times["apt"] + times["idle"], SECOND)
        cycle, good = Fraction(params["ideal_cycle_s"]), produced - rejected
        if apt > 0 and produced > 0:
            assert (apt / pbt) * (cycle * produced / apt) * (good / produced) == good * cycle / pbt
        for port, part, whole in [(0, apt, pbt), (1, cycle * produced, apt), (2, good, produced), (3, good * cycle, pbt)]:
            if whole > 0:
                ratio = Fraction(part) / whole
                reference.out(0, port, begin, ratio, quality if 0 <= ratio <= 1 else worst(quality, OUT_OF_RANGE))
        for port, value in [(4, pbt), (5, apt), (6, produced), (7, rejected)]:
            reference.out(0, port, begin, value, quality)


if __name__ == "__main__":
    state_duration()
    oee()
