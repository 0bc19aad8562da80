"""Writes `plugins/<name>/tests/reference.csv`: rows, parameters, and the results a plugin must give for them.

The scripts of this folder compute the results by another way than the plugins do: definitions applied to all rows at once, exact
fractions, brute force. `replay.rs` replays the files. Only Python's standard library is used, and the same script always writes the same bytes.

    python3 plugins/check/<script>.py                               writes the reference files of the repository
    python3 plugins/check/<script>.py --series FILE --out FILE      the same for a recorded series with columns `timestamp,value`;
                                                                    replay it with TIDEMILL_REFERENCE=FILE cargo test …

Lines of a file: `case,<name>,<parameters as JSON>`, then in the order of the calls `in,<group>,<port>,<time in ns>,<value>,<quality>` and
`advance,<watermark in ns>`, then what must come out: `out,` like `in,`, or `text,` with a text instead of the value.
"""

import argparse
import calendar
import json
import math
import pathlib
import random
import time
from typing import NamedTuple

SECOND = 1_000_000_000
GOOD = 0
UNCERTAIN = 0x4000_0000
BAD = 0x8000_0000
PLUGINS = pathlib.Path(__file__).resolve().parent.parent


class Row(NamedTuple):
    """A row that goes in or comes out. `value` of an output may be a text."""

    time: int
    value: float | str
    quality: int = GOOD
    group: int = 0
    port: int = 0


class Advance(NamedTuple):
    """The watermark moves."""

    watermark: int


class Reference:
    """The cases of one plugin."""

    def __init__(self, plugin, script):
        self.plugin = plugin
        self.lines = [f"# {plugin}: made by plugins/check/{script}"]

    def case(self, name, params, calls, expected):
        """Adds a case: `calls` are rows and watermarks, `expected` the rows that come out."""
        assert "," not in name, name
        self.lines.append(f"case,{name},{json.dumps(params, ensure_ascii=False)}")
        for call in calls:
            self.lines.append(f"advance,{call.watermark}" if isinstance(call, Advance) else line("in", call))
        self.lines += [line("text" if isinstance(row.value, str) else "out", row) for row in expected]

    def write(self, path=None):
        """Writes the file, by default where the plugin's test looks for it."""
        path = pathlib.Path(path) if path else PLUGINS / self.plugin / "tests" / "reference.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        print(path, len(self.lines), "lines")


def line(kind, row):
    """One row as a line."""
    return f"{kind},{row.group},{row.port},{row.time},{row.value},{row.quality}"


def usable(row):
    """A row that carries a finite number and is not bad."""
    return row.quality < BAD and math.isfinite(row.value)


def in_order(rows):
    """The rows that are not older than one before them."""
    newest, kept = None, []
    for row in rows:
        if newest is None or row.time >= newest:
            newest = row.time
            kept.append(row)
    return kept


def walk(seed, count, step_s=1.0, grid=64, spread=1.0, start=1_700_000_000 * SECOND):
    """A random walk at irregular times; values lie on a grid of 1/`grid`, so that small sums of them are exact."""
    source = random.Random(seed)
    rows, at, level = [], start, 0
    for _ in range(count):
        at += 1 + int(source.random() * 2 * step_s * 1000) * 1_000_000
        level += round((source.random() - 0.5) * spread * grid)
        rows.append(Row(at, level / grid))
    return rows


def whole_seconds(rows):
    """The rows at whole seconds, so that limits of time are met exactly and times repeat."""
    return [row._replace(time=row.time // SECOND * SECOND) for row in rows]


def spoil(rows, seed, bad=0.03, nan=0.02, uncertain=0.05, late=0.03, again=0.03):
    """Makes rows bad, uncertain or NaN, repeats some late, and writes some a second time with another value."""
    source, spoiled = random.Random(seed), []
    for index, row in enumerate(rows):
        dice = source.random()
        if dice < bad:
            row = row._replace(quality=BAD)
        elif dice < bad + nan:
            row = row._replace(value=math.nan)
        elif dice < bad + nan + uncertain:
            row = row._replace(quality=UNCERTAIN)
        spoiled.append(row)
        dice = source.random()
        if dice < late and index > 5:
            spoiled.append(row._replace(time=rows[index - 1 - int(source.random() * 4)].time - 1, value=row.value + 3.0))
        elif dice < late + again:
            spoiled.append(row._replace(value=row.value + 0.5))
    return spoiled


def series(path):
    """The rows of a recorded series: `timestamp,value`, UTC."""
    rows = []
    for text in pathlib.Path(path).read_text().splitlines()[1:]:
        stamp, value = text.split(",")
        rows.append(Row(calendar.timegm(time.strptime(stamp, "%Y-%m-%d %H:%M:%S")) * SECOND, float(value)))
    return rows


def main(plugin, script, generated, recorded):
    """`generated` and `recorded` fill a `Reference`; the second takes the rows of a recorded series."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    reference = Reference(plugin, script)
    if arguments.series:
        recorded(reference, series(arguments.series))
    else:
        generated(reference)
    reference.write(arguments.out)
