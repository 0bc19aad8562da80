"""Lets columns cross the border as bytes.

componentize-py makes one Python object per element of a list and locks the interpreter for each of them, about 150 ns per number,
but hands lists of u8 over as one `bytes`. So the component is built for a private form of the contract in which every column is a
`list<u8>`. To the canonical ABI both forms look alike, except that lengths count bytes. Then the component is rewritten to the public
contract:

1. In the module with the exported functions, `process`, `advance` and `aggregate` become small functions around the original ones:
   they turn counts of elements into bytes on the way in, and back in the result area.
2. In the same module, bytes handed out by the plugin are freed when the call is over: componentize-py 0.25 copies them and forgets
   the copy, so memory would grow with every call.
3. The types that the component states become those of `plugin.wit`.

Invariant: the result is a component of the public contract. If it cannot be rewritten, that is an error of the build.
"""

import re

from . import contract_types, functions, wasm

# Sizes of the elements, as the canonical ABI lays them out.
RUN, WINDOW, DT, VALUE, QUALITY = 12, 24, 8, 8, 4

# Arguments that are lengths, by place, and lengths in the result area, by offset: what one element takes.
CALLS = {
    "process": ({2: RUN, 4: DT, 6: VALUE, 8: QUALITY}, {20: RUN, 28: DT, 36: VALUE, 44: QUALITY}),
    "advance": ({}, {20: RUN, 28: DT, 36: VALUE, 44: QUALITY}),
    "aggregate": ({1: WINDOW, 3: DT, 5: VALUE, 7: QUALITY}, {8: VALUE}),
}

# Ids of sections of a component.
CORE_MODULE, COMPONENT_TYPES = 1, 7


def private_form(wit):
    """The contract with columns as bytes."""
    wit = re.sub(r"^(\s*(?:runs|windows|dt|values|qualities): )list<\w+>", r"\1list<u8>", wit, flags=re.MULTILINE)
    return wit.replace("result<list<f64>, problem>", "result<list<u8>, problem>")


def public_form(component):
    """The component with the types and lengths of the public contract."""
    parts = list(wasm.sections(component))
    _replace_one(parts, _is_functions_module, _changed_module, "module with the exported functions")
    is_aggregation = any(identifier == COMPONENT_TYPES and b"windows" in payload for identifier, payload in parts)
    _replace_one(parts, _is_stated_types, lambda _: contract_types.instance(is_aggregation), "type of the interface `types`")
    if is_aggregation:
        _replace_one(parts, _is_list_of_bytes, lambda old: old[:2] + bytes([contract_types.F64]) + old[3:], "type of the results")
    return component[:wasm.PREAMBLE] + b"".join(wasm.section(*part) for part in parts)


def _replace_one(parts, is_wanted, change, what):
    places = [place for place, part in enumerate(parts) if is_wanted(*part)]
    if len(places) != 1:
        raise ValueError(f"found the {what} {len(places)} times in the component, but expected it once")
    identifier, payload = parts[places[0]]
    parts[places[0]] = (identifier, change(payload))


def _is_functions_module(identifier, payload):
    return identifier == CORE_MODULE and any(wasm.name(f"cabi_post_{call}") in payload for call in ("process", "aggregate"))


def _is_stated_types(identifier, payload):
    return identifier == COMPONENT_TYPES and wasm.name("qualities") in payload


def _is_list_of_bytes(identifier, payload):
    return identifier == COMPONENT_TYPES and payload[1:3] == contract_types.list_of(contract_types.U8)


def _changed_module(binary):
    module = functions.Module(binary)
    for call in CALLS:
        if call in module.exports:
            original = module.exports[call]
            module.exports[call] = module.add(module.type_of(original), _with_lengths(call, original, module.parameters(original)))
    pop, free = (module.imported(name) for name in ("wit_dylib_pop_list", "wit_dylib_dealloc_bytes"))
    # The new function must go on calling the original, so calls are redirected before it is added.
    module.redirect(pop, module.next_index())
    module.add(module.type_of(pop), _freed_later(pop, free))
    return module.encode()


def _with_lengths(call, original, parameters):
    """Calls the original with lengths in bytes; if the result is no problem, divides the lengths in its area."""
    lengths_in, lengths_out = CALLS[call]
    area = wasm.unsigned(parameters)  # the one local
    code = b"\x01\x01\x7f"  # one local, i32
    for parameter in range(parameters):
        code += b"\x20" + wasm.unsigned(parameter)  # local.get
        if parameter in lengths_in:
            code += _constant(lengths_in[parameter]) + b"\x6c"  # i32.mul
    code += b"\x10" + wasm.unsigned(original) + b"\x22" + area  # call, local.tee
    code += b"\x2d\x00\x00\x45\x04\x40"  # i32.load8_u, i32.eqz, if
    for offset, size in lengths_out.items():
        at = b"\x02" + wasm.unsigned(offset)
        code += b"\x20" + area + b"\x20" + area + b"\x28" + at  # local.get twice, i32.load
        code += _constant(size) + b"\x6e\x36" + at  # i32.div_u, i32.store
    return code + b"\x0b\x20" + area + b"\x0b"  # end, local.get, end


def _freed_later(pop, free):
    """`pop(call, type, out) -> count`; if it left a pointer at `out`, `free(call, pointer, count, align 1, later 1)`."""
    pointer = b"\x20\x02\x28\x02\x00"  # local.get out, i32.load
    code = b"\x01\x01\x7f" + b"\x20\x00\x20\x01\x20\x02\x10" + wasm.unsigned(pop) + b"\x21\x03"  # call, local.set count
    code += pointer + b"\x04\x40"  # if
    code += b"\x20\x00" + pointer + b"\x20\x03" + _constant(1) + _constant(1) + b"\x10" + wasm.unsigned(free)
    return code + b"\x0b\x20\x03\x0b"  # end, local.get count, end


def _constant(value):
    return b"\x41" + wasm.unsigned(value)  # i32.const; below 64 the signed form is the same
