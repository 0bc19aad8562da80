"""Closed windows in, values out: a pure function.

The host owns windows, watermarks and late samples, and calls again with the full window when one changes it. Nothing may be carried
from one window to the next.
"""

import math
from array import array
from itertools import repeat

from .ports import TEXT


class Window:
    """One window of one group, source times in [start, end), as columns ordered by time. `dt` counts from `start`."""

    __slots__ = ("group", "start", "end", "dt", "values", "qualities")

    def __init__(self, group, start, end, dt, values, qualities):
        self.group = group
        self.start = start
        self.end = end
        self.dt = dt
        self.values = values
        self.qualities = qualities

    def __len__(self):
        return len(self.dt)

    def __iter__(self):
        """Rows: `for time, value, quality in window`."""
        start = self.start
        return zip([start + dt for dt in self.dt], self.values, self.qualities or repeat(0))

    @property
    def is_all_good(self):
        """Every quality is 0."""
        return not any(self.qualities)


class Aggregation:
    """Derive one class from it, in `plugin.py`. It has one input; its outputs are numbers."""

    name = None
    version = None
    inputs = ()
    outputs = ()

    def configure(self, params):
        """Called once. Take parameters from `params` (`Params`); what is left over is refused."""

    def aggregate(self, window):
        """One number per output: a sequence, or the number itself when there is one output. None stands for no value."""
        raise NotImplementedError(f"class {type(self).__name__} needs a method `aggregate(self, window)`")


def aggregate_all(plugin, heads, dt, values, qualities, texts):
    """Calls `aggregate` for each head (group, rows, start, end); returns the results row by row: [window][output]."""
    if plugin.inputs[0].kind == TEXT:
        values = [texts[int(value)] for value in values]
    outputs = len(plugin.outputs)
    results = array("d")
    first = 0
    for group, rows, start, end in heads:
        last = first + rows
        window = Window(group, start, end, dt[first:last], values[first:last], qualities[first:last])
        result = plugin.aggregate(window)
        if result is None or isinstance(result, (int, float)):
            result = (result,)
        if len(result) != outputs:
            raise ValueError(f"`aggregate` returned {len(result)} values, but the plugin has {outputs} outputs")
        results.extend([math.nan if value is None else value for value in result])
        first = last
    return results
