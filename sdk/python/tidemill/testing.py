"""Drives a plugin natively, as the host does, for unit tests.

Rows go in and come out as `Row`: group, port, time, value, quality. Each `process` is one call of the host; to see whether a
calculation depends on how rows are cut into batches, pass them in one call and in several.
"""

import json
from typing import NamedTuple, Union

from . import host
from .aggregation import aggregate_all
from .batch import Batch
from .discover import check
from .output import Head, Output
from .params import Params
from .problem import Problem


class Row(NamedTuple):
    group: int
    port: int
    time: int
    value: Union[float, str]
    quality: int = 0


class Harness:
    """A plugin with the parameters of a deployment. Raises the `Problem` with which it refuses them."""

    def __init__(self, plugin, params=None):
        check(plugin)
        host.reset()
        self.plugin = plugin()
        taken = Params(json.dumps(params or {}))
        self.plugin.configure(taken)
        taken.finish()

    @property
    def log(self):
        """Lines logged since the harness was made: pairs of level and text."""
        return host.log.lines

    def process(self, rows):
        """One batch of rows; returns the rows that were emitted."""
        batch = _batch(rows, self.plugin.inputs)
        out = Output(batch.t0, self.plugin.outputs)
        self.plugin.process(batch, out)
        return _rows(out, self.plugin.outputs)

    def advance(self, watermark):
        """Moves the watermark; returns the rows that were emitted."""
        out = Output(watermark, self.plugin.outputs)
        self.plugin.advance(watermark, out)
        return _rows(out, self.plugin.outputs)

    def aggregate(self, start, end, rows):
        """One window [start, end) for an aggregation, given as (time, value) or (time, value, quality); one value per output."""
        rows = [(*row, 0)[:3] for row in rows]
        times = [time for time, _, _ in rows]
        if times != sorted(times) or (times and not start <= times[0] <= times[-1] < end):
            raise ValueError("rows must lie in the window and be ordered by time: a host never passes others")
        heads = [_WindowHead(0, len(rows), start, end)]
        qualities = [quality for _, _, quality in rows]
        values = [value for _, value, _ in rows]
        return aggregate_all(self.plugin, heads, [time - start for time in times], values, qualities if any(qualities) else [], [])


class _WindowHead(NamedTuple):
    group: int
    rows: int
    start: int
    end: int


def _batch(rows, inputs):
    """The batch that a host would make of these rows, texts numbered as they appear."""
    rows = [Row(*row) for row in rows]
    t0 = rows[0].time if rows else 0
    heads, texts, values = [], {}, []
    newest = None
    for row in rows:
        if not heads or (heads[-1].group, heads[-1].port) != (row.group, row.port) or row.time < newest:
            heads.append(Head(row.group, row.port))
        heads[-1].rows += 1
        newest = row.time
        is_text = isinstance(row.value, str)
        values.append(float(texts.setdefault(row.value, len(texts)) if is_text else row.value))
    qualities = [row.quality for row in rows]
    dt = [row.time - t0 for row in rows]
    return Batch(t0, heads, dt, values, qualities if any(qualities) else [], list(texts), inputs)


def _rows(out, outputs):
    heads, dt, values, qualities, texts = out.columns()
    return [Row(*row) for row in Batch(out.t0, heads, dt, values, qualities, texts, outputs)]


__all__ = ["Harness", "Problem", "Row"]
