"""The rewriting of components, on small binaries made here."""

import sys
import unittest
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SDK))

from tidemill.building import columns, contract_types, functions, wasm

CONTRACT = (SDK / "tidemill" / "plugin.wit").read_text()


def module():
    """Imports `env.first` and `env.second`, types (i32) -> i32; its one function, exported as `run`, calls `second`, then `first`."""
    imports = [b"\x03env" + wasm.name(name) + b"\x00\x00" for name in ("first", "second")]
    imports.insert(1, b"\x03env\x05table\x01\x70\x01\x01\x02")
    body = b"\x01\x01\x7f" + b"\x41\x10" + b"\x10\x01" + b"\x21\x01\x20\x01" + b"\x10\x00" + b"\x0b"
    return b"\0asm\x01\0\0\0" + b"".join([
        wasm.section(functions.TYPES, b"\x01\x60\x01\x7f\x01\x7f"),
        wasm.section(functions.IMPORTS, wasm.vector(imports)),
        wasm.section(functions.FUNCTIONS, b"\x01\x00"),
        wasm.section(functions.EXPORTS, b"\x01" + wasm.name("run") + b"\x00\x02"),
        wasm.section(functions.CODE, wasm.vector([wasm.unsigned(len(body)) + body])),
    ])


class Binaries(unittest.TestCase):
    def test_lengths_are_encoded_and_read_again(self):
        for value in (0, 127, 128, 300, 2**32 - 1):
            encoded = wasm.unsigned(value)
            reader = wasm.Reader(encoded)
            self.assertEqual((reader.unsigned(), reader.is_at_end()), (value, True))

    def test_a_cut_binary_is_refused(self):
        with self.assertRaises(ValueError):
            list(wasm.sections(module()[:-1]))

    def test_what_is_not_changed_stays_byte_for_byte(self):
        self.assertEqual(functions.Module(module()).encode(), module())

    def test_calls_are_redirected_and_constants_that_look_alike_are_not(self):
        changed = functions.Module(module())
        second = changed.imported("second")
        changed.redirect(second, changed.next_index())
        changed.exports["run"] = changed.add(changed.type_of(second), b"\x00\x20\x00\x10\x01\x0b")
        again = functions.Module(changed.encode())
        self.assertEqual((again.exports, again.next_index(), again.parameters(3)), ({"run": 3}, 4, 1))
        self.assertIn(b"\x41\x10\x10\x03\x21\x01\x20\x01\x10\x00\x0b", changed.encode())
        self.assertIn(b"\x00\x20\x00\x10\x01\x0b", changed.encode())

    def test_instructions_that_are_not_known_are_refused(self):
        with self.assertRaises(ValueError):
            functions.Module(module().replace(b"\x21\x01\x20\x01", b"\xfc\x01\x20\x01")).redirect(1, 0)


class Contract(unittest.TestCase):
    def test_the_copy_is_the_contract(self):
        self.assertEqual(CONTRACT, (SDK.parent / "wit" / "plugin.wit").read_text())

    def test_the_private_form_has_bytes_for_columns_and_nothing_else_changed(self):
        changed = [(old.strip(), new.strip()) for old, new in zip(CONTRACT.splitlines(), columns.private_form(CONTRACT).splitlines()) if old != new]
        self.assertEqual(changed, [
            ("runs: list<run>,", "runs: list<u8>,"),
            ("dt: list<s64>,", "dt: list<u8>,"),
            ("values: list<f64>,", "values: list<u8>,"),
            ("qualities: list<u32>,", "qualities: list<u8>,"),
            ("windows: list<window>,", "windows: list<u8>,"),
            ("dt: list<s64>,", "dt: list<u8>,"),
            ("values: list<f64>,", "values: list<u8>,"),
            ("qualities: list<u32>,", "qualities: list<u8>,"),
            ("export aggregate: func(input: windows) -> result<list<f64>, problem>;",
             "export aggregate: func(input: windows) -> result<list<u8>, problem>;"),
        ])

    def test_the_stated_types_are_those_that_componentize_py_states(self):
        # Taken from a component that was built for the public contract.
        self.assertEqual(contract_types.instance(is_aggregation=False).hex(), (
            "014212016d02066e756d62657204746578740400046b696e64030000017202046e616d6573046b696e6401040004706f7274030002017003017204046e616d65"
            "730776657273696f6e7306696e7075747304076f7574707574730404000561626f75740300050172030567726f75707904706f72747904726f77737904000372"
            "756e030007017008017078017075017079017073017206027430780472756e73090264740a0676616c7565730b097175616c69746965730c0574657874730d04"
            "0005626174636803000e01720204636f64657904746578747304000770726f626c656d030010"
        ))
        self.assertEqual(contract_types.instance(is_aggregation=True).hex(), (
            "014212016d02066e756d62657204746578740400046b696e64030000017202046e616d6573046b696e6401040004706f7274030002017003017204046e616d65"
            "730776657273696f6e7306696e7075747304076f7574707574730404000561626f75740300050172040567726f75707904726f7773790573746172747803656e"
            "647804000677696e646f770300070170080170780170750170790170730172050777696e646f7773090264740a0676616c7565730b097175616c69746965730c"
            "0574657874730d04000777696e646f777303000e01720204636f64657904746578747304000770726f626c656d030010"
        ))

    def test_a_component_without_the_expected_module_is_refused(self):
        with self.assertRaisesRegex(ValueError, "module with the exported functions"):
            columns.public_form(b"\0asm\x0d\0\x01\0")


if __name__ == "__main__":
    unittest.main()
