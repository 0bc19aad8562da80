"""Reference of `alarm`: looks at every single tick of time, and back over the whole delay.

Rows and delays are whole ticks. At a tick the value is that of the newest usable row; an alarm is raised when the value was beyond the setpoint at
every tick of the on-delay, this one included. The plugin keeps the times at which changes began instead.
"""

import math

from replay import BAD, SECOND, Advance, Row, in_order, main, spoil, walk


class Limit:
    """One alarm; `sign` is -1 for the low one."""

    def __init__(self, sign, setpoint, deadband, on_delay, off_delay):
        self.sign, self.setpoint, self.deadband = sign, setpoint, deadband
        self.on_delay, self.off_delay = on_delay, off_delay
        self.raised_at = None

    def tick(self, now, held):
        """`held` are the values of all ticks up to now."""
        above = lambda ticks, bound: len(held) >= ticks and [self.sign * value > bound for value in held[-ticks:]]
        if self.raised_at is None:
            if (beyond := above(self.on_delay + 1, self.sign * self.setpoint)) and all(beyond):
                self.raised_at = now
        elif (beyond := above(self.off_delay + 1, self.sign * self.setpoint - self.deadband)) and not any(beyond):
            self.raised_at = None


def changes(rows, end, unit, high=None, low=None, deadband=0, on_delay=0, off_delay=0):
    """(tick, state, quality) whenever it changes. Times and delays are in ticks of `unit` ns."""
    limits = {"high": Limit(1, high, deadband, on_delay, off_delay)} if high is not None else {}
    if low is not None:
        limits["low"] = Limit(-1, low, deadband, on_delay, off_delay)
    by_tick = {row.time // unit: row for row in in_order(rows)}
    held, quality, shown, found = [], None, None, []
    for now in range(min(by_tick), end):
        if row := by_tick.get(now):
            quality = max(row.quality, BAD) if math.isnan(row.value) else row.quality
        value = row.value if row and quality < BAD else held[-1] if held else None
        if value is not None:
            held.append(value)
            for limit in limits.values():
                limit.tick(now, held)
        raised = [(limit.raised_at, name) for name, limit in limits.items() if limit.raised_at is not None]
        state = (max(raised)[1] if raised else "normal", quality)
        if state != shown:
            shown = state
            found.append((now, *state))
    return found


def add(reference, name, rows, unit=SECOND, watermarks=0, **limits):
    """`watermarks`: a watermark after so many rows, a little behind; 0 for none but the last."""
    rows = [row._replace(time=row.time // unit * unit) for row in rows]
    calls = []
    for index, row in enumerate(rows, 1):
        calls.append(row)
        if watermarks and index % watermarks == 0:
            calls.append(Advance(max(row.time for row in rows[:index]) - 2 * unit))
    end = max(row.time for row in rows) // unit + 100
    calls.append(Advance(end * unit))
    params = {key.replace("delay", "delay_s"): value for key, value in limits.items()}
    for delay in ("on_delay_s", "off_delay_s"):
        if delay in params:
            params[delay] *= unit // SECOND
    expected = []
    for tick, state, quality in changes(rows, end, unit, **limits):
        expected.append(Row(tick * unit, float(state != "normal"), quality, port=0))
        expected.append(Row(tick * unit, state, quality, port=1))
    print(f"{name}: {len(expected) // 2} changes")
    reference.case(name, params, calls, expected)


def one_a_tick(rows):
    """Late rows stay, rows of a tick that was there go."""
    seen, kept = set(), []
    for row in rows:
        if row.time // SECOND not in seen:
            seen.add(row.time // SECOND)
            kept.append(row)
    return kept


def generated(reference):
    rows = one_a_tick(walk(1, 180, step_s=2, spread=4))
    middle = sorted(row.value for row in rows)[len(rows) // 2]
    add(reference, "no delays", rows, high=middle + 2, low=middle - 2)
    add(reference, "deadband", rows, high=middle + 1, low=middle - 1, deadband=0.75)
    add(reference, "delays", rows, high=middle + 1, low=middle - 1, deadband=0.5, on_delay=3, off_delay=5)
    rough = one_a_tick(spoil(walk(2, 180, step_s=2, spread=9), 3, again=0))
    middle = sorted(row.value for row in rough if row.value == row.value)[len(rough) // 2]
    add(reference, "spoiled", rough, high=middle + 1, low=middle - 1, on_delay=2, off_delay=4)
    rows = one_a_tick(walk(4, 150, step_s=2, spread=6))
    middle = sorted(row.value for row in rows)[len(rows) // 2]
    add(reference, "watermarks", rows, watermarks=3, high=middle, deadband=0.25, on_delay=1, off_delay=4)


def recorded(reference, rows):
    minute = 60 * SECOND
    known, kept = set(), []
    for row in rows:
        if row.time // minute not in known:
            known.add(row.time // minute)
            kept.append(row)
    values = sorted(row.value for row in kept)
    high, low = values[len(values) * 9 // 10], values[len(values) // 10]
    add(reference, "tenths", kept, minute, high=high, low=low, deadband=(high - low) / 20, on_delay=10, off_delay=30)


if __name__ == "__main__":
    main("alarm", "alarm.py", generated, recorded)
