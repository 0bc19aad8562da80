// Closed windows.
//
// Invariant: the rows of a window are sorted by time and lie in [start, end). Columns are good until the call returns.

import { Problem } from './problem.js';

/** One row of a window. */
export class WindowRow {
  constructor(time, value, quality, texts) {
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

/** One closed window of one group. */
export class Window {
  constructor(group, start, end, offsets, values, qualities, texts) {
    this.group = group;
    this.start = start;
    this.end = end;
    this.length = values.length;
    this.offsets = offsets;
    this.values = values;
    this.isAllGood = qualities.length === 0;
    this.qualities = this.isAllGood ? new Uint32Array(values.length) : qualities;
    this.texts = texts;
  }

  /** Nanoseconds after `start` as plain numbers; exact in windows of up to 104 days. */
  get dt() {
    return Float64Array.from(this.offsets, Number);
  }

  /** Source time of row `index`. */
  time(index) {
    return this.start + this.offsets[index];
  }

  /** The rows by time, each a new object. */
  *rows() {
    const { start, offsets, values, qualities, texts } = this;
    for (let i = 0; i < values.length; i++) {
      yield new WindowRow(start + offsets[i], values[i], qualities[i], texts);
    }
  }
}

/**
 * The windows of a call. `heads` has 24 bytes per window, as in the contract: u32 group, u32 rows, s64 start, s64 end.
 */
export function* windowsOf(heads, dt, values, qualities, texts) {
  if (values.length !== dt.length) throw Problem.contract('dt and values differ in length');
  if (qualities.length !== 0 && qualities.length !== dt.length) {
    throw Problem.contract('qualities and values differ in length');
  }
  let first = 0;
  for (let at = 0; at < heads.byteLength; at += 24) {
    const last = first + heads.getUint32(at + 4, true);
    if (last > dt.length) break;
    yield new Window(
      heads.getUint32(at, true),
      heads.getBigInt64(at + 8, true),
      heads.getBigInt64(at + 16, true),
      dt.subarray(first, last),
      values.subarray(first, last),
      qualities.subarray(first, last),
      texts,
    );
    first = last;
  }
  if (first !== dt.length) throw Problem.contract('windows and columns differ in length');
}
