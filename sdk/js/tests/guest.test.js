// The contract's bytes: what the host puts into memory, and what it finds there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Aggregation, BAD, Calculation, Groups, Problem, kv, log, number, text } from '../tidemill/tidemill.js';
import { serve } from '../tidemill/src/guest.js';
import { FakeHost } from './fake-host.js';

/** Says whether a sum per group is above a limit, and tells it the kv. */
class Sums extends Calculation {
  static about = { name: 'sums', version: '2.1', inputs: ['value', text('note')], outputs: ['sum', text('word')] };
  sums = new Groups(() => 0);

  configure(params) {
    this.limit = params.number('limit');
    log.info(`limit ${this.limit}`);
  }

  process(input, output) {
    for (const row of input.rows()) {
      if (row.port === 1) {
        if (row.text === 'stop') throw new Problem('was told to stop', 107);
        if (row.text === 'crash') throw new TypeError('was told to crash');
        output.text(row.group, 1, row.time, `heard ${row.text}`);
        continue;
      }
      const sum = (this.sums.states[row.group] = this.sums.of(row.group) + row.value);
      output.push(row.group, 0, row.time, sum, row.quality);
      if (sum > this.limit) kv.set(row.group, 'above', String(sum));
    }
  }

  advance(watermark, output) {
    for (const [group] of this.sums) {
      const above = kv.getText(group, 'above');
      if (above !== undefined) output.push(group, 0, watermark - 1n, Number(above));
      kv.remove(group, 'above');
    }
  }

  save(group) {
    return group < this.sums.length ? String(this.sums.of(group)) : undefined;
  }

  load(group, state) {
    this.sums.of(group);
    this.sums.states[group] = Number(new TextDecoder().decode(state));
  }
}

class Spread extends Aggregation {
  static about = { name: 'spread', version: '1', inputs: ['value'], outputs: ['spread', 'last_s'] };

  aggregate(window, out) {
    if (window.length === 0) return;
    out[0] = Math.max(...window.values) - Math.min(...window.values);
    out[1] = Number(window.time(window.length - 1) - window.start) / 1e9;
  }
}

function running(Plugin, params) {
  const host = new FakeHost();
  const plugin = serve(Plugin, host.abi);
  const json = host.list(new TextEncoder().encode(params));
  const result = host.call(plugin.configure, 16, json);
  const answer = host.tag(result) === 0 ? null : host.problem(result, 4);
  host.post();
  return { host, plugin, answer };
}

function pass({ host, plugin }, t0, { runs, dt, values, qualities = [], texts = [] }) {
  return host.call(
    plugin.process,
    56,
    t0,
    [host.list(new Uint32Array(runs))[0], runs.length / 3],
    host.list(BigInt64Array.from(dt)),
    host.list(new Float64Array(values)),
    host.list(new Uint32Array(qualities)),
    host.texts(texts),
  );
}

test('describe tells name, version and ports with their kinds', () => {
  const { host, plugin } = running(Sums, '{"limit": 1}');
  const result = host.call(plugin.describe, 32);
  const ports = (at) => {
    const words = host.listAt(Uint32Array, at, 3);
    return [0, 3].map((i) => [host.text(words[i], words[i + 1]), words[i + 2]]);
  };
  assert.equal(host.text(...host.array(Uint32Array, result, 2)), 'sums');
  assert.equal(host.text(...host.array(Uint32Array, result + 8, 2)), '2.1');
  assert.deepEqual(ports(result + 16), [['value', 0], ['note', 1]]);
  assert.deepEqual(ports(result + 24), [['sum', 0], ['word', 1]]);
});

test('configure takes parameters or says what is wrong with them', () => {
  const good = running(Sums, '{"limit": 5}');
  assert.equal(good.answer, null);
  assert.deepEqual(good.host.lines, [[2, 'limit 5']]);
  assert.deepEqual(running(Sums, '{}').answer, { code: 1, text: 'parameter `limit` is missing; give a number' });
});

test('process reads columns with negative times and writes runs, qualities and texts', () => {
  const sums = running(Sums, '{"limit": 1000}');
  const input = { runs: [3, 0, 2, 0, 1, 1], dt: [0n, 5n, -7n], values: [1, 2.5, 0], qualities: [0, BAD, 0], texts: ['\ufeffhé'] };
  // The engine hands over 64-bit numbers without sign.
  const result = pass(sums, BigInt.asUintN(64, -100n), input);
  assert.equal(sums.host.tag(result), 0);
  assert.deepEqual(sums.host.batch(result), {
    t0: -100n,
    runs: [3, 0, 2, 0, 1, 1],
    dt: [0n, 5n, -7n],
    values: [1, 3.5, 0],
    qualities: [0, BAD, 0],
    texts: ['heard \ufeffhé'],
  });
});

