"""The parameters of a deployment.

Invariant: every parameter is either taken by the plugin or refused by name, so that a typing error is never silent.
"""

import json
import math

from .problem import Problem

_REQUIRED = object()


class Params:
    """Take each parameter by name and type. Without a default it is required."""

    def __init__(self, text):
        try:
            entries = json.loads(text or "{}", parse_constant=_refuse)
        except ValueError as error:
            raise Problem(f"the parameters are not JSON: {error}", Problem.PARAMETER) from None
        if not isinstance(entries, dict):
            raise Problem("the parameters are not a JSON object", Problem.PARAMETER)
        self._entries = entries
        self._asked = []

    def number(self, name, default=_REQUIRED):
        """A number, as float."""
        value = self._take(name, default, "a number", (int, float))
        if value is default:
            return value
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise Problem.parameter(name, "is too large for a number")
        return number

    def non_negative(self, name, default=_REQUIRED):
        """A number of 0 or more, as float."""
        value = self.number(name, default)
        if value is not default and value < 0:
            raise Problem.parameter(name, f"is {value:g}, but must be 0 or more")
        return value

    def integer(self, name, default=_REQUIRED):
        """A whole number, as int."""
        value = self.number(name, default)
        if value is default:
            return value
        if not value.is_integer():
            raise Problem.parameter(name, f"is {value:g}, but must be a whole number")
        return int(value)

    def text(self, name, default=_REQUIRED):
        """A string."""
        return self._take(name, default, "a string", str)

    def flag(self, name, default=_REQUIRED):
        """True or False."""
        return self._take(name, default, "a boolean", bool)

    def finish(self):
        """Refuses what nobody took. The SDK calls it after `configure`."""
        for unknown in self._entries:
            known = "`" + "`, `".join(self._asked) + "`" if self._asked else "none"
            raise Problem.parameter(unknown, f"is unknown; this plugin takes {known}")

    def _take(self, name, default, wanted, types):
        self._asked.append(name)
        if name not in self._entries:
            if default is _REQUIRED:
                raise Problem.parameter(name, f"is missing; give {wanted}")
            return default
        value = self._entries.pop(name)
        # For Python True is a number; for JSON it is not.
        if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
            raise Problem.parameter(name, f"is {_shown(value)}, but must be {wanted}")
        return value


def _shown(value):
    if isinstance(value, bool):
        return f"the boolean {json.dumps(value)}"
    if isinstance(value, str):
        return f"the string {json.dumps(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return f"`{json.dumps(value)}`"


def _refuse(constant):
    raise ValueError(f"{constant} is not a number in JSON")
