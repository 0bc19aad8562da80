"""Writes reference files: inputs, parameters and what an independent computation says comes out.

A file is lines of comma-separated values:

    # how it was made
    case,<parameters, a JSON object>        begins an instance
    in,group,port,time_ns,value,quality     a row; numbers are written so that they read back to the same bits
    text,group,port,time_ns,quality,text    a row of a text port
    advance,time_ns                         the watermark
    out,group,port,time_ns,value,quality    a row that must have been emitted in the end

`cases.rs` reads it. Nothing in this folder is needed to build or test: the files are committed.
"""

import json
import os
import random

SECOND = 1_000_000_000
GOOD, UNCERTAIN, BAD = 0, 0x40000000, 0x80000000
SUBNORMAL = 0x40A40000  # UncertainDataSubNormal
PLUGINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def severity(quality):
    return min(quality >> 30, 2)


def worst(*qualities):
    """The first one of the worst severity."""
    return max(qualities, key=severity)


class Reference:
    """A reference file that grows line by line."""

    def __init__(self, plugin, made_by):
        self.path = os.path.join(PLUGINS, plugin, "tests", "reference.csv")
        self.lines = [f"# made by plugins/check/{made_by}; do not edit"]

    def case(self, **params):
        self.lines.append("case," + json.dumps(params, ensure_ascii=False))

    def row(self, group, port, time, value, quality=GOOD):
        self.lines.append(f"in,{group},{port},{time},{value!r},{quality}")

    def text(self, group, port, time, text, quality=GOOD):
        self.lines.append(f"text,{group},{port},{time},{quality},{text}")

    def advance(self, time):
        self.lines.append(f"advance,{time}")

    def out(self, group, port, time, value, quality=GOOD):
        self.lines.append(f"out,{group},{port},{time},{float(value)!r},{quality}")

    def write(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")
        print(self.path, len(self.lines), "lines", os.path.getsize(self.path), "bytes")


def generator(seed):
    """Random numbers that are the same with every run and version of Python."""
    return random.Random(seed)
