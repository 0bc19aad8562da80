"""Just enough of the binary format of WebAssembly to change a few sections of a component.

Sections look alike in modules and components: `u8 id | u32 size (LEB128) | payload`, after a preamble of 8 bytes. A `Reader` walks over
one payload; what it does not expect raises a ValueError.
"""

PREAMBLE = 8


def unsigned(value):
    """LEB128, shortest form."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def name(text):
    encoded = text.encode()
    return unsigned(len(encoded)) + encoded


def vector(items):
    return unsigned(len(items)) + b"".join(items)


def section(identifier, payload):
    return bytes([identifier]) + unsigned(len(payload)) + payload


def sections(binary):
    """Pairs of id and payload of a module or component."""
    reader = Reader(binary, PREAMBLE)
    while not reader.is_at_end():
        identifier = reader.byte()
        yield identifier, reader.bytes(reader.unsigned())


class Reader:
    def __init__(self, binary, at=0):
        self._binary = binary
        self.at = at

    def is_at_end(self):
        return self.at >= len(self._binary)

    def byte(self):
        self.at += 1
        return self._binary[self.at - 1]

    def bytes(self, count):
        self.at += count
        if self.at > len(self._binary):
            raise ValueError("the binary ends too early")
        return self._binary[self.at - count:self.at]

    def rest(self):
        return self._binary[self.at:]

    def unsigned(self):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def name(self):
        return self.bytes(self.unsigned()).decode()
