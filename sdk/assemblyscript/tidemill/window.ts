// Closed windows, as columns. Plugins see one at a time.
//
// Invariants: as for Batch; the rows of a window are sorted by time. A series has a time only once; where a group has several series, two
// of them may share a time.

import { checkColumns, Column, Texts } from "./batch";
import { Buffer } from "./memory";
import { Aggregation } from "./plugin";
import { Problem } from "./problem";
import { Time } from "./time";

/** Bytes of a window's head: u32 group, u32 rows, s64 start, s64 end. */
export const HEAD_BYTES: usize = 24;

/** One closed window of one group: source times in [start, end). */
export class Window {
  constructor(
    public group: u32,
    public start: Time,
    public end: Time,
    /** Nanoseconds after `start`. */
    public dt: Column<i64>,
    public values: Column<f64>,
    /** Empty when every row is good: the common case, worth a fast path. */
    public qualities: Column<u32>,
    private texts: Texts,
  ) {}

  /** How many rows there are. */
  get length(): i32 {
    return this.values.length;
  }

  /** Source time of a row. */
  time(index: i32): Time {
    return this.start + this.dt[index];
  }

  /** Quality of a row. */
  quality(index: i32): u32 {
    return this.qualities.length > 0 ? this.qualities[index] : 0;
  }

  /** What a row says, if the input is a text port. */
  text(index: i32): string {
    return this.texts.get(this.values[index]);
  }
}

/** Many windows as columns. */
export class Windows {
  constructor(
    /** Where the heads lie, and how many there are. */
    public heads: usize,
    public count: i32,
    public dt: Column<i64>,
    public values: Column<f64>,
    public qualities: Column<u32>,
    public texts: Texts,
  ) {}

  /** Calls the aggregation for every window; its values follow each other in `out`. */
  aggregate(plugin: Aggregation, ports: i32, out: Buffer<f64>): Problem | null {
    const wrong = this.check();
    if (wrong !== null) return wrong;
    out.length = 0;
    out.reserve(this.count * ports);
    let at = 0;
    for (let i = 0; i < this.count; i++) {
      const head = this.heads + <usize>i * HEAD_BYTES;
      const rows = load<u32>(head, 4);
      const qualities = this.qualities.length > 0 ? this.qualities.part(at, rows) : this.qualities;
      const window = new Window(
        load<u32>(head),
        load<i64>(head, 8),
        load<i64>(head, 16),
        this.dt.part(at, rows),
        this.values.part(at, rows),
        qualities,
        this.texts,
      );
      const first = out.length;
      for (let port = 0; port < ports; port++) out.push(NaN);
      plugin.aggregate(window, new Column<f64>(out.at(first), ports));
      at += rows;
    }
    return null;
  }

  private check(): Problem | null {
    let rows: u64 = 0;
    for (let i = 0; i < this.count; i++) rows += load<u32>(this.heads + <usize>i * HEAD_BYTES, 4);
    return checkColumns(rows, this.dt, this.values, this.qualities);
  }
}
