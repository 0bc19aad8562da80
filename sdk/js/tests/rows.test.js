// Columns, rows and output as an author meets them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AggregationHarness, Harness, seconds } from '../tidemill/testing.js';
import { Aggregation, BAD, Calculation, GOOD, UNCERTAIN, isBad, isGood, isUncertain, number, text, worst } from '../tidemill/tidemill.js';
import { Batch } from '../tidemill/src/batch.js';
import { Params } from '../tidemill/src/params.js';

const about = { name: 'a', version: '1', inputs: ['x', 'y', text('t')], outputs: ['x', text('t')] };

/** A calculation whose `process` is the given function. */
function harness(process) {
  class Plugin extends Calculation {
    static about = about;
    process(input, output) {
      process(input, output);
    }
  }
  return new Harness(Plugin);
}

test('columns, runs and rows show the same', () => {
  let seen = 0;
  const plugin = harness((input) => {
    assert.deepEqual(input.runs.map(({ group, port, start, end }) => [group, port, start, end]), [[1, 0, 0, 2], [1, 2, 2, 3]]);
    assert.deepEqual([...input.dt], [0, 1e9, -1e9]);
    assert.deepEqual([...input.times], [seconds(5), seconds(6), seconds(4)]);
    assert.deepEqual([...input.qualities], [0, 0, 0]);
    assert.equal(input.isAllGood, true);
    const rows = [...input.rows()];
    assert.deepEqual(rows.map(({ time, value, text }) => [time, value, text]), [
      [seconds(5), 1, undefined],
      [seconds(6), 2, undefined],
      [seconds(4), 0, 'on'],
    ]);
    assert.deepEqual(input.rowsByTime().map(({ time }) => time), [seconds(4), seconds(5), seconds(6)]);
    seen++;
  });
  plugin.process([
    { group: 1, time: seconds(5), value: 1 },
    { group: 1, time: seconds(6), value: 2 },
    { group: 1, port: 2, time: seconds(4), text: 'on' },
  ]);
  assert.equal(seen, 1);
});

test('rows go on behind runs without rows', () => {
  const batch = new Batch();
  const heads = [1, 0, 0, 1, 0, 1, 2, 0, 0, 3, 0, 1, 4, 0, 0];
  batch.fill(10n, heads, BigInt64Array.of(0n, 1n), Float64Array.of(5, 6), new Uint32Array(0), []);
  assert.deepEqual(Array.from(batch.rows(), ({ group, time, value }) => [group, time, value]), [[1, 10n, 5], [3, 11n, 6]]);
});

test('qualities of one call do not shine through to the next', () => {
  const plugin = harness((input, output) => {
    for (const { group, time, value, quality } of input.rows()) output.push(group, 0, time, value, quality);
  });
  const row = { group: 0, port: 0, time: 1n, value: 1, quality: BAD };
  assert.deepEqual(plugin.process([row, row]), [row, row]);
  const good = { ...row, quality: GOOD };
  assert.deepEqual(plugin.process([good, good]), [good, good]);
  assert.deepEqual(plugin.process([good, row]), [good, row]);
});

test('output grows beyond its first buffers and keeps what was emitted', () => {
  const plugin = harness((input, output) => {
    for (let i = 0; i < 1000; i++) output.push(i % 2, 0, BigInt(i), i, i === 3 ? UNCERTAIN : GOOD);
  });
  const rows = plugin.process([{ time: 0n, value: 0 }]);
  assert.equal(rows.length, 1000);
  rows.forEach(({ group, time, value, quality }, i) =>
    assert.deepEqual([group, time, value, quality], [i % 2, BigInt(i), i, i === 3 ? UNCERTAIN : GOOD]),
  );
});

