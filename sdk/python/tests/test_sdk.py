"""What the SDK promises to authors, natively: `python3 -m unittest` in this directory."""

import math
import sys
import types
import unittest
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SDK))

from tidemill import BAD, GOOD, UNCERTAIN, Aggregation, Calculation, Groups, Params, Problem, kv, log, number, text, worst
from tidemill.discover import find_plugin, world
from tidemill.output import Output
from tidemill.testing import Harness, Row


class Sums(Calculation):
    """Works on columns: running sums of `value`; `mode` is echoed in capitals and kept in `kv`."""

    name, version = "sums", "1"
    inputs = [number("value"), text("mode")]
    outputs = [number("sum"), text("mode")]

    def configure(self, params):
        self.sums = Groups(float)

    def process(self, batch, out):
        for run in batch.runs():
            if run.port == 1:
                kv.set(run.group, b"mode", run.values[-1].encode())
                out.extend(run.group, 1, run.dt, [mode.upper() for mode in run.values], run.qualities)
                continue
            sums = []
            for value in run.values:
                self.sums[run.group] += value
                sums.append(self.sums[run.group])
            out.extend(run.group, 0, run.dt, sums, run.qualities)

    def advance(self, watermark, out):
        for group, total in self.sums.in_order():
            log.info(f"group {group} has {total}")
            out.emit(group, 1, watermark, (kv.get(group, b"mode") or b"none").decode())


class Range(Aggregation):
    name, version = "range", "1"
    inputs = [number("value")]
    outputs = [number("min"), number("max")]

    def aggregate(self, window):
        good = [value for _, value, quality in window if quality < BAD]
        return (min(good), max(good)) if good else (None, None)


class Longest(Aggregation):
    name, version = "longest", "1"
    inputs = [text("value")]
    outputs = [number("letters")]

    def aggregate(self, window):
        return max(map(len, window.values), default=None)


class Rows(unittest.TestCase):
    def test_columns_and_texts_go_through(self):
        plugin = Harness(Sums)
        self.assertEqual(plugin.process([
            Row(1, 1, 30, "auto"), Row(1, 1, 40, "hand", UNCERTAIN), Row(1, 0, 10, 1.5), Row(1, 0, 20, 2.0), Row(0, 0, 5, 7.0),
        ]), [
            Row(1, 1, 30, "AUTO"), Row(1, 1, 40, "HAND", UNCERTAIN), Row(1, 0, 10, 1.5), Row(1, 0, 20, 3.5), Row(0, 0, 5, 7.0),
        ])
        self.assertEqual(plugin.advance(99), [Row(0, 1, 99, "none"), Row(1, 1, 99, "hand")])
        self.assertEqual(plugin.log, [(2, "group 0 has 7.0"), (2, "group 1 has 3.5")])

    def test_a_harness_forgets_keys_and_lines_of_the_one_before(self):
        Harness(Sums).process([Row(0, 1, 0, "auto")])
        log.warn("left behind")
        self.assertEqual(Harness(Sums).log, [])
        self.assertIsNone(kv.get(0, b"mode"))

    def test_keys_that_are_no_bytes_are_refused(self):
        Harness(Sums)
        self.assertRaises(TypeError, kv.set, 0, "mode", b"auto")
        self.assertRaises(TypeError, kv.get, 0, 7)

    def test_a_new_group_port_or_an_earlier_time_begins_a_run(self):
        out = Output(100, [number("a"), text("b")])
        for group, port, time, value in [(0, 0, 100, 1), (0, 0, 100, 2), (0, 0, 99, 3), (0, 1, 99, "x"), (1, 1, 99, "y"), (1, 1, 99, "x")]:
            out.emit(group, port, time, value)
        runs, dt, values, qualities = out.columns()
        self.assertEqual(runs.tolist(), [0, 0, 2, 0, 0, 1, 0, 1, 1, 1, 1, 2])
        self.assertEqual(dt.tolist(), [0, 0, -1, -1, -1, -1])
        self.assertEqual(values.tolist(), [1, 2, 3, 0, 1, 0])
        self.assertEqual(qualities.tolist(), [])
        self.assertEqual(out.texts(), ["x", "y"])

    def test_columns_join_the_run_before_when_they_continue_it(self):
        out = Output(0, [number("a")])
        out.emit(0, 0, 5, 1.0)
        out.extend(0, 0, [5, 6], [2.0, 3.0], [0, BAD])
        out.emit(0, 0, 6, 4.0)
        out.extend(0, 0, [5], [5.0])
        out.emit(0, 0, 4, 6.0)
        self.assertEqual(len(out), 6)
        runs, dt, values, qualities = out.columns()
        self.assertEqual(runs.tolist(), [0, 0, 4, 0, 0, 1, 0, 0, 1])
        self.assertEqual((dt.tolist(), values.tolist()), ([5, 5, 6, 6, 5, 4], [1, 2, 3, 4, 5, 6]))
        self.assertEqual(qualities.tolist(), [0, 0, BAD, 0, 0, 0])

    def test_qualities_are_those_of_the_call(self):
        out, qualities = Output(0, [number("a")]), [BAD]
        out.extend(0, 0, [1], [1.0], qualities)
        qualities[0] = 7
        out.extend(0, 0, [2], [2.0], qualities)
        self.assertEqual(out.columns()[3].tolist(), [BAD, 7])

    def test_mistakes_are_refused(self):
        for wrong, mistake in [
            (IndexError, lambda out: out.emit(0, 2, 0, 1.0)),
            (IndexError, lambda out: out.emit(0, -1, 0, 1.0)),
            (TypeError, lambda out: out.emit(0, 0, 0, "text")),
            (OverflowError, lambda out: out.emit(0, 0, 2**63, 1.0)),
            (OverflowError, lambda out: out.emit(0, 0, 0, 1.0, -1)),
            (TypeError, lambda out: out.emit(0, 1, 0, 1.0)),
            (TypeError, lambda out: out.extend(0, 0, [1, 2], [1.0, None])),
            (IndexError, lambda out: out.extend(0, 2, [1], [1.0])),
            (ValueError, lambda out: out.extend(0, 0, [1, 2], [1.0])),
            (ValueError, lambda out: out.extend(0, 0, [2, 1], [1.0, 2.0])),
        ]:
            out = Output(0, [number("a"), text("b")])
            with self.assertRaises(wrong):
                mistake(out)
                out.columns()


