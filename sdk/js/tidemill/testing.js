// Drives a plugin from a unit test, natively: rows in, rows out, no WebAssembly and no server.

import { checked } from './src/about.js';
import { Batch } from './src/batch.js';
import { aggregateAll, configured } from './src/guest.js';
import { connect } from './src/host.js';
import { begin, emitted, output } from './src/output.js';
import { Window } from './src/window.js';

/** Nanoseconds since the epoch of a whole number of seconds. */
export function seconds(count) {
  return BigInt(count) * 1_000_000_000n;
}

/** Drives a calculation. Its key-value state starts empty. */
export class Harness {
  /** `params` are those of a deployment: an object. Throws the Problem of a plugin that refuses them. */
  constructor(Plugin, params = {}) {
    const { inputs, outputs } = checked(Plugin);
    this.inputKinds = inputs.map(({ kind }) => kind);
    this.outputKinds = outputs.map(({ kind }) => kind);
    connect();
    this.plugin = configured(Plugin, JSON.stringify(params));
    this.batch = new Batch();
  }

  /**
   * Passes rows { group, port, time, value or text, quality } in one batch, in this order, and returns what was emitted. Group, port
   * and quality are 0 when missing.
   */
  process(rows) {
    this.batch.fill(...columnsOf(rows, this.inputKinds));
    begin(this.outputKinds);
    this.plugin.process(this.batch, output);
    return this.emitted();
  }

  /** Moves the watermark and returns what was emitted. */
  advance(watermark) {
    begin(this.outputKinds);
    this.plugin.advance(watermark, output);
    return this.emitted();
  }

  emitted() {
    const { t0, heads, dt, values, qualities, texts } = emitted();
    const batch = new Batch();
    batch.fill(t0, heads, dt, values, qualities, texts);
    return Array.from(batch.rows(), ({ group, port, time, value, quality }) => {
      const carried = this.outputKinds[port] === 'text' ? { text: texts[value] } : { value };
      return { group, port, time, ...carried, quality };
    });
  }
}

/** Drives an aggregation. */
export class AggregationHarness {
  constructor(Plugin, params = {}) {
    const { inputs, outputs } = checked(Plugin);
    this.inputKinds = inputs.map(({ kind }) => kind);
    this.ports = outputs.length;
    connect();
    this.plugin = configured(Plugin, JSON.stringify(params));
  }

  /** Passes one window [start, end) with rows { time, value or text, quality }, and returns one value per output port. */
  window(start, end, rows) {
    if (rows.some(({ time }) => time < start || time >= end)) throw new RangeError('a row lies outside of the window');
    const [t0, , dt, values, qualities, texts] = columnsOf(rows, this.inputKinds);
    const offsets = dt.map((offset) => t0 + offset - start);
    return [...aggregateAll(this.plugin, [new Window(0, start, end, offsets, values, qualities, texts)], this.ports)];
  }
}

/** Rows as the columns of the contract: t0, run heads, dt, values, qualities, texts. */
function columnsOf(rows, kinds) {
  const t0 = rows.length > 0 ? rows[0].time : 0n;
  const heads = [];
  const texts = [];
  const values = rows.map(({ port = 0, value, text }) => (kinds[port] === 'text' ? indexIn(texts, text) : value));
  rows.forEach(({ group = 0, port = 0, time }, i) => {
    const at = heads.length - 3;
    if (i > 0 && heads[at] === group && heads[at + 1] === port && rows[i - 1].time <= time) heads[at + 2]++;
    else heads.push(group, port, 1);
  });
  const codes = rows.map(({ quality = 0 }) => quality);
  const qualities = codes.some((code) => code !== 0) ? codes : [];
  const dt = BigInt64Array.from(rows, ({ time }) => time - t0);
  return [t0, heads, dt, Float64Array.from(values), Uint32Array.from(qualities), texts];
}

function indexIn(texts, text) {
  const known = texts.indexOf(text);
  return known >= 0 ? known : texts.push(text) - 1;
}
