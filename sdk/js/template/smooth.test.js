// Unit tests, without WebAssembly: node --test

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BAD, UNCERTAIN } from '../tidemill/tidemill.js';
import { Harness, seconds } from '../tidemill/testing.js';
import Plugin from './smooth.js';

const row = (group, at, value, quality = 0) => ({ group, time: seconds(at), value, quality });
const level = (group, at, value, quality = 0) => ({ group, port: 0, time: seconds(at), value, quality });
const state = (group, at, text) => ({ group, port: 1, time: seconds(at), text, quality: 0 });

test('two groups are averaged apart from each other, without bad, missing and late values', () => {
  const plugin = new Harness(Plugin, { alpha: 0.5 });
  const rows = [row(0, 1, 10), row(1, 1, 100), row(0, 2, 20), row(0, 3, 99, BAD), row(0, 3, NaN), row(1, 0, 7)];
  assert.deepEqual(plugin.process(rows), [
    state(0, 1, 'fresh'),
    level(0, 1, 10),
    state(1, 1, 'fresh'),
    level(1, 1, 100),
    level(0, 2, 15),
  ]);
  const more = [row(0, 2, 25), row(1, 2, 50, UNCERTAIN)];
  assert.deepEqual(plugin.process(more), [level(0, 2, 20), level(1, 2, 75, UNCERTAIN)]);
});

test('a silent group becomes stale once, and fresh with its next value', () => {
  const plugin = new Harness(Plugin, { alpha: 1, stale_s: 10 });
  plugin.process([row(0, 1, 5), row(1, 4, 6)]);
  assert.deepEqual(plugin.advance(seconds(10)), []);
  assert.deepEqual(plugin.advance(seconds(11)), [state(0, 11, 'stale')]);
  assert.deepEqual(plugin.advance(seconds(60)), [state(1, 14, 'stale')]);
  assert.deepEqual(plugin.process([row(0, 61, 8)]), [state(0, 61, 'fresh'), level(0, 61, 8)]);
});

test('without stale_s nothing becomes stale', () => {
  const plugin = new Harness(Plugin, { alpha: 1 });
  plugin.process([row(0, 1, 5)]);
  assert.deepEqual(plugin.advance(seconds(1_000_000)), []);
});

test('wrong parameters are refused by name', () => {
  const refused = (params, message) => assert.throws(() => new Harness(Plugin, params), { code: 1, message });
  refused({}, 'parameter `alpha` is missing; give a number');
  refused({ alpha: 0 }, 'parameter `alpha` must lie above 0 and be at most 1');
  refused({ alpha: 1.5 }, 'parameter `alpha` must lie above 0 and be at most 1');
  refused({ alpha: '1' }, 'parameter `alpha` is the string "1", but must be a number');
  refused({ alpha: 1, stale_s: -1 }, 'parameter `stale_s` is -1, but must be 0 or more');
  refused({ alpha: 1, stale: 5 }, 'parameter `stale` is unknown; this plugin takes `alpha`, `stale_s`');
});