class Windows(unittest.TestCase):
    def test_one_value_per_output_and_none_for_no_value(self):
        plugin = Harness(Range)
        self.assertEqual(plugin.aggregate(0, 10, [(0, 3.0), (1, 1.0), (2, -9.0, BAD)]), [1.0, 3.0])
        self.assertTrue(all(map(math.isnan, plugin.aggregate(0, 10, []))))

    def test_texts_are_given_as_texts(self):
        plugin = Harness(Longest)
        self.assertEqual(plugin.aggregate(0, 10, [(0, "off"), (1, "manual"), (2, "off")]), [6.0])

    def test_rows_that_no_host_would_pass_are_refused(self):
        for rows in [[(10, 1.0)], [(2, 1.0), (1, 1.0)]]:
            self.assertRaises(ValueError, Harness(Range).aggregate, 0, 10, rows)


class Parameters(unittest.TestCase):
    def test_values_are_taken_by_name_and_type(self):
        params = Params('{"width": 2, "unit": "bar", "strict": true, "steps": 3}')
        self.assertEqual((params.number("width"), params.text("unit"), params.flag("strict"), params.integer("steps")), (2.0, "bar", True, 3))
        self.assertEqual((params.number("hold_s", 60.0), params.text("mode", None), params.non_negative("gap_s", 1.5)), (60.0, None, 1.5))
        params.finish()

    def test_problems_say_what_to_do(self):
        for given, take, problem in [
            ("{}", lambda p: p.number("width"), "parameter `width` is missing; give a number"),
            ('{"width": "2"}', lambda p: p.number("width"), 'parameter `width` is the string "2", but must be a number'),
            ('{"width": true}', lambda p: p.number("width"), "parameter `width` is the boolean true, but must be a number"),
            ('{"unit": 2}', lambda p: p.text("unit"), "parameter `unit` is the number 2, but must be a string"),
            ('{"on": [1]}', lambda p: p.flag("on"), "parameter `on` is `[1]`, but must be a boolean"),
            ('{"gap_s": -1}', lambda p: p.non_negative("gap_s"), "parameter `gap_s` is -1, but must be 0 or more"),
            ('{"width": 1e999}', lambda p: p.number("width"), "parameter `width` is too large for a number"),
            ('{"steps": 1.5}', lambda p: p.integer("steps"), "parameter `steps` is 1.5, but must be a whole number"),
            ('{"widht": 1}', lambda p: p.finish(), "parameter `widht` is unknown; this plugin takes none"),
            ('{"widht": NaN}', lambda p: p, "the parameters are not JSON: NaN is not a number in JSON"),
            ("[1]", lambda p: p, "the parameters are not a JSON object"),
        ]:
            with self.assertRaises(Problem) as caught:
                take(Params(given))
            self.assertEqual((caught.exception.code, caught.exception.text), (Problem.PARAMETER, problem))


class Descriptions(unittest.TestCase):
    def test_the_world_follows_from_the_class(self):
        durable = type("Durable", (Sums,), {"save": lambda self, group: b"", "load": lambda self, group, state: None})
        self.assertEqual([world(plugin) for plugin in (Sums, durable, Range)], ["calculation", "durable-calculation", "aggregation"])
        with self.assertRaises(TypeError):
            world(type("Half", (Sums,), {"save": lambda self, group: b""}))

    def test_a_module_has_exactly_one_plugin(self):
        module = types.ModuleType("plugin")
        self.assertRaises(TypeError, find_plugin, module)
        module.Plugin = type("Plugin", (Sums,), {"__module__": "plugin"})
        self.assertIs(find_plugin(module), module.Plugin)
        module.Other = type("Other", (Range,), {"__module__": "plugin"})
        self.assertRaises(TypeError, find_plugin, module)

    def test_what_the_host_would_refuse_is_refused(self):
        for changes in [
            {"name": "Sums"}, {"name": None}, {"version": ""}, {"inputs": []}, {"outputs": ["sum"]},
            {"outputs": [number("a"), number("a")]}, {"inputs": [number("two words")]},
        ]:
            with self.assertRaises(TypeError, msg=changes):
                Harness(type("Wrong", (Sums,), changes))
        for changes in [{"inputs": [number("a"), number("b")]}, {"outputs": [text("min")]}]:
            with self.assertRaises(TypeError, msg=changes):
                Harness(type("Wrong", (Range,), changes))


class Qualities(unittest.TestCase):
    def test_the_worst_of_two_is_decided_by_severity_alone(self):
        self.assertEqual([worst(GOOD, BAD), worst(BAD, UNCERTAIN), worst(0x96_0000, GOOD)], [BAD, BAD, 0x96_0000])
        self.assertEqual([worst(0xC000_0001, 0x8000_0002), worst(0x8000_0002, 0xC000_0001)], [0xC000_0001, 0x8000_0002])


if __name__ == "__main__":
    unittest.main()
