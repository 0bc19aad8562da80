"""Runs the plugin natively: `python3 -m unittest`. Every expected number is computed by hand."""

import math
import sys
import unittest

sys.path.insert(0, "../tidemill/..")  # where the package `tidemill` lies

from plugin import STATE, VALUE, Plugin
from tidemill import BAD, SECOND, UNCERTAIN
from tidemill.testing import Harness, Problem, Row


class Levels(unittest.TestCase):
    def test_two_groups_are_kept_apart(self):
        plugin = Harness(Plugin, {"alpha": 0.5})
        emitted = plugin.process([
            Row(0, 0, 10, 8.0),
            Row(0, 0, 20, 4.0),
            Row(1, 0, 15, 100.0, UNCERTAIN),
            Row(0, 0, 30, 0.0),
        ])
        self.assertEqual(emitted, [
            Row(0, STATE, 10, "fresh"),
            Row(0, VALUE, 10, 8.0),
            Row(0, VALUE, 20, 6.0),
            Row(1, STATE, 15, "fresh"),
            Row(1, VALUE, 15, 100.0, UNCERTAIN),
            Row(0, VALUE, 30, 3.0),
        ])

    def test_bad_rows_nan_and_late_rows_change_nothing(self):
        plugin = Harness(Plugin, {"alpha": 0.5})
        plugin.process([Row(0, 0, 20, 8.0)])
        self.assertEqual(plugin.process([Row(0, 0, 30, 1.0, BAD), Row(0, 0, 40, math.nan), Row(0, 0, 19, 1.0)]), [])
        self.assertEqual(plugin.process([Row(0, 0, 20, 4.0)]), [Row(0, VALUE, 20, 6.0)])

    def test_silence_is_told_once_and_ends_with_the_next_row(self):
        plugin = Harness(Plugin, {"alpha": 0.25, "stale_s": 1.5})
        plugin.process([Row(1, 0, 2 * SECOND, 1.0), Row(0, 0, 3 * SECOND, 4.0)])
        self.assertEqual(plugin.advance(3_499_999_999), [])
        self.assertEqual(plugin.advance(9 * SECOND), [
            Row(0, STATE, 4_500_000_000, "stale"),
            Row(1, STATE, 3_500_000_000, "stale"),
        ])
        self.assertEqual(plugin.advance(10 * SECOND), [])
        self.assertEqual(plugin.process([Row(0, 0, 11 * SECOND, 8.0)]), [
            Row(0, STATE, 11 * SECOND, "fresh"),
            Row(0, VALUE, 11 * SECOND, 5.0),
        ])

    def test_without_stale_s_nothing_is_stale(self):
        plugin = Harness(Plugin, {"alpha": 1})
        plugin.process([Row(0, 0, 0, 1.0)])
        self.assertEqual(plugin.advance(10**18), [])

    def test_batches_may_be_cut_anywhere(self):
        rows = [Row(group, 0, 10 * time, float(time * time % 7)) for time in range(20) for group in (0, 1, 2)]
        whole = Harness(Plugin, {"alpha": 0.3}).process(rows)
        cut = Harness(Plugin, {"alpha": 0.3})
        self.assertEqual([row for start in range(0, 60, 7) for row in cut.process(rows[start:start + 7])], whole)

    def test_wrong_parameters_are_refused_by_name(self):
        for params, text in [
            ({}, "parameter `alpha` is missing; give a number"),
            ({"alpha": 0}, "parameter `alpha` must lie above 0 and be at most 1"),
            ({"alpha": 1.5}, "parameter `alpha` must lie above 0 and be at most 1"),
            ({"alpha": "much"}, "parameter `alpha` is the string \"much\", but must be a number"),
            ({"alpha": 0.5, "stale_s": -1}, "parameter `stale_s` is -1, but must be 0 or more"),
            ({"alpha": 0.5, "apha": 1}, "parameter `apha` is unknown; this plugin takes `alpha`, `stale_s`"),
        ]:
            with self.assertRaises(Problem) as caught:
                Harness(Plugin, params)
            self.assertEqual((caught.exception.code, caught.exception.text), (Problem.PARAMETER, text))


if __name__ == "__main__":
    unittest.main()
