"""The module that is wrapped as a component: it joins the author's `plugin.py` with the generated bindings.

Runs in WebAssembly only. Both modules are imported while the component is built, and the interpreter's memory after that becomes
part of it; so a plugin starts without importing anything, and cannot import anything later.

Invariants: a `Problem` becomes the problem of the contract. Any other exception is logged with its traceback and then ends the call
as a trap, because the state may be half changed. (The module `traceback` would look for sources, and there are no files.)

Columns, runs and windows cross the border as bytes: see `building/columns.py`.
"""

import os
from array import array
from struct import Struct

import plugin as module
from componentize_py_types import Err
from wit_world.imports import host, types

try:
    from wit_world.imports import kv
except ImportError:  # the world of aggregations has none
    kv = None

from . import host as sdk_host
from .aggregation import Aggregation, aggregate_all
from .batch import Batch
from .discover import find_plugin
from .output import Output
from .params import Params
from .problem import Problem

# As in `plugin.wit`: group, port, rows; and group, rows, start, end.
_RUN = Struct("<3I")
_WINDOW = Struct("<2I2q")

sdk_host.connect(lambda level, text: host.log(level, text), kv)
_Plugin = find_plugin(module)
# The bindings make a new object for every call, so the state lives here.
_plugin = _Plugin()


def _answers(call):
    """Turns what a method raises into what the contract has for it."""

    def guarded(self, *arguments):
        try:
            return call(self, *arguments)
        except Problem as problem:
            raise Err(types.Problem(problem.code, problem.text)) from None
        except Exception as error:
            host.log(0, _trace(error))
            raise

    return guarded


def _trace(error):
    lines = [f"{type(error).__name__}: {error}"]
    step = error.__traceback__.tb_next  # the first is `guarded`
    while step:
        code = step.tb_frame.f_code
        lines.append(f"  {os.path.basename(code.co_filename)}:{step.tb_lineno} in {code.co_name}")
        step = step.tb_next
    return "\n".join(lines)


class _World:
    """What both worlds have."""

    def contract(self):
        return 2

    def describe(self):
        inputs, outputs = ([types.Port(name, types.Kind(kind)) for name, kind in side] for side in (_Plugin.inputs, _Plugin.outputs))
        return types.About(_Plugin.name, _Plugin.version, inputs, outputs)

    @_answers
    def configure(self, params):
        taken = Params(params)
        _plugin.configure(taken)
        taken.finish()


class _CalculationWorld(_World):
    @_answers
    def process(self, input):
        heads = list(_RUN.iter_unpack(input.runs))
        columns = _column("q", input.dt), _column("d", input.values), _column("I", input.qualities)
        out = Output(input.t0, _Plugin.outputs)
        _plugin.process(Batch(input.t0, heads, *columns, input.texts, _Plugin.inputs), out)
        return _batch(out)

    @_answers
    def advance(self, watermark):
        out = Output(watermark, _Plugin.outputs)
        _plugin.advance(watermark, out)
        return _batch(out)

    @_answers
    def save(self, groups):
        return [bytes(_plugin.save(group)) for group in groups]

    @_answers
    def load(self, groups, states):
        for group, state in zip(groups, states):
            if state:
                _plugin.load(group, state)


class _AggregationWorld(_World):
    @_answers
    def aggregate(self, input):
        heads = _WINDOW.iter_unpack(input.windows)
        columns = _column("q", input.dt), _column("d", input.values), _column("I", input.qualities)
        return aggregate_all(_plugin, heads, *columns, input.texts).tobytes()


def _column(element, encoded):
    column = array(element)
    column.frombytes(encoded)
    return column


def _batch(out):
    return types.Batch(out.t0, *(column.tobytes() for column in out.columns()), out.texts())


# The name under which the bindings look for the implementation.
WitWorld = _AggregationWorld if issubclass(_Plugin, Aggregation) else _CalculationWorld
