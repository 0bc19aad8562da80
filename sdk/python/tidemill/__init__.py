"""What a plugin is written with.

A plugin is a module `plugin.py` with one class, derived from `Calculation` or `Aggregation`. The same module runs natively (tests)
and inside the component that the host runs. Nothing here reads a clock, a random number or a file.
"""

from .aggregation import Aggregation, Window
from .batch import Batch, Run
from .calculation import Calculation
from .groups import Groups
from .host import kv, log
from .output import Output
from .params import Params
from .ports import number, text
from .problem import Problem
from .quality import BAD, GOOD, UNCERTAIN, is_bad, is_good, is_uncertain, worst

# Nanoseconds: times are whole numbers of nanoseconds since 1970-01-01 UTC.
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

__all__ = [
    "Aggregation", "Batch", "Calculation", "Groups", "Output", "Params", "Problem", "Run", "Window",
    "BAD", "GOOD", "UNCERTAIN", "is_bad", "is_good", "is_uncertain", "worst",
    "MILLISECOND", "SECOND", "MINUTE", "HOUR",
    "kv", "log", "number", "text",
]