test('everything handed in is freed, also by a call that fails', () => {
  const sums = running(Sums, '{"limit": 1000}');
  for (const word of ['a', 'stop']) {
    pass(sums, 0n, { runs: [0, 1, 1, 0, 0, 1], dt: [1n, 2n], values: [0, 1], qualities: [0, 1], texts: [word, 'b'] });
    sums.host.post();
  }
});

test('a problem becomes an error of the contract, another error is logged and traps', () => {
  const sums = running(Sums, '{"limit": 1000}');
  const note = (word) => ({ runs: [0, 1, 1], dt: [0n], values: [0], texts: [word] });
  const result = pass(sums, 0n, note('stop'));
  assert.equal(sums.host.tag(result), 1);
  assert.deepEqual(sums.host.problem(result, 8), { code: 107, text: 'was told to stop' });
  assert.throws(() => pass(sums, 0n, note('crash')), TypeError);
  const [level, line] = sums.host.lines.at(-1);
  assert.equal(level, 0);
  assert.match(line, /^TypeError: was told to crash\n/);
});

test('columns of different length are refused', () => {
  const sums = running(Sums, '{"limit": 1000}');
  const good = { runs: [0, 0, 1], dt: [0n], values: [1] };
  const wrong = [{ runs: [0, 0, 2] }, { values: [] }, { qualities: [0, 0] }];
  for (const change of wrong) {
    const result = pass(sums, 0n, { ...good, ...change });
    assert.equal(sums.host.tag(result), 1);
    assert.equal(sums.host.problem(result, 8).code, 2);
  }
});

test('advance uses the key-value state of the host', () => {
  const sums = running(Sums, '{"limit": 1}');
  pass(sums, 0n, { runs: [2, 0, 1], dt: [0n], values: [4.5] });
  assert.deepEqual([...sums.host.kv.keys()], ['2/above']);
  sums.host.post();
  const result = sums.host.call(sums.plugin.advance, 56, 1000n);
  const { t0, runs, values } = sums.host.batch(result);
  assert.deepEqual({ t0, runs, values }, { t0: 999n, runs: [2, 0, 1], values: [4.5] });
  assert.equal(sums.host.kv.size, 0);
  sums.host.post();
});

test('state moves from one instance to another', () => {
  const old = running(Sums, '{"limit": 1000}');
  pass(old, 0n, { runs: [1, 0, 1], dt: [0n], values: [7] });
  const saved = old.host.call(old.plugin.save, 8, old.host.list(new Uint32Array([0, 1, 9])));
  const states = old.host.textsAt(saved);
  assert.deepEqual(states, ['0', '7', '']);

  const young = running(Sums, '{"limit": 1000}');
  const groups = young.host.list(new Uint32Array([0, 1, 9]));
  assert.equal(young.host.tag(young.host.call(young.plugin.load, 16, groups, young.host.texts(states))), 0);
  const result = pass(young, 0n, { runs: [1, 0, 1], dt: [0n], values: [1] });
  assert.deepEqual(young.host.batch(result).values, [8]);
});

test('an aggregation gets its windows and gives one value per window and port', () => {
  const { host, plugin } = running(Spread, '{}');
  const heads = new BigInt64Array(6);
  const view = new DataView(heads.buffer);
  view.setUint32(4, 2, true);
  heads[1] = 1_000_000_000n;
  heads[2] = 2_000_000_000n;
  view.setUint32(24, 5, true);
  const windows = [host.list(heads)[0], 2];
  const columns = [host.list(BigInt64Array.of(0n, 500_000_000n)), host.list(Float64Array.of(3, 8))];
  const result = host.call(plugin.aggregate, 16, windows, ...columns, host.list(new Uint32Array(0)), host.texts([]));
  assert.equal(host.tag(result), 0);
  assert.deepEqual([...host.listAt(Float64Array, result + 4)], [5, 0.5, NaN, NaN]);
});

test('what a plugin says about itself is checked', () => {
  const refused = (about, message) => {
    class Plugin extends Calculation {
      static about = about;
      process() {}
    }
    assert.throws(() => serve(Plugin, new FakeHost().abi), { message });
  };
  const good = { name: 'a', version: '1', inputs: ['x'], outputs: ['y'] };
  refused({ ...good, name: 'A b' }, 'about.name must consist of lower-case letters, digits and hyphens');
  refused({ ...good, inputs: [] }, 'about.inputs must name at least one port');
  refused({ ...good, outputs: ['y', number('y')] }, 'about.outputs names "y" twice');
  class Late extends Calculation {
    static about = good;
    async process() {}
  }
  assert.throws(() => serve(Late, new FakeHost().abi), /process must not be async/);
  assert.throws(() => serve(class {}, new FakeHost().abi), /extends Calculation or Aggregation/);
});
