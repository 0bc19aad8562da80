// Where a calculation puts its results.
//
// There is one output for all plugins of a module, and its buffers are variables of this module: in an interpreter that is twice as
// fast as fields of an object. It is emptied before every call.
//
// Invariants: rows stand in the order of emission; a run ends where group or port change or time goes back; the texts of a call are
// numbered in order of first use; `qualities` stays untouched zeros while every row is good.

import { ROWS_KEPT_MAX } from './column.js';

const ROWS_MIN = 256;
const NOTHING = -1;

let capacity = 0;
let offsets;
let values;
let qualities;
let runHeads = [];
let runStart = 0;

let kinds = [];
let length = 0;
let t0 = 0n;
let allGood = true;
let lastGroup = NOTHING;
let lastPort = NOTHING; // of a run of texts: ~port
let lastTime = 0n;
let texts = [];
let textIndex = new Map();

function resize(rows) {
  const old = [offsets, values, qualities];
  capacity = rows;
  offsets = new BigInt64Array(rows);
  values = new Float64Array(rows);
  qualities = new Uint32Array(rows);
  if (length > 0) [offsets, values, qualities].forEach((column, i) => column.set(old[i].subarray(0, length)));
}

function beginRun(group, port, kind, time) {
  if (kinds[port] !== kind) throw new RangeError(wrongPort(port, kind));
  closeRun();
  if (length === 0) t0 = time;
  lastGroup = group;
  lastPort = kind === 'text' ? ~port : port;
}

function closeRun() {
  if (length === runStart) return;
  runHeads.push(lastGroup, lastPort < 0 ? ~lastPort : lastPort, length - runStart);
  runStart = length;
}

function wrongPort(port, kind) {
  if (kinds[port] === undefined) return `output port ${port} does not exist: about.outputs names ${kinds.length}`;
  return `output port ${port} carries ${kinds[port]}s, not ${kind}s`;
}

function indexOf(text) {
  let index = textIndex.get(text);
  if (index === undefined) {
    index = texts.push(String(text)) - 1;
    textIndex.set(text, index);
  }
  return index;
}

export class Output {
  /** Emits a number. Rows may come in any order; those of one group and port are cheapest one after another and by time. */
  push(group, port, time, value, quality = 0) {
    if (group !== lastGroup || port !== lastPort || time < lastTime) beginRun(group, port, 'number', time);
    if (length === capacity) resize(capacity * 2);
    lastTime = time;
    offsets[length] = time - t0;
    values[length] = value;
    if (quality !== 0) {
      qualities[length] = quality;
      allGood = false;
    }
    length++;
  }

  /** Emits a text on a text port. */
  text(group, port, time, text, quality = 0) {
    if (group !== lastGroup || ~port !== lastPort || time < lastTime) beginRun(group, port, 'text', time);
    if (length === capacity) resize(capacity * 2);
    lastTime = time;
    offsets[length] = time - t0;
    values[length] = indexOf(text);
    if (quality !== 0) {
      qualities[length] = quality;
      allGood = false;
    }
    length++;
  }

  /**
   * Emits one number per row of `run`, at the times of these rows: whole columns at once, the fastest way. Qualities are those of
   * the run unless `codes` are given.
   */
  column(batch, run, port, results, codes) {
    const { start, end } = run;
    const rows = end - start;
    if (results.length !== rows || (codes !== undefined && codes.length !== rows)) {
      throw new RangeError(`the run has ${rows} rows, but values or qualities have another length`);
    }
    if (rows === 0) return;
    beginRun(run.group, port, 'number', batch.t0);
    const first = length;
    if (first + rows > capacity) resize(Math.max(first + rows, capacity * 2));
    length += rows;
    offsets.set(batch.offsets.subarray(start, end), first);
    if (t0 !== batch.t0) for (let i = first; i < length; i++) offsets[i] += batch.t0 - t0;
    values.set(results, first);
    if (codes !== undefined || !batch.isAllGood) {
      qualities.set(codes ?? batch.qualities.subarray(start, end), first);
      allGood = false;
    }
    lastTime = t0 + offsets[length - 1];
  }

  /** How many rows were emitted in this call. */
  get length() {
    return length;
  }
}

/** The only output there is. */
export const output = new Output();

/** Empties the output for a call of a plugin with these output ports. */
export function begin(ports) {
  if (!allGood) qualities.fill(0, 0, length);
  length = 0;
  if (capacity > ROWS_KEPT_MAX || capacity === 0) resize(ROWS_MIN);
  kinds = ports;
  allGood = true;
  lastGroup = lastPort = NOTHING;
  runHeads = [];
  runStart = 0;
  if (texts.length > 0) {
    texts = [];
    textIndex = new Map();
  }
}

/** What was emitted, as columns that are good until the next call. */
export function emitted() {
  closeRun();
  return {
    t0,
    heads: runHeads,
    dt: offsets.subarray(0, length),
    values: values.subarray(0, length),
    qualities: qualities.subarray(0, allGood ? 0 : length),
    texts,
  };
}
