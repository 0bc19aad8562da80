// Rows of many groups and ports, as columns.
//
// Invariants: all columns have `length` elements; the runs cover them from the front without holes; rows of a run are ordered by
// time. Columns and runs are good until the call returns: the next call writes into the same buffers.

import { Problem } from './problem.js';
import { Column, NO_TEXTS } from './column.js';

/** One row, with all that belongs to it. */
export class Row {
  constructor(group, port, time, value, quality, texts) {
    this.group = group;
    this.port = port;
    this.time = time;
    this.value = value;
    this.quality = quality;
    this.texts = texts;
  }

  /** What a row of a text port says; undefined for numbers. */
  get text() {
    return this.texts[this.value];
  }
}

/** Rows [start, end) of the columns: those of one port of one group. */
export class Run {
  constructor(group, port, start, end) {
    this.group = group;
    this.port = port;
    this.start = start;
    this.end = end;
  }

  get length() {
    return this.end - this.start;
  }
}

export class Batch {
  constructor() {
    this.columns = { dt: new Column(BigInt64Array), values: new Column(Float64Array), qualities: new Column(Uint32Array) };
    this.relative = new Column(Float64Array);
    this.absolute = new Column(BigInt64Array);
    this.fill(0n, new Uint32Array(0), new BigInt64Array(0), new Float64Array(0), new Uint32Array(0), NO_TEXTS);
  }

  /** Takes over copies of the columns of a call. `heads` are three numbers per run: group, port, rows. */
  fill(t0, heads, dt, values, qualities, texts) {
    const length = dt.length;
    this.t0 = t0;
    this.length = length;
    this.runs = runsOf(heads, length);
    if (values.length !== length) throw Problem.contract('dt and values differ in length');
    if (qualities.length !== 0 && qualities.length !== length) {
      throw Problem.contract('qualities and values differ in length');
    }
    this.isAllGood = qualities.length === 0;
    this.offsets = this.columns.dt.copyOf(dt);
    this.values = this.columns.values.copyOf(values);
    this.qualities = this.isAllGood ? this.columns.qualities.zeros(length) : this.columns.qualities.copyOf(qualities);
    this.texts = texts;
    this.dtColumn = null;
    this.timeColumn = null;
  }

  /** Source times, absolute, as BigInt64Array. Made on first use. */
  get times() {
    if (this.timeColumn !== null) return this.timeColumn;
    const { length, offsets, t0 } = this;
    const times = this.absolute.room(length);
    for (let i = 0; i < length; i++) times[i] = t0 + offsets[i];
    this.timeColumn = times;
    return times;
  }

  /** Nanoseconds after t0 as plain numbers, exact within 2^53. Made on first use. */
  get dt() {
    if (this.dtColumn !== null) return this.dtColumn;
    const { length, offsets } = this;
    const dt = this.relative.room(length);
    for (let i = 0; i < length; i++) dt[i] = Number(offsets[i]);
    this.dtColumn = dt;
    return dt;
  }

  /** The rows, run by run, each a new object. */
  rows() {
    return new Rows(this);
  }

  /** The rows by group, then time, then port, for calculations that combine several inputs. Costs a sort. */
  rowsByTime() {
    const byTime = (a, b) => a.group - b.group || (a.time < b.time ? -1 : a.time > b.time ? 1 : a.port - b.port);
    return [...this.rows()].sort(byTime);
  }
}

/** Iterator over the rows of a batch, and the result of its own steps: half the price of a generator in an interpreter. */
class Rows {
  constructor({ runs, times, values, qualities, texts }) {
    this.runs = runs.values();
    this.times = times;
    this.values = values;
    this.qualities = qualities;
    this.texts = texts;
    this.run = new Run(0, 0, 0, 0);
    this.index = 0;
    this.value = undefined;
    this.done = false;
  }

  [Symbol.iterator]() {
    return this;
  }

  next() {
    const index = this.index;
    const run = this.run;
    if (index === run.end) return this.nextRun();
    this.index = index + 1;
    this.value = new Row(run.group, run.port, this.times[index], this.values[index], this.qualities[index], this.texts);
    return this;
  }

  nextRun() {
    for (const run of this.runs) {
      if (run.length === 0) continue;
      this.run = run;
      return this.next();
    }
    this.value = undefined;
    this.done = true;
    return this;
  }
}

function runsOf(heads, length) {
  const runs = [];
  let start = 0;
  for (let i = 0; i < heads.length; i += 3) {
    const end = start + heads[i + 2];
    runs.push(new Run(heads[i], heads[i + 1], start, end));
    start = end;
  }
  if (start !== length) throw Problem.contract('runs and columns differ in length');
  return runs;
}
