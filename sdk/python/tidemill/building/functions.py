"""Adds functions to a core module, and redirects calls.

Functions are numbered: first the imported ones, then the module's own; so a new one goes to the end and no number changes. Everything
else of the module is kept byte for byte.
"""

from . import wasm

TYPES, IMPORTS, FUNCTIONS, EXPORTS, CODE = 1, 2, 3, 7, 10
FUNCTION, TABLE, GLOBAL = 0, 1, 3


class Module:
    """`exports` maps names of exported functions to numbers and may be changed."""

    def __init__(self, binary):
        self._binary = binary
        parts = {identifier: wasm.Reader(payload) for identifier, payload in wasm.sections(binary) if identifier}
        self._parameters = list(_parameter_counts(parts[TYPES]))
        imported = list(_imported_functions(parts[IMPORTS]))
        self._imported = [name for name, _ in imported]
        self._imported_types = [function_type for _, function_type in imported]
        self._own_types = [parts[FUNCTIONS].unsigned() for _ in range(parts[FUNCTIONS].unsigned())]
        self._bodies = [parts[CODE].bytes(parts[CODE].unsigned()) for _ in range(parts[CODE].unsigned())]
        self._exports = list(_exports(parts[EXPORTS]))
        self.exports = {name: index for name, kind, index in self._exports if kind == FUNCTION}

    def imported(self, name):
        """The number of an imported function."""
        return self._imported.index(name)

    def type_of(self, index):
        return (self._imported_types + self._own_types)[index]

    def parameters(self, index):
        """How many parameters a function takes."""
        return self._parameters[self.type_of(index)]

    def next_index(self):
        """The number that the next function will have."""
        return len(self._imported_types) + len(self._own_types)

    def add(self, function_type, body):
        """Adds a function and returns its number."""
        self._own_types.append(function_type)
        self._bodies.append(body)
        return self.next_index() - 1

    def redirect(self, old, new):
        """Makes every call of one function a call of another."""
        self._bodies = [_redirected(body, old, new) for body in self._bodies]

    def encode(self):
        exports = [(name, kind, self.exports[name] if kind == FUNCTION else index) for name, kind, index in self._exports]
        changed = {
            FUNCTIONS: wasm.vector([wasm.unsigned(index) for index in self._own_types]),
            EXPORTS: wasm.vector([wasm.name(name) + bytes([kind]) + wasm.unsigned(index) for name, kind, index in exports]),
            CODE: wasm.vector([wasm.unsigned(len(body)) + body for body in self._bodies]),
        }
        return self._binary[:wasm.PREAMBLE] + b"".join(
            wasm.section(identifier, changed.get(identifier, payload)) for identifier, payload in wasm.sections(self._binary)
        )


def _parameter_counts(reader):
    for _ in range(reader.unsigned()):
        if reader.byte() != 0x60:
            raise ValueError("the module has a type that is no function")
        parameters = reader.unsigned()
        reader.bytes(parameters)
        reader.bytes(reader.unsigned())
        yield parameters


def _imported_functions(reader):
    """Pairs of name and type."""
    for _ in range(reader.unsigned()):
        reader.name()
        name, kind = reader.name(), reader.byte()
        if kind == FUNCTION:
            yield name, reader.unsigned()
        elif kind == GLOBAL:
            reader.bytes(2)  # type, mutability
        else:
            if kind == TABLE:
                reader.byte()  # type
            has_maximum = reader.byte() & 1
            for _ in range(1 + has_maximum):
                reader.unsigned()


def _exports(reader):
    for _ in range(reader.unsigned()):
        yield reader.name(), reader.byte(), reader.unsigned()


def _redirected(body, old, new):
    reader = wasm.Reader(body)
    for _ in range(reader.unsigned()):  # locals: count, type
        reader.unsigned(), reader.byte()
    changed = bytearray(body[:reader.at])
    while not reader.is_at_end():
        start = reader.at
        opcode = reader.byte()
        if opcode == 0x10:  # call
            called = reader.unsigned()
            changed += b"\x10" + wasm.unsigned(new if called == old else called)
            continue
        _skip_immediates(reader, opcode)
        changed += body[start:reader.at]
    return bytes(changed)


def _skip_immediates(reader, opcode):
    """For the instructions that generated bindings consist of."""
    if opcode in (0x02, 0x03, 0x04):  # block, loop, if: a type of one byte
        reader.byte()
    elif opcode in (0x0C, 0x0D) or 0x20 <= opcode <= 0x24 or opcode in (0x41, 0x42):  # br, locals, globals, integer constants
        reader.unsigned()
    elif 0x28 <= opcode <= 0x3E:  # loads and stores: alignment, offset
        reader.unsigned(), reader.unsigned()
    elif opcode == 0x43:
        reader.bytes(4)
    elif opcode == 0x44:
        reader.bytes(8)
    elif opcode not in (0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B) and not 0x45 <= opcode <= 0xC4:
        raise ValueError(f"the bindings have an instruction that was not expected: {opcode:#04x}")
