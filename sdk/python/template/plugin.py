"""A moving level of each series, and a watch for silence.

Port `value` carries the level, which moves towards each new value by the part `alpha` of the distance. Port `state` says "fresh" when
a series begins or comes back, and "stale" when it has been silent for `stale_s` seconds.
"""

from math import isnan

from tidemill import BAD, SECOND, Calculation, Groups, Problem, number, text

# Outputs are numbered by their place in `outputs`.
VALUE, STATE = 0, 1


class State:
    """What is remembered of one group: by default, of one series."""

    __slots__ = ("seen", "level", "newest", "stale")

    def __init__(self):
        self.seen = False
        self.level = 0.0
        self.newest = 0
        self.stale = False


class Plugin(Calculation):
    name = "smooth"
    version = "1.0.0"
    inputs = [number("value")]
    outputs = [number("value"), text("state")]

    def configure(self, params):
        # Parameters are taken by name; what nobody took is refused, so a typing error is never silent.
        self.alpha = params.number("alpha")
        if not 0 < self.alpha <= 1:
            raise Problem.parameter("alpha", "must lie above 0 and be at most 1")
        self.stale_s = params.non_negative("stale_s", 0.0)
        self.stale_ns = int(min(self.stale_s * SECOND, 9e18))
        self.groups = Groups(State)

    def process(self, batch, out):
        for group, port, time, value, quality in batch:
            state = self.groups[group]
            # Rows may come late: those older than the newest of the group cannot change the level any more.
            if quality >= BAD or isnan(value) or (state.seen and time < state.newest):
                continue
            state.level = state.level + self.alpha * (value - state.level) if state.seen else value
            state.newest = time
            if state.stale or not state.seen:
                out.emit(group, STATE, time, "fresh")
                state.stale = False
            out.emit(group, VALUE, time, state.level, quality)
            state.seen = True

    def advance(self, watermark, out):
        if self.stale_s == 0:
            return
        for group, state in self.groups.in_order():
            if state.seen and not state.stale and watermark - state.newest >= self.stale_ns:
                state.stale = True
                # The time at which the silence became too long, not the watermark: results must not depend on when it moved.
                out.emit(group, STATE, state.newest + self.stale_ns, "stale")
