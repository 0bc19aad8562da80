"""What the interface `types` of `plugin.wit` is in the binary format of components.

The component imports the interface for its types only. Each world states those that its functions use. Written down here because the
private form of the contract (see `columns`) states others.
"""

from . import wasm

U8, F64, S64, U32, STRING = 0x7D, 0x75, 0x78, 0x79, 0x73

_ENUM, _LIST, _RECORD, _INSTANCE = 0x6D, 0x70, 0x72, 0x42
_TYPE, _EXPORT = b"\x01", b"\x04"


def list_of(element):
    return bytes([_LIST, element])


def instance(is_aggregation):
    """The payload of a section with one type: the interface."""
    types = _Types()
    kind = types.named("kind", bytes([_ENUM]) + wasm.vector([wasm.name("number"), wasm.name("text")]))
    port = types.named("port", _record(name=STRING, kind=kind))
    ports = types.add(list_of(port))
    types.named("about", _record(name=STRING, version=STRING, inputs=ports, outputs=ports))
    if is_aggregation:
        head = types.named("window", _record(group=U32, rows=U32, start=S64, end=S64))
        columns = types.columns(head)
        types.named("windows", _record(windows=columns.pop("heads"), **columns))
    else:
        head = types.named("run", _record(group=U32, port=U32, rows=U32))
        columns = types.columns(head)
        types.named("batch", _record(t0=S64, runs=columns.pop("heads"), **columns))
    types.named("problem", _record(code=U32, text=STRING))
    return b"\x01" + bytes([_INSTANCE]) + wasm.vector(types.declarations)


class _Types:
    """Declarations of an instance type. Every declared type has a number, and a named one another under its name."""

    def __init__(self):
        self.declarations = []

    def add(self, definition):
        self.declarations.append(_TYPE + definition)
        return len(self.declarations) - 1

    def named(self, name, definition):
        anonymous = self.add(definition)
        self.declarations.append(_EXPORT + b"\x00" + wasm.name(name) + b"\x03\x00" + wasm.unsigned(anonymous))
        return len(self.declarations) - 1

    def columns(self, head):
        elements = {"heads": head, "dt": S64, "values": F64, "qualities": U32, "texts": STRING}
        return {name: self.add(list_of(element)) for name, element in elements.items()}


def _record(**fields):
    return bytes([_RECORD]) + wasm.vector([wasm.name(name) + bytes([kind]) for name, kind in fields.items()])
