// Drives the plugin by hand-computed numbers: `sh test.sh`. Every exported function whose name begins with `test` is one.

import { BAD, SECOND, UNCERTAIN } from "../tidemill";
import { check, checkRows, Harness, refused, Row } from "../tidemill/testing";
import { Plugin } from "./plugin";

function value(group: u32, second: i64, value: f64, quality: u32 = 0): Row {
  return Row.number(group, 0, second * SECOND, value, quality);
}

function state(group: u32, second: i64, text: string): Row {
  return Row.text(group, 1, second * SECOND, text);
}

export function testTwoSeriesAreFilteredBesideEachOther(): void {
  const plugin = new Harness(new Plugin(), '{"alpha": 0.25, "stale_s": 10}');
  checkRows("first rows", plugin.process([value(0, 1, 8), value(1, 1, 100, UNCERTAIN), value(0, 2, 16)]), [
    state(0, 1, "fresh"),
    value(0, 1, 8),
    state(1, 1, "fresh"),
    value(1, 1, 100, UNCERTAIN),
    value(0, 2, 10),
  ]);
  checkRows(
    "bad, NaN and late rows are skipped, an equal time is not late",
    plugin.process([value(0, 3, 1000, BAD), value(0, 3, NaN), value(0, 1, 1000), value(0, 2, 14)]),
    [value(0, 2, 11)],
  );
  checkRows("the second series runs out first", plugin.advance(11 * SECOND), [state(1, 11, "stale")]);
  checkRows("at the time at which it ran out, once", plugin.advance(40 * SECOND), [state(0, 12, "stale")]);
  checkRows("silence goes on", plugin.advance(50 * SECOND), []);
  checkRows("fresh again, from the old level", plugin.process([value(1, 60, 60)]), [
    state(1, 60, "fresh"),
    value(1, 60, 90),
  ]);
}

export function testNothingGoesStaleUnlessAskedFor(): void {
  const plugin = new Harness(new Plugin(), '{"alpha": 1}');
  checkRows("alpha 1 follows", plugin.process([value(0, 1, 5), value(0, 2, 7)]), [
    state(0, 1, "fresh"),
    value(0, 1, 5),
    value(0, 2, 7),
  ]);
  checkRows("no timer", plugin.advance(1_000_000 * SECOND), []);
}

export function testWrongParametersAreRefusedByName(): void {
  refuses("{}", "parameter `alpha` is missing; give a number");
  refuses('{"alpha": 0}', "parameter `alpha` must lie above 0 and be at most 1");
  refuses('{"alpha": 1.5}', "parameter `alpha` must lie above 0 and be at most 1");
  refuses('{"alpha": "x"}', 'parameter `alpha` is the string "x", but must be a number');
  refuses('{"alpha": 0.5, "stale_s": -1}', "parameter `stale_s` is -1, but must be 0 or more");
  refuses('{"alpha": 0.5, "stale": 1}', "parameter `stale` is unknown; this plugin takes `alpha`, `stale_s`");
}

function refuses(params: string, reason: string): void {
  check(params, refused(new Plugin(), params), reason);
}
