"""Drives a plugin natively, as the host does, for unit tests.

Rows go in and come out as `Row`: group, port, time, value, quality. Each `process` is one call of the host; to see whether a
calculation depends on how rows are cut into batches, pass them in one call and in several.
"""

import json
from array import array
from typing import NamedTuple, Union

from . import host
from .aggregation import aggregate_all
from .batch import Batch
from .discover import check
from .output import Output
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
        column = array("I", [quality for _, _, quality in rows])
        texts, values = _numbered([value for _, value, _ in rows])
        columns = array("q", [time - start for time in times]), values, column if any(column) else array("I")
        return aggregate_all(self.plugin, [(0, len(rows), start, end)], *columns, texts).tolist()


def _batch(rows, inputs):
    """The batch that a host would make of these rows, texts numbered as they appear."""
    rows = [Row(*row) for row in rows]
    t0 = rows[0].time if rows else 0
    heads = []
    for before, row in zip([None, *rows], rows):
        if before and before[:2] == row[:2] and before.time <= row.time:
            heads[-1] = (row.group, row.port, heads[-1][2] + 1)
        else:
            heads.append((row.group, row.port, 1))
    texts, values = _numbered([row.value for row in rows])
    qualities = array("I", [row.quality for row in rows])
    dt = array("q", [row.time - t0 for row in rows])
    return Batch(t0, heads, dt, values, qualities if any(qualities) else array("I"), texts, inputs)


def _numbered(values):
    """The texts among the values in order of first use, and the values with their places instead."""
    texts = {}
    numbers = array("d", [texts.setdefault(value, len(texts)) if isinstance(value, str) else value for value in values])
    return list(texts), numbers


def _rows(out, outputs):
    runs, *columns = out.columns()
    heads = zip(runs[0::3], runs[1::3], runs[2::3])
    return [Row(*row) for row in Batch(out.t0, list(heads), *columns, out.texts(), outputs)]


__all__ = ["Harness", "Problem", "Row"]
