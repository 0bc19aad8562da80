"""Finds the plugin in the author's module and the world it belongs to."""

from . import ports
from .aggregation import Aggregation
from .calculation import Calculation, is_durable


def find_plugin(module):
    """The one class of the module that is a calculation or an aggregation, checked."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, (Calculation, Aggregation)) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(plugin.__name__ for plugin in found) or "none"
        raise TypeError(f"{module.__name__}.py must have one class derived from Calculation or Aggregation, but has: {names}")
    check(found[0])
    return found[0]


def check(plugin):
    """Raises a TypeError if the host would refuse the class."""
    ports.check(plugin)
    if issubclass(plugin, Aggregation):
        if len(plugin.inputs) != 1:
            raise TypeError(f"class {plugin.__name__}: an aggregation has exactly one input")
        if any(port.kind == ports.TEXT for port in plugin.outputs):
            raise TypeError(f"class {plugin.__name__}: the outputs of an aggregation are numbers")


def world(plugin):
    """The world of `plugin.wit` that the class is written for."""
    if issubclass(plugin, Aggregation):
        return "aggregation"
    return "durable-calculation" if is_durable(plugin) else "calculation"
