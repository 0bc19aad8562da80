"""Rows that go out.

`emit` takes one row, `extend` whole columns. Rows leave in the order in which they were given; a row begins a new run when its group
or port is another than the row's before, or its time is earlier. Texts are numbered in order of first use.

Steps of Python are what costs here: so `emit` has as few as it can, and spends none on qualities that are 0.
"""

from array import array
from operator import lt, sub

from .ports import TEXT


class Output:
    """The rows of one call. `t0` is the batch's `t0`, or the watermark in `advance`; only `extend` counts from it."""

    __slots__ = (
        "t0", "_is_text_port", "_groups", "_ports", "_starts", "_group", "_port", "_newest", "_is_text",
        "_dt", "_values", "_add_dt", "_add_value", "_marks", "_texts",
    )

    def __init__(self, t0, outputs):
        self.t0 = t0
        self._is_text_port = {index: port.kind == TEXT for index, port in enumerate(outputs)}
        # One entry per run.
        self._groups = []
        self._ports = []
        self._starts = []
        # Of the row before.
        self._group = self._port = self._newest = None
        self._is_text = False
        # One entry per row.
        self._dt = array("q")
        self._values = array("d")
        self._add_dt = self._dt.append
        self._add_value = self._values.append
        # Qualities that are not 0: the number of the first row and the qualities from there.
        self._marks = []
        self._texts = {}

    def __len__(self):
        return len(self._dt)

    def emit(self, group, port, time, value, quality=0):
        """One row. `value` is a number, or a text on a text port."""
        if group != self._group or port != self._port or time < self._newest:
            self._begin(group, port)
        self._newest = time
        if self._is_text:
            value = self._index(value)
        if quality:
            self._marks.append((len(self._dt), (quality,)))
        self._add_dt(time - self.t0)
        self._add_value(value)

    def extend(self, group, port, dt, values, qualities=None):
        """Rows of one group and port as columns. `dt` counts from `t0` and must not go back."""
        rows = len(dt)
        if len(values) != rows or (qualities is not None and len(qualities) != rows):
            raise ValueError(f"columns of output {port} differ in length")
        if any(map(lt, dt[1:], dt)):
            raise ValueError(f"times of output {port} go back; use `emit`, or sort them")
        if not rows:
            return
        if group != self._group or port != self._port or self.t0 + dt[0] < self._newest:
            self._begin(group, port)
        self._newest = self.t0 + dt[-1]
        if qualities is not None and any(qualities):
            self._marks.append((len(self._dt), array("I", qualities)))
        self._dt.extend(dt)
        self._values.extend(map(self._index, values) if self._is_text else values)

    def columns(self):
        """Runs as triples of group, port and rows; dt; values; and qualities, empty when all are 0."""
        # A batch may have as many runs as rows, so this goes without steps in Python.
        runs = array("I", bytes(12 * len(self._starts)))
        runs[0::3] = array("I", self._groups)
        runs[1::3] = array("I", self._ports)
        runs[2::3] = array("I", map(sub, self._starts[1:] + [len(self._dt)], self._starts))
        qualities = array("I", bytes(4 * len(self._dt) if self._marks else 0))
        for start, marked in self._marks:
            qualities[start:start + len(marked)] = array("I", marked)
        return runs, self._dt, self._values, qualities

    def texts(self):
        """The texts that values of text ports count."""
        return list(self._texts)

    def _begin(self, group, port):
        try:
            self._is_text = self._is_text_port[port]
        except KeyError:
            raise IndexError(f"there is no output {port}; the plugin has {len(self._is_text_port)}, numbered from 0") from None
        self._group = group
        self._port = port
        self._groups.append(group)
        self._ports.append(port)
        self._starts.append(len(self._dt))

    def _index(self, text):
        if not isinstance(text, str):
            raise TypeError(f"output {self._port} carries texts, but got {text!r}")
        return self._texts.setdefault(text, len(self._texts))
