"""Rows that come in.

A batch is a list of runs (consecutive rows of one port of one group) over parallel columns. Iterating over the batch gives rows as
plain tuples; `runs()` gives the columns of each run, for calculations that work on many rows at once.

Invariants: the runs cover the columns from the front without holes. Rows of a run are ordered by time; nothing is said about the
order of runs. A head, (group, port, rows), says what a run is. Both ways of reading give texts, not their indexes, for text ports.
Columns are arrays of the standard library, except those of texts, which are lists.
"""

from array import array
from itertools import repeat
from operator import add

from .ports import TEXT


class Run:
    """Consecutive rows of one port of one group. `dt` counts nanoseconds from `t0`."""

    __slots__ = ("group", "port", "t0", "dt", "values", "qualities")

    def __init__(self, group, port, t0, dt, values, qualities):
        self.group = group
        self.port = port
        self.t0 = t0
        self.dt = dt
        self.values = values
        self.qualities = qualities

    def __len__(self):
        return len(self.dt)

    @property
    def times(self):
        """Nanoseconds since 1970-01-01 UTC."""
        t0 = self.t0
        return [t0 + dt for dt in self.dt]

    @property
    def is_all_good(self):
        """Every quality is 0."""
        return not any(self.qualities)


class Batch:
    """Rows of many groups and ports. `for group, port, time, value, quality in batch` goes through them in their order."""

    __slots__ = ("t0", "_heads", "_dt", "_values", "_qualities", "_texts", "_text_ports")

    def __init__(self, t0, heads, dt, values, qualities, texts, inputs):
        self.t0 = t0
        self._heads = heads
        self._dt = dt
        self._values = values
        self._qualities = qualities
        self._texts = texts
        self._text_ports = {index for index, port in enumerate(inputs) if port.kind == TEXT}

    def __len__(self):
        return len(self._dt)

    def __iter__(self):
        times = map(add, repeat(self.t0), self._dt)
        return zip(*self._places(), times, self._shown_values(), self._qualities or repeat(0))

    def runs(self):
        """The runs one after the other, each with its columns."""
        values = self._shown_values()
        start = 0
        for group, port, rows in self._heads:
            end = start + rows
            qualities = self._qualities[start:end] if self._qualities else array("I", bytes(4 * rows))
            yield Run(group, port, self.t0, self._dt[start:end], values[start:end], qualities)
            start = end

    def _places(self):
        """Two columns: the group and the port of each row."""
        groups, ports = [], []
        for group, port, rows in self._heads:
            if rows == 1:
                groups.append(group)
                ports.append(port)
            else:
                groups += [group] * rows
                ports += [port] * rows
        return groups, ports

    def _shown_values(self):
        """The values of all rows; with texts among them, as a list."""
        if not self._texts:
            return self._values
        values = self._values.tolist()
        start = 0
        for _, port, rows in self._heads:
            end = start + rows
            if port in self._text_ports:
                values[start:end] = [self._texts[int(value)] for value in values[start:end]]
            start = end
        return values
