"""Rows that go out.

`emit` takes one row, `extend` whole columns. Rows leave in the order in which they were given; a row begins a new run when its group
or port is another than the row's before, or its time is earlier. Texts are numbered in order of first use.
"""

from array import array

from .ports import TEXT


class Head:
    """Where a run belongs, and how many rows it has."""

    __slots__ = ("group", "port", "rows")

    def __init__(self, group, port, rows=0):
        self.group = group
        self.port = port
        self.rows = rows


class Output:
    """The rows of one call. `t0` is the batch's `t0`, or the watermark in `advance`; only `extend` counts from it."""

    __slots__ = (
        "t0", "_outputs", "_heads", "_starts", "_group", "_port", "_newest", "_is_text", "_dt", "_values", "_qualities", "_texts"
    )

    def __init__(self, t0, outputs):
        self.t0 = t0
        self._outputs = outputs
        self._heads = []
        self._starts = []
        self._group = self._port = self._newest = None
        self._is_text = False
        self._dt = []
        self._values = []
        self._qualities = []
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
        self._dt.append(time - self.t0)
        self._values.append(value)
        self._qualities.append(quality)

    def extend(self, group, port, dt, values, qualities=None):
        """Rows of one group and port as columns. `dt` counts from `t0` and must not go back."""
        rows = len(dt)
        if len(values) != rows or (qualities is not None and len(qualities) != rows):
            raise ValueError(f"columns of output {port} differ in length")
        if not rows:
            return
        if sorted(dt) != list(dt):
            raise ValueError(f"times of output {port} go back; use `emit`, or sort them")
        if group != self._group or port != self._port or self.t0 + dt[0] < self._newest:
            self._begin(group, port)
        self._newest = self.t0 + dt[-1]
        self._dt += dt
        self._values += map(self._index, values) if self._is_text else values
        self._qualities += qualities if qualities is not None else [0] * rows

    def columns(self):
        """Runs, dt, values, qualities (empty when all are 0) and texts. Refuses values that are no numbers."""
        array("q", self._dt)
        array("d", self._values)
        ends = self._starts[1:] + [len(self._dt)]
        for head, start, end in zip(self._heads, self._starts, ends):
            head.rows = end - start
        qualities = self._qualities if any(self._qualities) else []
        return self._heads, self._dt, self._values, qualities, list(self._texts)

    def _begin(self, group, port):
        if not 0 <= port < len(self._outputs):
            raise IndexError(f"there is no output {port}; the plugin has {len(self._outputs)}, numbered from 0")
        self._is_text = self._outputs[port].kind == TEXT
        self._group = group
        self._port = port
        self._heads.append(Head(group, port))
        self._starts.append(len(self._dt))

    def _index(self, text):
        if not isinstance(text, str):
            raise TypeError(f"output {self._port} carries texts, but got {text!r}")
        return self._texts.setdefault(text, len(self._texts))