test('whole columns are emitted with the times and qualities of their rows', () => {
  const plugin = harness((input, output) => {
    output.push(7, 0, seconds(1), 0);
    for (const run of input.runs) {
      const doubled = input.values.slice(run.start, run.end).map((value) => value * 2);
      output.column(input, run, 0, doubled);
    }
  });
  const emitted = plugin.process([
    { group: 1, time: seconds(5), value: 1, quality: UNCERTAIN },
    { group: 1, time: seconds(6), value: 2 },
  ]);
  assert.deepEqual(emitted, [
    { group: 7, port: 0, time: seconds(1), value: 0, quality: 0 },
    { group: 1, port: 0, time: seconds(5), value: 2, quality: UNCERTAIN },
    { group: 1, port: 0, time: seconds(6), value: 4, quality: 0 },
  ]);
});

test('a port that does not exist or carries something else is an error', () => {
  const emit = (call) => () => harness((input, output) => call(output)).process([{ time: 0n, value: 0 }]);
  assert.throws(emit((output) => output.push(0, 2, 0n, 1)), /output port 2 does not exist/);
  assert.throws(emit((output) => output.push(0, 1, 0n, 1)), /output port 1 carries texts, not numbers/);
  assert.throws(emit((output) => output.text(0, 0, 0n, 'x')), /output port 0 carries numbers, not texts/);
  const mixed = (output) => {
    output.text(0, 1, 0n, 'x');
    output.push(0, 1, 0n, 1);
  };
  assert.throws(emit(mixed), /output port 1 carries texts, not numbers/);
});

test('a window gives values, times and texts', () => {
  class States extends Aggregation {
    static about = { name: 'a', version: '1', inputs: [text('state')], outputs: [number('on'), number('rows')] };
    aggregate(window, out) {
      const rows = [...window.rows()];
      out[0] = rows.filter((row) => row.text === 'on').length;
      if (rows.length > 0) out[1] = Number(rows.at(-1).time - window.start) + window.dt[0];
    }
  }
  const rows = [{ time: seconds(11), text: 'on' }, { time: seconds(12), text: 'off' }, { time: seconds(13), text: 'on' }];
  const plugin = new AggregationHarness(States);
  assert.deepEqual(plugin.window(seconds(10), seconds(20), rows), [2, 4e9]);
  assert.deepEqual(plugin.window(seconds(10), seconds(20), []), [0, NaN]);
});

test('severity decides which quality is the worst', () => {
  assert.equal(worst(GOOD, BAD), BAD);
  assert.equal(worst(BAD, UNCERTAIN), BAD);
  assert.equal(worst(0x0096_0000, GOOD), 0x0096_0000);
  assert.equal(worst(0xc000_0001, 0x8000_0002), 0xc000_0001);
  assert.equal(worst(0x8000_0002, 0xc000_0001), 0x8000_0002);
  assert.deepEqual([isGood(0x3fff_ffff), isUncertain(UNCERTAIN), isBad(0xffff_ffff)], [true, true, true]);
});

test('parameters are taken by name and type, and refused by name', () => {
  const given = new Params('{"width": 2.5, "unit": "bar", "strict": true}');
  assert.equal(given.number('width'), 2.5);
  assert.equal(given.text('unit'), 'bar');
  assert.equal(given.flag('strict', false), true);
  assert.equal(given.number('interval_s', 60), 60);
  given.finish();
  const refused = (json, take, message) => {
    const params = new Params(json);
    const all = () => {
      take(params);
      params.finish();
    };
    assert.throws(all, { code: 1, message });
  };
  refused('{}', (p) => p.text('unit'), 'parameter `unit` is missing; give a string');
  refused('{"unit": null}', (p) => p.text('unit'), 'parameter `unit` is null, but must be a string');
  refused('{"on": "yes"}', (p) => p.flag('on'), 'parameter `on` is the string "yes", but must be a boolean');
  refused('{"w": -1}', (p) => p.nonNegative('w', 0), 'parameter `w` is -1, but must be 0 or more');
  refused('{"widht": 1}', (p) => p.number('width', 0), 'parameter `widht` is unknown; this plugin takes `width`');
  refused('{"w": 1}', () => {}, 'parameter `w` is unknown; this plugin takes none');
  assert.throws(() => new Params('[1]'), { code: 1, message: 'the parameters are a list, but must be a JSON object' });
  assert.throws(() => new Params('nonsense'), { code: 1, message: /^the parameters are not JSON: / });
});
