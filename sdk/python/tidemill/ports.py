"""Ports and what a plugin says about itself.

A port is numbered by its place in `inputs` or `outputs` and carries numbers or texts. `check` refuses what the host would refuse, so
that a mistake shows up in tests and builds.
"""

import re
from typing import NamedTuple

NUMBER = 0
TEXT = 1


class Port(NamedTuple):
    name: str
    kind: int


def number(name):
    """A port whose rows are numbers."""
    return Port(name, NUMBER)


def text(name):
    """A port whose rows are texts or named states."""
    return Port(name, TEXT)


def check(plugin):
    """Raises a TypeError if the class does not describe a plugin."""
    where = f"class {plugin.__name__}"
    if not isinstance(plugin.name, str) or not re.fullmatch("[a-z0-9-]+", plugin.name):
        raise TypeError(f"{where}: `name` is {plugin.name!r}, but must be lower-case letters, digits and hyphens")
    if not isinstance(plugin.version, str) or not plugin.version:
        raise TypeError(f"{where}: `version` must be a text such as \"1.0.0\"")
    for side in ("inputs", "outputs"):
        ports = getattr(plugin, side)
        if not isinstance(ports, (list, tuple)) or not ports or not all(isinstance(port, Port) for port in ports):
            raise TypeError(f"{where}: `{side}` must be a list of ports, such as [number(\"value\")]")
        names = [port.name for port in ports]
        for name in names:
            if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_-]+", name):
                raise TypeError(f"{where}: port {name!r} in `{side}` may have letters, digits, `-` and `_` only")
            if names.count(name) > 1:
                raise TypeError(f"{where}: port {name!r} stands twice in `{side}`")
