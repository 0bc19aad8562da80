// Places in the bundle become places in the author's sources.

import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { afterEach, test } from 'node:test';
import { linesOf } from '../tidemill/build/lines.mjs';
import { located } from '../tidemill/src/lines.js';

const LINES = Symbol.for('tidemill:lines');
afterEach(() => delete globalThis[LINES]);

test('lines that follow each other are one stretch, and those of others are left out', () => {
  // Lines 1 to 5 of the bundle: sdk.js:1, my.js:10, my.js:11, nothing, my.js:20.
  const map = { version: 3, sources: ['sdk.js', 'my.js'], names: [], mappings: 'AAAA;ACSA;AACA;;AASA' };
  const isOwn = (file) => file === resolve('my.js');
  assert.deepEqual(linesOf(map, resolve('bundle.js'), isOwn), [
    [2, 2, 'my.js', 10],
    [5, 1, 'my.js', 20],
  ]);
});

test('a stack names the files of the author where they are known', () => {
  globalThis[LINES] = [[2, 2, 'my.js', 10]];
  const stack = 'half@plugin.js:3:7\nprocess@plugin.js:4:1\nother@plugin.js:2';
  assert.equal(located(stack), 'half@my.js:11\nprocess@plugin.js:4:1\nother@my.js:10');
});

test('without lines a stack stays as it is', () => {
  assert.equal(located('process@plugin.js:614:10'), 'process@plugin.js:614:10');
});
